"""The sessions that this shard follows, and their connections here."""

import asyncio
from collections.abc import Awaitable, Callable, Coroutine, Iterator
from dataclasses import dataclass

from quizd.clock import Clock
from quizd.journal.base import Journal
from quizd.replica.exchange import Exchange
from quizd.replica.follower import Follower
from quizd.replica.lines import LineKeeper, Lines
from quizd.replica.messages import Item, Kind, beat_ms
from quizd.replica.owner_time import OwnerTimes
from quizd.replica.repair import at_once
from quizd.replica.replica import Shown
from quizd.replica.rota import Rota

IDLE_MS = 60_000
"""A session that nobody here has been in for so long is not followed any more."""

FROM_OWNER = (
    Kind.RECORDS,
    Kind.PULSE,
    Kind.TAKEN,
    Kind.REPLY,
    Kind.REFUSE,
    Kind.REPEAT,
    Kind.REPLACED,
)


@dataclass(slots=True)
class Followed:
    """A session followed, and the task that does it."""

    follower: Follower
    lines: Lines
    task: asyncio.Task[None]
    used_ms: int


class Followers:
    """Follows sessions for as long as anybody here is in them.

    *keeper* has the connections. *certainty* ends when the journal can be believed that
    it lacks something: it has had the time to be given back what it lost.
    """

    def __init__(
        self,
        exchange: Exchange,
        journal: Journal,
        clock: Clock,
        keeper: LineKeeper,
        waiting_max: int,
        certainty: Callable[[], Awaitable[None]] = at_once,
    ) -> None:
        self._exchange = exchange
        self._journal = journal
        self._clock = clock
        self._keeper = keeper
        self._waiting_max = waiting_max
        self._certainty = certainty
        self._followed: dict[str, Followed] = {}
        self._halted: dict[str, Followed] = {}
        self._at: dict[str, str] = {}
        self._times = OwnerTimes(clock)
        self._rota = Rota()
        for kind in FROM_OWNER:
            exchange.handle(kind, self._on_item)
        exchange.handle(Kind.BEAT, self._on_beat)
        exchange.on_gap.append(self._on_gap)

    def __len__(self) -> int:
        return len(self._followed)

    def __iter__(self) -> Iterator[Follower]:
        return iter([followed.follower for followed in self._followed.values()])

    def get(self, session_id: str) -> Follower | None:
        """Return the follower of a session, if it is followed, or halted."""
        followed = self._followed.get(session_id) or self._halted.get(session_id)
        if followed is None:
            return None
        followed.used_ms = self._clock.now_ms()
        return followed.follower

    def follow(
        self,
        session_id: str,
        lines: Lines | None = None,
        shown: Shown | None = None,
    ) -> Follower:
        """Begin to follow; *lines* are connections that have seen what is *shown*."""
        follower = Follower(
            session_id,
            exchange=self._exchange,
            journal=self._journal,
            times=self._times,
            waiting_max=self._waiting_max,
            shown=shown,
            certainty=self._certainty,
        )
        if lines is None:
            lines = self._keeper.lines(session_id, follower)
        else:
            follower.take_inbox(lines.inbox)
            lines.adopt(follower)
        follower.subscriber = lines
        self._begin(session_id, follower, lines, follower.run())
        follower.ready.add_done_callback(lambda _: self._note_addresses(follower))
        return follower

    def find(self, address: str) -> Follower | None:
        """Return the follower of the open session of a quiz's id or a pin."""
        session_id = self._at.get(address)
        follower = self.get(session_id) if session_id is not None else None
        return None if follower is None or follower.ended.done() else follower

    def _note_addresses(self, follower: Follower) -> None:
        if follower.replica is not None:
            state = follower.state
            self._at[state.quiz_id] = self._at[state.pin] = state.session_id

    def _forget_addresses(self, session_id: str) -> None:
        for address in [a for a, there in self._at.items() if there == session_id]:
            del self._at[address]

    def _begin(
        self,
        session_id: str,
        follower: Follower,
        lines: Lines,
        job: Coroutine[None, None, None],
    ) -> None:
        task = asyncio.create_task(job)
        task.add_done_callback(lambda done: self._ended(session_id, done))
        followed = Followed(follower, lines, task, self._clock.now_ms())
        self._followed[session_id] = followed

    def halt(self, session_id: str) -> Followed | None:
        """Let the replica of a session stand as it is; return what there is.

        It stays known: who comes meanwhile comes to the connections that there are.
        """
        followed = self._followed.pop(session_id, None)
        if followed is not None:
            self._halted[session_id] = followed
            followed.follower.halt()
            followed.task.cancel()
        return self._halted.get(session_id)

    def take_out(self, session_id: str) -> Followed | None:
        """Follow a session no more, whose connections stay; return what there was."""
        self.halt(session_id)
        self._forget_addresses(session_id)
        return self._halted.pop(session_id, None)

    def put_back(self, session_id: str) -> None:
        """Go on after :meth:`halt`: the session did not become ours."""
        followed = self._halted.pop(session_id, None)
        if followed is not None:
            follower, lines = followed.follower, followed.lines
            self._begin(session_id, follower, lines, follower.resume(followed.task))

    def suspect(self, owner: str) -> None:
        """Look who owns the sessions of *owner*, which is gone or silent."""
        theirs = [follower for follower in self if follower.owner == owner]
        for follower in theirs:
            follower.suspect()
        if not theirs:
            self._times.forget(owner)

    def pulse(self) -> None:
        """Report to owners, look after what is silent, let go what is unused."""
        for owner in self._times.fallen_silent():
            self.suspect(owner)
        before_ms = self._clock.now_ms() - IDLE_MS
        for session_id in self._rota.next(self._followed):
            followed = self._followed[session_id]
            if followed.lines.is_watched or not followed.follower.ready.done():
                followed.used_ms = self._clock.now_ms()
            if followed.used_ms < before_ms:
                self._let_go(session_id)
            else:
                followed.follower.pulse()

    def stop(self) -> None:
        """Follow nothing any more."""
        for session_id in [*self._followed, *self._halted]:
            followed = self.take_out(session_id)
            if followed is not None:
                followed.follower.stop()

    def _let_go(self, session_id: str) -> None:
        followed = self.take_out(session_id)
        if followed is not None:
            followed.follower.detach()
            followed.follower.stop()
            self._keeper.forget(session_id)

    def _ended(self, session_id: str, task: asyncio.Task[None]) -> None:
        """Forget a session that can't be followed; a failure is the log's."""
        followed = self._followed.get(session_id)
        if task.cancelled() or followed is None or followed.task is not task:
            return
        followed.follower.note_failure(task.exception())
        self._let_go(session_id)

    def _on_item(self, sender: str, item: Item) -> None:
        followed = self._followed.get(item.session_id)
        if followed is not None:
            followed.follower.on_item(sender, item)

    def _on_beat(self, sender: str, item: Item) -> None:
        self._times.of(sender).hear(beat_ms(item.body))

    def _on_gap(self, peer: str | None) -> None:
        for follower in self:
            if peer is None or follower.owner == peer:
                follower.suspect()
