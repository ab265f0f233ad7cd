"""Many quizzes at once: all opened, all full, each led by its host on a schedule.

Quizzes are shared out among the client processes, each whole in one of them; a player
checks all that it sees, and all ranks of a quiz are held against all its scores.

Hosts speak REST. Their commands are one even stream by an open-loop schedule: first
every quiz is started, one after the other, a period later the first one gets its next
question, and so on; after the last question every quiz is ended. So at any moment each
quiz is in another part of its period, and all of them are there.
"""

import random
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from itertools import chain

import orjson

from bench.floors.redis_server import RedisServer
from bench.histogram import Histogram
from bench.large.stage import Used
from bench.load._http import Requests
from bench.load.driver import (
    IN_FLIGHT,
    Behaviour,
    name_of,
    owed,
    wrong_ranks,
)
from bench.load.figures import histogram_of
from bench.load.fleet import Fleet, TooSlow, Violations, shares
from bench.load.orders import Part, Played, Rules
from bench.load.process import cpu_us, rss_bytes
from bench.load.tickets import Address, join_requests, key_of, post
from bench.scenarios.base import US_PER_S, Data, quiz_of
from bench.server import QuizServer

SILENT = 0.02
OPEN_LINES = 16
LEAD_LINES = 64
MANY_LINES = 256
"""Of each client process: in no queue of the generator, but in the shards'."""
LOOK_S = 0.25
CALM_S = 2.0
GRACE_S = 5.0
TIMEOUT_S = 60.0
NS_PER_S = 1e9
QUIZZES = "/api/v1/quizzes"


@dataclass(frozen=True, slots=True)
class Plan:
    """What is to be played: *players* of each quiz, *clients* processes of them.

    *enter_s*: in which everybody joins, and again in which everybody connects.
    *period_s*: between a quiz's questions, 2 at least; half of it a question is open,
    for a quarter answers come.
    """

    quizzes: int
    players: int
    shards: int
    clients: int
    questions: int
    enter_s: float
    period_s: float
    seed: int = 1
    progress: bool = True

    @property
    def everybody(self) -> int:
        """How many players there are in all quizzes."""
        return self.quizzes * self.players

    def quiz(self) -> Data:
        """Return what each quiz is made of."""
        return quiz_of(self.questions, self.period_s / 2, {"advance": "host"})

    def behaviour(self) -> Behaviour:
        """Return what players do."""
        return Behaviour(silent=SILENT, low_ms=0, high_ms=self.period_s / 4 * 1000)


@dataclass(frozen=True, slots=True)
class Hosted:
    """An open session, and what leads it."""

    quiz_id: str
    session_id: str
    token: str


@dataclass(frozen=True, slots=True)
class Commands:
    """What hosts do: the requests in order, and when each is due.

    Commands of one kind come for all quizzes in order, then those of the next kind:
    the start, the further questions, the end.
    """

    texts: list[bytes]
    gap_ns: float
    quizzes: int

    @classmethod
    def of(cls, plan: Plan, address: Address, hosted: Sequence[Hosted]) -> "Commands":
        """Return those of *plan*."""
        onward = {"expect": {"phase": "reveal"}}
        kinds = [("start", {}), *[("next", onward)] * (plan.questions - 1), ("end", {})]
        texts = [
            post(address, f"{QUIZZES}/{each.quiz_id}/{command}", body, each.token)
            for command, body in kinds
            for each in hosted
        ]
        return cls(texts, plan.period_s * NS_PER_S / len(hosted), len(hosted))

    def due_ns(self, quiz: int, kind: int, first_ns: int) -> int:
        """Return when a quiz's command is due; kinds are counted from 0."""
        return first_ns + int((kind * self.quizzes + quiz) * self.gap_ns)


@dataclass(frozen=True, slots=True)
class Times:
    """Latencies of all quizzes together, each from when it was due by its schedule."""

    join: Histogram
    connect: Histogram
    question: Histogram
    score: Histogram
    board: Histogram
    final: Histogram
    lag: Histogram


@dataclass(frozen=True, slots=True)
class Spent:
    """What a part of the run has taken: seconds, and of CPU time in all shards."""

    part: str
    seconds: float
    cpu_s: float


@dataclass(slots=True)
class Found:
    """What was played: ``faulty`` quizzes have violations, ``owners`` own so many.

    ``moved`` sessions had another owner at the end.
    """

    violations: Violations
    faulty: int = 0
    times: Times | None = None
    owners: Counter[str] = field(default_factory=Counter)
    moved: int = 0
    counters: Counter[str] = field(default_factory=Counter)
    used: Sequence[Used] = ()
    spent: Sequence[Spent] = ()


@dataclass(slots=True)
class Stage:
    """The quizzes under way."""

    plan: Plan
    server: QuizServer
    redis: RedisServer
    fleet: Fleet
    hosted: list[Hosted]
    joins: Histogram = field(default_factory=Histogram)
    refused: Violations = field(default_factory=lambda: Violations(0, ()))
    spent: list[Spent] = field(default_factory=list)

    @contextmanager
    def part(self, name: str) -> Iterator[None]:
        """Note what is spent meanwhile."""
        started_s, before_us = time.monotonic(), self._cpu_us()
        yield
        cpu_s = (self._cpu_us() - before_us) / US_PER_S
        self.spent.append(Spent(name, time.monotonic() - started_s, cpu_s))

    def _cpu_us(self) -> float:
        return sum(map(cpu_us, self.server.pids))

    # -- coming in -------------------------------------------------------------------

    def join(self) -> None:
        """Let everybody join by REST, an even stream over all quizzes in turn."""
        plan, address = self.plan, self.server.address
        orders = [
            (
                address,
                in_turn(plan, address, self.hosted[part.start : part.stop]),
                MANY_LINES,
                len(part) * plan.players / plan.enter_s,
            )
            for part in self._parts()
        ]
        self.fleet.call_each("join", orders)
        self._wait("joined", "answered", "faults")
        self.joins = histogram_of(self.fleet.call("joined"))

    def connect(self) -> None:
        """Let everybody connect and be welcomed, at the same pace."""
        plan = self.plan
        rules = Rules(key_of(plan.quiz()), plan.behaviour().habits())
        self.fleet.call_each(
            "seat_in",
            [
                (rules, [Part(quiz * plan.players, plan.seed) for quiz in part])
                for part in self._parts()
            ],
        )
        rates = [
            (len(part) * plan.players / plan.enter_s, IN_FLIGHT)
            for part in self._parts()
        ]
        self.fleet.call_each("connect", rates)
        self._wait("welcomed", "welcomed", "lost")

    def _parts(self) -> list[range]:
        return shares(self.plan.quizzes, self.fleet.processes)

    def _wait(self, what: str, *names: str) -> None:
        self.fleet.wait(
            what,
            self.plan.everybody,
            lambda counters: sum(counters[name] for name in names),
            self.plan.enter_s + TIMEOUT_S,
            LOOK_S,
        )

    # -- playing ---------------------------------------------------------------------

    def lead(self, commands: Commands) -> int:
        """Do all commands when they are due; return when the first one was."""
        address = self.server.address
        asking = Requests(address.host, address.port, commands.texts, lines=LEAD_LINES)
        asking.ask(NS_PER_S / commands.gap_ns)
        seconds = len(commands.texts) * commands.gap_ns / NS_PER_S + TIMEOUT_S
        self.refused += answered(asking, len(commands.texts), seconds)
        first_ns = asking.first_ns
        asking.close()
        return first_ns

    def finish(self) -> None:
        """Wait for the end of all quizzes, and for what may still be on its way."""
        try:
            self._wait("ended", "ended", "lost")
            self.fleet.wait("settled", 1, lambda c: not owed(c), GRACE_S, LOOK_S)
        except TooSlow as late:
            self.refused += Violations(1, (str(late),))
        self.fleet.call("settle", True)

    def owners(self) -> list[str]:
        """Return which shard owns each session, as the journal has it."""
        with self.redis.client() as client, client.pipeline(transaction=False) as line:
            for each in self.hosted:
                line.hget(f"quizd:{{{each.session_id}}}:meta", "owner")
            return [str(owner) for owner in line.execute()]

    # -- what it came to -------------------------------------------------------------

    def found(self, commands: Commands, first_ns: int) -> Found:
        """Return what all players have seen."""
        of_parts: list[list[Played]] = self.fleet.call("played_in", self.plan.questions)
        faults_of_parts: list[list[int]] = self.fleet.call("faults_in")
        plays = [*chain.from_iterable(of_parts)]
        faults = [*chain.from_iterable(faults_of_parts)]
        violations = self.fleet.violations() + self.refused
        for quiz, (played, ids) in enumerate(zip(plays, self._ids(), strict=True)):
            wrong = wrong_ranks([played], self.plan.questions, ids)
            faults[quiz] += wrong.count
            texts = tuple(f"quiz {quiz}: {text}" for text in wrong.texts)
            violations += Violations(wrong.count, texts)
        times = times_of(self.joins, plays, commands, first_ns)
        return Found(violations, sum(map(bool, faults)), times)

    def _ids(self) -> Iterator[list[str]]:
        """Give the players' ids of each quiz."""
        parts = zip(self._parts(), self.fleet.call("participant_ids"), strict=True)
        for part, ids in parts:
            for place in range(len(part)):
                yield ids[place :: len(part)]


def in_turn(plan: Plan, address: Address, hosted: Sequence[Hosted]) -> list[bytes]:
    """Return all joins of these quizzes: of the first player of each, of the second."""
    names = [name_of(number) for number in range(plan.players)]
    each = [join_requests(address, one.quiz_id, names) for one in hosted]
    return [*chain.from_iterable(zip(*each, strict=True))]


def answered(asking: Requests, total: int, timeout_s: float) -> Violations:
    """Wait for so many responses; return those that refuse, and those missing."""
    until_s = time.monotonic() + timeout_s
    while asking.counters()["answered"] < total and time.monotonic() < until_s:
        asking.run(LOOK_S)
    texts = [
        f"a host got {status or 'nothing'}: {body[:200]!r}"
        for status, body in asking.responses()
        if not 200 <= status < 300
    ]
    texts += [text for _, text in asking.violations()]
    return Violations(len(texts), tuple(texts))


def times_of(
    joins: Histogram, plays: Sequence[Played], commands: Commands, first_ns: int
) -> Times:
    """Return all latencies; the hosts' commands were due from *first_ns* on."""
    questions, finals = [], []
    for quiz, played in enumerate(plays):
        *opened, _ = played.columns["opened"]
        for kind, column in enumerate(opened):
            questions.append(since(column, commands.due_ns(quiz, kind, first_ns)))
        end_ns = commands.due_ns(quiz, len(opened), first_ns)
        finals.append(since(played.columns["closed"][-1], end_ns))
    return Times(
        join=joins,
        connect=histogram_of([played.welcomes for played in plays]),
        question=Histogram.of(chain.from_iterable(questions)),
        score=histogram_of([played.acks for played in plays]),
        board=histogram_of([played.boards for played in plays]),
        final=Histogram.of(chain.from_iterable(finals)),
        lag=histogram_of([played.lags for played in plays]),
    )


def since(instants: bytes, due_ns: int) -> list[int]:
    """Return how long after *due_ns* each of packed instants was; 0 is no instant."""
    return [at - due_ns for at in memoryview(instants).cast("q") if at]


# -- all of it ---------------------------------------------------------------------


def play(plan: Plan) -> Found:
    """Play all quizzes; :class:`TooSlow` where the players can't get in."""
    with playing(plan) as stage:
        with stage.part("joining"):
            stage.join()
        with stage.part("connecting"):
            stage.connect()
        time.sleep(CALM_S)
        before = stage.owners()
        commands = Commands.of(plan, stage.server.address, stage.hosted)
        with stage.part("playing"):
            first_ns = stage.lead(commands)
            stage.finish()
        found = stage.found(commands, first_ns)
        found.owners = Counter(before)
        found.moved = sum(
            one != other for one, other in zip(before, stage.owners(), strict=True)
        )
        found.counters = stage.fleet.counters()
        found.used = used_by(stage.server, stage.redis)
        found.spent = stage.spent
        return found


@contextmanager
def playing(plan: Plan) -> Iterator[Stage]:
    """Start Redis, the shards and the clients, and open all quizzes."""
    with ExitStack() as stack:
        redis = stack.enter_context(RedisServer(appends=True, syncs="always"))
        settings: dict[str, object] = {"redis.url": redis.url}
        server = stack.enter_context(QuizServer(settings, plan.shards))
        fleet = stack.enter_context(Fleet(plan.clients, progress=plan.progress))
        hosted = open_all(server, plan)
        random.Random(plan.seed).shuffle(hosted)
        yield Stage(plan, server, redis, fleet, hosted)


def open_all(server: QuizServer, plan: Plan) -> list[Hosted]:
    """Store so many quizzes and open a session of each.

    Raises ``RuntimeError`` where one is refused.
    """
    token, address = server.author_token, server.address
    stored = asked(address, [post(address, QUIZZES, plan.quiz(), token)] * plan.quizzes)
    ids = [str(each["quizId"]) for each in stored]
    paths = [f"{QUIZZES}/{quiz_id}/open" for quiz_id in ids]
    opened = asked(address, [post(address, path, {}, token) for path in paths])
    return [
        Hosted(quiz_id, each["sessionId"], each["hostToken"])
        for quiz_id, each in zip(ids, opened, strict=True)
    ]


def asked(address: Address, texts: list[bytes]) -> list[Data]:
    """Return what the bodies of the responses say."""
    asking = Requests(address.host, address.port, texts, lines=OPEN_LINES)
    asking.ask()
    refused = answered(asking, len(texts), TIMEOUT_S)
    bodies = [orjson.loads(body) for _, body in asking.responses() if not refused]
    asking.close()
    if refused:
        raise RuntimeError(refused.texts[0])
    return bodies


def used_by(server: QuizServer, redis: RedisServer) -> list[Used]:
    """Return what shards and Redis have used."""
    pids = {f"shard {number}": pid for number, pid in enumerate(server.pids)}
    pids["redis"] = redis.pid
    return [Used(name, cpu_us(pid), rss_bytes(pid)) for name, pid in pids.items()]
