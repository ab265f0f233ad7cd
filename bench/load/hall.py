"""Many sessions in one thread: each has its players, who know of no other session.

Every session's epoll is a line of one epoll above them all, which tells who has news;
a heap tells who has something due. It waits in whole milliseconds, so that something
due is done up to one late, which the players' own lags show.
"""

import heapq
from collections import Counter
from collections.abc import Sequence
from select import EPOLLIN, epoll

from bench.load._core import now_ns
from bench.load._play import Players

NS_PER_S = 1e9
PLENTY = 64
"""Sessions that are looked at before what is due has its turn again."""


class Hall:
    """The *sessions* of one process; calls are those of ``Sockets``, to all of them."""

    def __init__(self, sessions: Sequence[Players]) -> None:
        self.sessions = sessions
        self._of = {players.fileno(): players for players in sessions}
        self._epoll = epoll()
        self._dues: list[tuple[int, int]] = []
        self._due_ns = dict.fromkeys(self._of, 0)
        self._watched: set[int] = set()
        for fd in self._of:
            self._epoll.register(fd, EPOLLIN)
            self._look(fd)

    def watch(self, fd: int) -> None:
        """Let a run end early when *fd* is readable."""
        self._watched.add(fd)
        self._epoll.register(fd, EPOLLIN)

    def connect(self, per_second: float, in_flight: int) -> None:
        """Let all lines be begun: one stream, the sessions in turn.

        *per_second*: of all; 0: as fast as goes, with *in_flight* of each session.
        """
        of_one = per_second / len(self.sessions)
        for place, players in enumerate(self.sessions):
            delay_s = place / per_second if per_second else 0.0
            players.connect(of_one, in_flight, delay_s)
            self._look(players.fileno())

    def run(self, seconds: float) -> bool:
        """Serve all lines for *seconds*; tell whether something watched ended it."""
        until_ns = now_ns() + round(seconds * NS_PER_S)
        while True:
            self._do_due()
            wait_ns = min(self._next_ns(), until_ns) - now_ns()
            for fd, _ in self._epoll.poll(max(wait_ns, 0) / NS_PER_S, PLENTY):
                if fd in self._watched:
                    return True
                self._look(fd)
            if now_ns() >= until_ns:
                return False

    def _do_due(self) -> None:
        now = now_ns()
        while self._dues and self._dues[0][0] <= now:
            due_ns, fd = heapq.heappop(self._dues)
            if self._due_ns[fd] == due_ns:
                self._look(fd)

    def _next_ns(self) -> int:
        return self._dues[0][0] if self._dues else now_ns() + round(NS_PER_S)

    def _look(self, fd: int) -> None:
        """Serve a session, and note when it wants to be served at the latest."""
        due_ns = self._of[fd].look()
        if due_ns != self._due_ns[fd]:
            self._due_ns[fd] = due_ns
            heapq.heappush(self._dues, (due_ns, fd))

    def counters(self) -> dict[str, int]:
        """Return what has happened so far, in all sessions together."""
        total: Counter[str] = Counter()
        for players in self.sessions:
            total.update(players.counters())
        return dict(total)

    def violations(self) -> list[tuple[int, str]]:
        """Return the first violations of each session."""
        return [found for players in self.sessions for found in players.violations()]

    def close(self) -> None:
        """Say farewell on all lines and close them."""
        for players in self.sessions:
            players.close()
