"""The game: joined and connected on all shards, and led step by step by its host.

Everybody but a few answers each question, so that it is the host who closes it. All
players check all that they see. :mod:`bench.large.audience` compares with loops.
"""

import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field

from bench import cores
from bench.floors.redis_server import RedisServer
from bench.large.audience import Pairs, audience, in_turn
from bench.large.loops import Reach, SendLoops
from bench.load.driver import Behaviour, Crowd, Game, Session, owed
from bench.load.figures import GameResult, Spread
from bench.load.fleet import Fleet, Violations
from bench.load.process import Timeline, cpu_us, rss_bytes
from bench.load.tickets import key_of
from bench.scenarios.arena import TEXT
from bench.scenarios.base import quiz_of
from bench.seats import Seat
from bench.server import QuizServer

SILENT = 0.02
FEW = 10
QUESTION_S = 600
CALM_S = 1.0
TIMEOUT_S = 600.0
FRAME_HEADER_BYTES = 4
BOARDS_PER_S = 0.1


@dataclass(frozen=True, slots=True)
class Plan:
    """What is to be played: *answers_s* is the time that all answers are spread over.

    *clients*: processes of the load generator. The first question is not counted.
    """

    players: int
    shards: int
    clients: int
    rounds: int
    answers_s: float
    seed: int = 1
    progress: bool = True


@dataclass(frozen=True, slots=True)
class Used:
    """What one process has used in the whole game, and holds at its end."""

    name: str
    cpu_us: float
    rss_bytes: int


@dataclass(slots=True)
class Played:
    """The whole game, what it used, and messages in turn with the loops'.

    ``checked_questions`` and ``checked_closes`` reached players that check them.
    """

    game: GameResult
    checked_questions: Sequence[Reach]
    checked_closes: Sequence[Reach]
    used: Sequence[Used]
    questions: Pairs
    closes: Pairs
    listening: Violations


@dataclass(slots=True)
class Stage:
    """One game under way."""

    plan: Plan
    game: Game
    host: Seat
    questions: list[Reach] = field(default_factory=list)
    closes: list[Reach] = field(default_factory=list)

    def lead(self) -> None:
        """Lead the game to its end; the first question is not kept."""
        self.host.wait("welcome")
        for row in range(self.plan.rounds + 1):
            question = self._question(row)
            self._answered(row)
            close = self._close(row)
            time.sleep(CALM_S)
            if row:
                self.questions.append(question)
                self.closes.append(close)
        self.host.say("host_end")

    def _question(self, row: int) -> Reach:
        if row:
            return self._told("host_next", "reveal", "opened", row)
        return self._told("host_start", "lobby", "opened", row)

    def _close(self, row: int) -> Reach:
        time.sleep(CALM_S)
        return self._told("host_next", "question", "closed", row)

    def _told(self, command: str, phase: str, column: str, row: int) -> Reach:
        """Give *command*, and wait until the message it causes is at everybody's."""
        counted = "questions" if column == "opened" else "closes"
        before = self.game.fleet.counters()
        with Timeline(self.game.watch) as timeline:
            said_ns = time.monotonic_ns()
            self.host.say(command, expect={"phase": phase})
            after = self._wait_for(counted, row)
        spread = Spread.of(self.game.fleet.call("column", column, row), said_ns)
        used_us = timeline.between_us(said_ns, spread.last_ns)
        if column == "opened":
            size_bytes: float = self.host.wait("new_question", row + 1).size_bytes
        else:
            came = after["bytes_in"] - before["bytes_in"]
            frames = after["frames_in"] - before["frames_in"]
            size_bytes = came / frames - FRAME_HEADER_BYTES
        return Reach(spread, used_us / self.plan.players, size_bytes)

    def _wait_for(self, counted: str, row: int) -> dict[str, int]:
        return self.game.fleet.wait(
            f"{counted} {row + 1}",
            self.plan.players * (row + 1),
            lambda counters: counters[counted],
            TIMEOUT_S,
        )

    def _answered(self, row: int) -> None:
        """Wait until everybody has answered, or won't, and all have their results."""
        self.game.fleet.wait(
            f"answers {row + 1}",
            self.plan.players * (row + 1),
            lambda c: c["answers_sent"] + c["silent"] - owed(c),
            TIMEOUT_S,
        )


@contextmanager
def serving(plan: Plan) -> Iterator[tuple[QuizServer, dict[str, int]]]:
    """Start quizd's shards, and a Redis where there are several; give all processes."""
    settings: dict[str, object] = {
        "leaderboard.max_per_second": BOARDS_PER_S,
        "limits.participants_per_session": plan.players + FEW,
    }
    with ExitStack() as stack:
        processes: dict[str, int] = {}
        if plan.shards > 1:
            redis = stack.enter_context(RedisServer(appends=True, syncs="always"))
            settings["redis.url"] = redis.url
            processes["redis"] = redis.pid
        server = stack.enter_context(QuizServer(settings, plan.shards))
        shards = {f"shard {number}": pid for number, pid in enumerate(server.pids)}
        yield server, shards | processes


def play(plan: Plan) -> Played:
    """Play the game, then the turns; :class:`TooSlow` where the crowd can't get in."""
    with ExitStack() as stack:
        server, processes = stack.enter_context(serving(plan))
        fleet = stack.enter_context(Fleet(plan.clients, progress=plan.progress))
        cores.wait_their_turn(fleet.pids)
        with checked(plan, server, fleet) as stage:
            game = stage.game.play(stage.lead)
        used = [
            Used(name, cpu_us(pid), rss_bytes(pid)) for name, pid in processes.items()
        ]
        fleet.call("close")
        hall = stack.enter_context(audience(server, fleet, plan.players, plan.rounds))
        loops = SendLoops(plan.players, plan.shards, progress=plan.progress)
        with loops:
            turns = in_turn(hall, loops, plan.rounds)
        return Played(game, stage.questions, stage.closes, used, *turns)


@contextmanager
def checked(plan: Plan, server: QuizServer, fleet: Fleet) -> Iterator[Stage]:
    """Have everybody join and connect; give the game."""
    quiz = quiz_of(plan.rounds + 1, QUESTION_S, {"advance": "host"}, TEXT)
    # Somebody has to be silent, or the question ends before the host says so.
    silent = min(max(SILENT, FEW / plan.players), 0.9)
    behaviour = Behaviour(silent=silent, low_ms=0, high_ms=plan.answers_s * 1000)
    opened = server.open(quiz)
    session = Session(
        server.address, opened["quizId"], key_of(quiz), opened["hostToken"]
    )
    game = Game(fleet, session, crowd_of(plan), behaviour, server.pids)
    game.join()
    game.connect()
    with Seat.of_host(server.address, opened) as host:
        yield Stage(plan, game, host)


def crowd_of(plan: Plan) -> Crowd:
    """Return the players of *plan*."""
    return Crowd(
        plan.players,
        plan.clients,
        seed=plan.seed,
        timeout_s=TIMEOUT_S,
        progress=plan.progress,
    )
