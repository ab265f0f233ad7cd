"""Whole games, and crowds that hold still, by several client processes.

Everything here blocks; a program with an event loop calls it in a thread. Server
processes whose use of the machine is to be told are named by *watch*, their ids.
"""

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from itertools import chain
from typing import Literal

import httpx

from bench.load.figures import (
    GameResult,
    QuestionFigures,
    Spread,
    Stage,
    histogram_of,
)
from bench.load.fleet import Fleet, TooSlow, Violations, shares
from bench.load.orders import Part, Played, Rules
from bench.load.process import Timeline, Usage, cpu_us
from bench.load.tickets import Address, Dialect, Key, join_requests
from bench.load.verify import Standings, check_board, check_standings

NS_PER_MS = 1e6
NS_PER_S = 1e9
JOIN_LINES = 16
IN_FLIGHT = 128
GRACE_S = 5.0
SHARES = ("silent", "late", "doubled", "malformed", "wrong")


@dataclass(frozen=True, slots=True)
class Behaviour:
    """How players behave; shares are of 1 and drawn for each player and question.

    ``silent``: no answer. ``late``: after the end. ``doubled``: the same answer twice.
    ``malformed``: a wrong message beside the answer. ``wrong``: of those who answer.
    Answers come after ``low_ms`` to ``high_ms``, evenly spread, or exponentially with
    the mean ``low_ms`` and at most ``high_ms``; counted from the question's start, or
    from its receipt.
    """

    silent: float = 0.0
    late: float = 0.0
    doubled: float = 0.0
    malformed: float = 0.0
    wrong: float = 0.4
    low_ms: float = 100.0
    high_ms: float = 900.0
    spread: Literal["uniform", "exponential"] = "uniform"
    since: Literal["start", "receipt"] = "start"

    def habits(self) -> dict[str, float | bool]:
        """Return them as the compiled players take them."""
        return {
            **{name: getattr(self, name) for name in SHARES},
            "low_ns": self.low_ms * NS_PER_MS,
            "high_ns": self.high_ms * NS_PER_MS,
            "exponential": self.spread == "exponential",
            "from_start": self.since == "start",
        }


@dataclass(frozen=True, slots=True)
class Session:
    """The session to be played, which nobody else takes part in.

    ``quiz``: its quiz's id or its pin. ``key``: by :func:`bench.load.tickets.key_of`.
    ``host_token``: with it the driver starts the game when everybody is there; without,
    the game starts by itself. ``lenient``: the server speaks the published contract
    alone, without numbers and own ranks. ``dialect``: what its frames look like; one of
    socket.io welcomes everybody, lenient or not.
    """

    address: Address
    quiz: str
    key: Key
    host_token: str = ""
    lenient: bool = False
    dialect: Dialect = "websocket"

    @property
    def welcomes(self) -> bool:
        """Whether a player is in only when welcomed."""
        return not self.lenient or self.dialect == "socket.io"


@dataclass(frozen=True, slots=True)
class Crowd:
    """How many players, from how many processes, at which pace.

    Rates are of all processes together, a second; 0: as fast as it goes. ``timeout_s``
    is for each stage: joining, connecting, the game. The same ``seed`` makes the same
    decisions.
    """

    players: int
    processes: int = 2
    joins_per_s: float = 0.0
    connects_per_s: float = 0.0
    seed: int = 0
    timeout_s: float = 120.0
    progress: bool = True


class Game:
    """One crowd in one session: :meth:`join`, :meth:`connect`, :meth:`play`, in order.

    Raises :class:`TooSlow` where joining or connecting takes longer than it may.
    """

    def __init__(
        self,
        fleet: Fleet,
        session: Session,
        crowd: Crowd,
        behaviour: Behaviour,
        watch: Sequence[int] = (),
    ) -> None:
        self.fleet = fleet
        self.session = session
        self.crowd = crowd
        self.behaviour = behaviour
        self.watch = tuple(watch)
        self.usage = {"start": Usage.of(self.watch)}
        self.joins: Stage
        self.connects: Stage
        self._parts = shares(crowd.players, fleet.processes)
        self._timeline = Timeline(self.watch)
        self._unfinished = Violations(0, ())

    # -- stages --------------------------------------------------------------------

    def join(self) -> Stage:
        """Let everybody join by REST; raise ``RuntimeError`` where one is refused."""
        address, fleet = self.session.address, self.fleet
        before_us = self._cpu_us()
        requests = [
            join_requests(address, self.session.quiz, map(name_of, part))
            for part in self._parts
        ]
        rate = self.crowd.joins_per_s / fleet.processes
        fleet.call_each(
            "join", [(address, part, JOIN_LINES, rate) for part in requests]
        )
        self._wait("joined", "answered", "faults")
        used_us, seconds = self._cpu_us() - before_us, fleet.seconds()
        times = histogram_of(fleet.call("joined"))
        self.joins = Stage(self.crowd.players, seconds, times, used_us)
        self.usage["joined"] = Usage.of(self.watch)
        return self.joins

    def connect(self) -> Stage:
        """Let everybody connect, and be welcomed where the server does that."""
        session, fleet = self.session, self.fleet
        before_us = self._cpu_us()
        rules = Rules(
            session.key, self.behaviour.habits(), session.lenient, session.dialect
        )
        fleet.call_each(
            "seat",
            [(rules, Part(part.start, self.crowd.seed)) for part in self._parts],
        )
        rate = self.crowd.connects_per_s / fleet.processes
        fleet.call("connect", rate, IN_FLIGHT)
        self._wait("connected", "welcomed" if session.welcomes else "opened", "lost")
        used_us, seconds = self._cpu_us() - before_us, fleet.seconds()
        times = histogram_of(fleet.call("connect_times"))
        self.connects = Stage(self.crowd.players, seconds, times, used_us)
        self.usage["connected"] = Usage.of(self.watch)
        return self.connects

    def play(self, lead: Callable[[], None] | None = None) -> GameResult:
        """Play to the end; what does not come in time is a violation.

        *lead*: leads the game instead of us, to its end, and raises :class:`TooSlow`
        where that takes too long.
        """
        with self._timeline:
            try:
                if lead is not None:
                    lead()
                elif self.session.host_token:
                    self.start()
                self._wait("ended", "ended", "lost")
                self._wait_for_results()
            except TooSlow as late:
                self._unfinished = Violations(1, (str(late),))
        with suppress(OSError):  # the server is gone, as players have noticed
            self.usage["ended"] = Usage.of(self.watch)
        self.fleet.call("settle", True)
        return self._result()

    def start(self) -> None:
        """Start the game as its host; raise ``httpx.HTTPStatusError`` if refused."""
        url = f"http://{self.session.address}/api/v1/quizzes/{self.session.quiz}/start"
        headers = {"authorization": f"Bearer {self.session.host_token}"}
        httpx.post(url, headers=headers, timeout=30).raise_for_status()

    def _wait(self, what: str, *names: str) -> None:
        """Wait until the counters *names* together have reached everybody."""
        self.fleet.wait(
            what,
            self.crowd.players,
            lambda counters: sum(counters[name] for name in names),
            self.crowd.timeout_s,
        )

    def _wait_for_results(self) -> None:
        """Wait for what may still be on its way after the end, to who is there."""
        players = self.crowd.players
        self.fleet.wait(
            "settled",
            1,
            lambda counters: counters["lost"] >= players or not owed(counters),
            GRACE_S,
        )

    def _cpu_us(self) -> float:
        return sum(map(cpu_us, self.watch))

    # -- result --------------------------------------------------------------------

    def _result(self) -> GameResult:
        questions = len(self.session.key)
        parts: list[Played] = self.fleet.call("played", questions)
        counters = self.fleet.counters()
        violations = self.fleet.violations() + self._unfinished
        if not self.session.lenient:
            ids = self.fleet.call("participant_ids")
            violations += wrong_ranks(parts, questions, [*chain.from_iterable(ids)])
        return GameResult(
            players=self.crowd.players,
            violations=violations,
            joins=self.joins,
            connects=self.connects,
            welcomes=histogram_of([part.welcomes for part in parts]),
            acks=histogram_of([part.acks for part in parts]),
            lags=histogram_of([part.lags for part in parts]),
            questions=[self._figures(parts, row) for row in range(questions)],
            counters=counters,
            usage=self.usage,
        )

    def _figures(self, parts: Sequence[Played], row: int) -> QuestionFigures:
        opened = Spread.of([part.columns["opened"][row] for part in parts])
        closed = Spread.of([part.columns["closed"][row] for part in parts])
        windows = [part.windows[row] for part in parts]
        dues_ns = [window["first_due_ns"] for window in windows if window["sent"]]
        first_ns = min(dues_ns, default=0)
        last_ns = max(window["last_result_ns"] for window in windows)
        accepted = sum(window["results"] for window in windows)
        used_us = self._timeline.between_us
        return QuestionFigures(
            opened=opened,
            closed=closed,
            answers_sent=sum(window["sent"] for window in windows),
            answers_accepted=accepted,
            answers_s=max(last_ns - first_ns, 0) / NS_PER_S,
            opened_cpu_us=each(
                used_us(opened.first_ns, opened.last_ns), opened.received
            ),
            closed_cpu_us=each(
                used_us(closed.first_ns, closed.last_ns), closed.received
            ),
            answer_cpu_us=each(used_us(first_ns, last_ns), accepted),
        )


def run_game(
    session: Session,
    crowd: Crowd,
    behaviour: Behaviour | None = None,
    watch: Sequence[int] = (),
) -> GameResult:
    """Join, connect and play a whole game; return what it came to.

    Raises :class:`TooSlow` or ``RuntimeError`` where the crowd can't get in.
    """
    with Fleet(crowd.processes, progress=crowd.progress) as fleet:
        game = Game(fleet, session, crowd, behaviour or Behaviour(), watch)
        game.join()
        game.connect()
        return game.play()


@contextmanager
def hold(session: Session, crowd: Crowd, watch: Sequence[int] = ()) -> Iterator[Game]:
    """Hold a crowd that has joined and connected and does nothing, until the end.

    Its pings are answered. What it costs is in the game's ``joins``, ``connects`` and
    ``usage``; what went wrong in ``fleet.violations()``.
    """
    with Fleet(crowd.processes, progress=crowd.progress) as fleet:
        game = Game(fleet, session, crowd, Behaviour(silent=1), watch)
        game.join()
        game.connect()
        yield game


def name_of(number: int) -> str:
    """Return what player *number* calls itself."""
    return f"Player {number}"


def owed(counters: Counter[str]) -> int:
    """Return how many answers and wrong messages are still without a reply."""
    sent = sum(counters[name] for name in ("answers_sent", "late_sent"))
    settled = sum(
        counters[name] for name in ("results", "refused_late", "late_refused")
    )
    return sent - settled + counters["nonsense_sent"] - counters["nonsense_answered"]


def standings(parts: Sequence[Played], row: int) -> Standings:
    """Return what everybody was told after question *row*."""
    scores, ranks, ofs = (
        [part.columns[name][row] for part in parts]
        for name in ("scores", "ranks", "ofs")
    )
    return Standings.of_parts(scores, ranks, ofs)


def wrong_ranks(
    parts: Sequence[Played], questions: int, participant_ids: Sequence[str]
) -> Violations:
    """Hold what all players of a session were told against each other.

    After each of so many *questions*, and at the end; *participant_ids*: by player.
    """
    found = Violations(0, ())
    for row in range(questions + 1):
        moment = f"after question {row}" if row < questions else "at the end"
        found += check_standings(moment, standings(parts, row))
    finals = [part.final for part in parts if part.final is not None]
    if finals:
        found += check_board(finals[0], participant_ids, standings(parts, questions))
    return found


def each(total: float, count: int) -> float:
    """Return the share of one, 0 where there is none."""
    return total / count if count else 0.0
