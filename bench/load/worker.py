"""One client process: it holds its part of the players and does what it is told.

The driver speaks to it through a pipe: a method's name and arguments go in, the result
or the exception comes out. Between two calls the sockets are served; a call ends that
at once. When the driver is gone, however it went, the pipe ends and so does this.

Run as ``python -m bench.load.worker <descriptor of the pipe>``.
"""

import contextlib
import sys
from collections.abc import Sequence
from dataclasses import dataclass, field
from multiprocessing.connection import Connection
from typing import Any, TypeVar

from bench.load._core import Sockets
from bench.load._http import Requests
from bench.load._play import Players
from bench.load._raw import Echoes, Receivers
from bench.load._socketio import SocketIoPlayers
from bench.load.hall import Hall
from bench.load.orders import Pairs, Part, Played, Rules, Words
from bench.load.tickets import ACCEPT, Address, Ticket, game_head

SERVE_S = 3600.0
COLUMNS = ("opened", "closed", "scores", "ranks", "ofs")

Violation = tuple[int, str]
S = TypeVar("S", bound=Sockets | Hall)


@dataclass(slots=True)
class Station:
    """What the driver can call: each public method."""

    pipe: int
    sockets: Sockets | Hall | None = None
    address: Address = field(default_factory=lambda: Address("", 0))
    tickets: list[Ticket] = field(default_factory=list)

    # -- for all kinds -------------------------------------------------------------

    def counters(self) -> dict[str, int]:
        """Return what has happened so far."""
        return self._all().counters()

    def violations(self) -> list[Violation]:
        """Return the first of the violations."""
        return self._all().violations()

    def connect(self, per_second: float, in_flight: int) -> None:
        """Begin to connect."""
        self._all().connect(per_second, in_flight)

    def span(self) -> tuple[int, int]:
        """Return when the first was due, and the last done; CLOCK_MONOTONIC, ns."""
        sockets = self._current(Sockets)
        return sockets.first_ns, sockets.last_ns

    def connect_times(self) -> Pairs:
        """Return how long connecting took."""
        return self._current(Sockets).connects.pairs()

    def close(self) -> None:
        """Close all lines; the counters stay."""
        self._all().close()

    # -- joining -------------------------------------------------------------------

    def join(
        self, address: Address, requests: list[bytes], lines: int, per_second: float
    ) -> None:
        """Begin to send *requests* over so many *lines*."""
        self.address = address
        asking = Requests(address.host, address.port, requests, lines=lines)
        self._use(asking)
        asking.ask(per_second)

    def joined(self) -> Pairs:
        """Keep the tickets of who joined; return how long joining took.

        Raises ``RuntimeError`` with the first refusal where there is one.
        """
        asked = self._current(Requests)
        responses = asked.responses()
        for status, body in responses:
            if status != 200:
                raise RuntimeError(f"a join got {status or 'nothing'}: {body[:200]!r}")
        self.tickets = [Ticket.of(body) for _, body in responses]
        asked.close()
        return asked.latencies.pairs()

    def participant_ids(self) -> list[str]:
        """Return the ids of this part's players, in their order."""
        return [ticket.participant_id for ticket in self.tickets]

    # -- playing -------------------------------------------------------------------

    def seat(self, rules: Rules, part: Part) -> None:
        """Make the players, not yet connected, of those who joined."""
        self._use(self._seated(rules, part, self.tickets))

    def seat_in(self, rules: Rules, parts: Sequence[Part]) -> None:
        """Make the players of many sessions, as many in each.

        Those who joined are in turn of the first session, the second …; *parts* are
        the sessions'.
        """
        self._use(
            Hall(
                [
                    self._seated(rules, part, self.tickets[place :: len(parts)])
                    for place, part in enumerate(parts)
                ]
            )
        )

    def _seated(self, rules: Rules, part: Part, tickets: Sequence[Ticket]) -> Players:
        kind = SocketIoPlayers if rules.dialect == "socket.io" else Players
        return kind(
            self.address.host,
            self.address.port,
            [game_head(self.address, ticket, rules.dialect) for ticket in tickets],
            accept=ACCEPT,
            key=rules.key,
            habits=dict(rules.habits),
            lenient=rules.lenient,
            seed=part.seed,
            first_number=part.first_number,
        )

    def settle(self, to_the_end: bool) -> None:  # noqa: FBT001 - called by position
        """Look for what never came."""
        for players in self._playing():
            players.settle(to_the_end)

    def column(self, name: str, row: int) -> bytes:
        """Return one column of what was played so far, by player."""
        return self._current(Players).column(name, row)

    def played(self, questions: int) -> Played:
        """Return what was played of so many *questions*."""
        return played(self._current(Players), questions)

    def played_in(self, questions: int) -> list[Played]:
        """Return the same of each of many sessions."""
        return [played(players, questions) for players in self._playing()]

    def faults_in(self) -> list[int]:
        """Return how many violations there were in each of many sessions."""
        return [players.counters()["faults"] for players in self._playing()]

    # -- listening and echoing -----------------------------------------------------

    def attend(self, words: Words, part: Part) -> None:
        """Make receivers, not yet connected, of those who joined."""
        heads = [game_head(self.address, ticket) for ticket in self.tickets]
        self.listen(self.address, heads, words, part)

    def listen(
        self, address: Address, heads: list[bytes], words: Words, part: Part
    ) -> None:
        """Make receivers of broadcasts."""
        receivers = Receivers(
            address.host,
            address.port,
            heads,
            accept=ACCEPT,
            marker=words.marker,
            alert=words.alert,
            greeting=words.greeting,
            ping=words.ping,
            pong=words.pong,
            seed=part.seed,
            first_number=part.first_number,
        )
        self._use(receivers)

    def expect(self, rounds: int) -> None:
        """Expect so many broadcasts."""
        self._current(Receivers).expect_broadcast(rounds)

    def receipts(self, round_: int) -> bytes:
        """Return when a broadcast came: packed int64, nanoseconds, by client."""
        return self._current(Receivers).receipts(round_)

    def echo(
        self, address: Address, heads: list[bytes], words: Words, part: Part
    ) -> None:
        """Make clients of an echo."""
        echoes = Echoes(
            address.host,
            address.port,
            heads,
            accept=ACCEPT,
            greeting=words.greeting,
            ping=words.ping,
            pong=words.pong,
            seed=part.seed,
            first_number=part.first_number,
        )
        self._use(echoes)

    def send(
        self,
        per_second: float,
        messages: int,
        payload: bytes,
        poisson: bool,  # noqa: FBT001 - called by position
    ) -> None:
        """Begin to send to the echo."""
        self._current(Echoes).send_at(per_second, messages, payload, poisson=poisson)

    def echo_times(self) -> tuple[Pairs, Pairs]:
        """Return latencies and the generator's own lags."""
        echoes = self._current(Echoes)
        return echoes.latencies.pairs(), echoes.lags.pairs()

    # -- inside --------------------------------------------------------------------

    def serve(self) -> None:
        """Serve the sockets until the driver calls."""
        if self.sockets is not None:
            self.sockets.run(SERVE_S)

    def leave(self) -> None:
        """Close what is open: the driver is gone."""
        if self.sockets is not None:
            self.sockets.close()

    def _use(self, sockets: Sockets | Hall) -> None:
        sockets.watch(self.pipe)
        self.sockets = sockets

    def _all(self) -> Sockets | Hall:
        if self.sockets is None:
            raise TypeError("there are no sockets now")
        return self.sockets

    def _playing(self) -> Sequence[Players]:
        if isinstance(self.sockets, Hall):
            return self.sockets.sessions
        return [self._current(Players)]

    def _current(self, kind: type[S]) -> S:
        if not isinstance(self.sockets, kind):
            raise TypeError(f"there are no {kind.__name__} now")
        return self.sockets


def played(players: Players, questions: int) -> Played:
    """Return what *players* have played of so many *questions*."""
    return Played(
        columns={
            name: [players.column(name, row) for row in range(questions + 1)]
            for name in COLUMNS
        },
        windows=[players.window(row) for row in range(questions)],
        welcomes=players.welcomes.pairs(),
        boards=players.boards.pairs(),
        acks=players.acks.pairs(),
        lags=players.lags.pairs(),
        final=players.final(),
    )


def work(pipe: Connection) -> None:
    """Do what comes through *pipe* until it ends."""
    station = Station(pipe.fileno())
    with contextlib.suppress(EOFError, ConnectionError):
        while True:
            station.serve()
            name, arguments = pipe.recv()
            pipe.send(called(station, name, arguments))
    station.leave()


def called(station: Station, name: str, arguments: Sequence[Any]) -> tuple[bool, Any]:
    """Return whether the call went well, and its result or exception."""
    try:
        return True, getattr(station, name)(*arguments)
    except Exception as error:  # noqa: BLE001 - the driver raises it
        return False, error


if __name__ == "__main__":
    work(Connection(int(sys.argv[1])))
