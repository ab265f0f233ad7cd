"""What an answer costs, and how soon it is acknowledged.

First everybody answers as fast as the server can take it, in several games: the rate is
the greatest load, and the CPU time per answer, between the first that was due and the
last result, is compared with a bare picows server that echoes as many bytes at the same
rate. It has its turn after each game, and the ratio is taken pair by pair. Boards are
merged to one in ten seconds there, since a board to everybody is a fan-out and not an
answer.

In the last games answers come at half of that rate, boards go out to everybody as
often as quizd sends them by itself, and the acknowledgement's latency counts: from the
moment an answer was due, by a schedule that doesn't wait for the server. There the
server has the first core to itself and the players have the others: a player who runs
on the server's core takes it away for milliseconds at a time, which over a network no
player does. Of three such games the middle one counts. The generator's own lag stands
beside the figure.

Every player checks all that it sees, and all ranks are held against all scores: a
violation, or an answer without its result, fails the run.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace

from bench import cores
from bench.floors.child import Child
from bench.histogram import Histogram
from bench.load.driver import Behaviour, Crowd, run_game
from bench.load.figures import EchoResult, GameResult
from bench.load.fleet import Violations, shares
from bench.load.raw import Lines, echo
from bench.load.tickets import Address
from bench.scenarios.base import (
    Data,
    Figure,
    Options,
    Outcome,
    Scenario,
    Target,
    latencies,
    quiz_of,
)
from bench.server import QuizServer
from bench.stats import Median

CPU = Target("P3", 1.5)
ACKNOWLEDGED = Target("P4", 25)
RARE_BOARDS = {"leaderboard.max_per_second": 0.1}
QUESTION_S = 4
A_GAME = 3
CALM_GAMES = 3
FEWEST_MS = 20.0
ANSWER_BYTES = len(
    b'{"type":"answer_submission","payload":{"questionId":"q0",'
    b'"selectedOption":"north","answeredAt":"2026-01-31T09:30:00.000Z"}}'
)


def game(
    options: Options,
    window_ms: float,
    questions: int,
    settings: dict[str, object] | None = None,
    *,
    apart: bool = False,
) -> GameResult:
    """Play a game whose answers come within *window_ms* of each question's start.

    *apart*: this process keeps off the first core, which is for the server.
    """
    quiz = quiz_of(questions, QUESTION_S, {"reveal_s": 0.5})
    behaviour = Behaviour(low_ms=0, high_ms=window_ms)
    crowd = Crowd(
        options.players,
        options.processes,
        seed=options.seed,
        progress=options.progress,
    )
    with QuizServer(settings) as server:
        if apart:
            cores.alone(server.pid)
        return run_game(server.session(quiz), crowd, behaviour, [server.pid])


def calm_games(options: Options, window_ms: float) -> list[GameResult]:
    """Play games as quizd is by itself, on a core of its own; the middle one first."""
    with cores.apart():
        games = [
            game(
                replace(options, seed=options.seed + number),
                window_ms,
                max(options.rounds // CALM_GAMES, 1),
                apart=True,
            )
            for number in range(CALM_GAMES)
        ]
    games.sort(key=acknowledged_ms)
    games.insert(0, games.pop(CALM_GAMES // 2))
    return games


def acknowledged_ms(played: GameResult) -> float:
    """Return within how long 99 of 100 answers were acknowledged."""
    return played.acks.percentile_ms(99)


def bare_echo(options: Options, per_second: float) -> EchoResult:
    """Have a bare picows server echo answers' bytes at that rate."""
    with Child.module("bench.floors.picows_echo") as child:
        lines = Lines(
            Address("127.0.0.1", child.port),
            options.players,
            processes=options.processes,
            progress=options.progress,
        )
        return echo(
            lines,
            b"x" * ANSWER_BYTES,
            per_second=per_second,
            seconds=options.seconds,
            watch=[child.pid],
        )


@dataclass(frozen=True, slots=True)
class Pair:
    """A game at the greatest load, and the echo at its rate."""

    game: GameResult
    echo: EchoResult

    @property
    def per_second(self) -> float:
        """The game's median rate."""
        return middle([question.answers_per_second for question in self.game.questions])

    @property
    def ratio(self) -> float:
        """What an answer costs, in echoes."""
        each_us = [question.answer_cpu_us for question in self.game.questions]
        return middle(each_us) / self.echo.echoes.cpu_us_each


def lost(result: GameResult) -> int:
    """Return how many answers in time had no result."""
    answered = sum(question.answers_accepted for question in result.questions)
    sent = sum(question.answers_sent for question in result.questions)
    return sent - answered - result.counters.get("refused_late", 0)


def pair(options: Options, questions: int) -> Pair:
    """Play one game at the greatest load, and have its echo."""
    # As good as at once: the generator sends them in one go, the server batches.
    fast = game(options, FEWEST_MS, questions, dict(RARE_BOARDS))
    rates = [question.answers_per_second for question in fast.questions]
    return Pair(fast, bare_echo(options, middle(rates)))


def run(options: Options) -> Outcome:
    """Play all games, an echo after each but the last."""
    parts = shares(options.rounds, max(options.rounds // A_GAME, 1))
    pairs = [
        pair(replace(options, seed=options.seed + number), len(part))
        for number, part in enumerate(parts)
    ]
    per_second = middle([each.per_second for each in pairs])
    half_ms = options.players / (per_second / 2) * 1000
    last = replace(options, seed=options.seed + len(pairs))
    return outcome(options, pairs, calm_games(last, half_ms))


def outcome(
    options: Options, pairs: Sequence[Pair], games: Sequence[GameResult]
) -> Outcome:
    """Put all runs together; *games* are at half load, the middle one first."""
    data = told(options, pairs, games)
    figures = [
        Figure(
            "answers: CPU ÷ a bare echo",
            data["ratio"],
            "",
            CPU,
            data["ratio_low"],
            data["ratio_high"],
        ),
        Figure("answers: CPU", data["cpu_us"], "µs each"),
        Figure("answers: the echo's CPU", data["echo_cpu_us"], "µs each"),
        Figure("answers: greatest load", data["per_second"], "a second"),
        Figure(
            "answers: acknowledged at half of it, p99",
            data["ack_p99_ms"],
            "ms",
            ACKNOWLEDGED,
        ),
        Figure(
            "answers: the load generator's own lag meanwhile, p99",
            data["generator_lag_p99_ms"],
            "ms",
        ),
        Figure("answers: lost", data["lost"], "", Target("lost", 0)),
    ]
    echoes = Histogram.merged(each.echo.echoes.latency for each in pairs)
    curves = {
        "answers: acknowledged at half load": games[0].acks.curve_ms(),
        "answers: echo by bare picows": echoes.curve_ms(),
    }
    violations = Violations(0, ())
    for played in games:
        violations += played.violations
    for each in pairs:
        violations += each.game.violations + each.echo.violations
    if data["lost"]:
        violations += Violations(data["lost"], ("answers without a result",))
    return Outcome(data, figures, violations, curves)


def told(options: Options, pairs: Sequence[Pair], calmly: Sequence[GameResult]) -> Data:
    """Return what the results file has."""
    calm = calmly[0]
    questions = [question for each in pairs for question in each.game.questions]
    cpu = Median.of([question.answer_cpu_us for question in questions])
    ratio = Median.of([each.ratio for each in pairs])
    games = [*(each.game for each in pairs), *calmly]
    return {
        "players": options.players,
        "questions": len(questions),
        "per_second": middle([question.answers_per_second for question in questions]),
        "cpu_us": cpu.value,
        "cpu_us_low": cpu.low,
        "cpu_us_high": cpu.high,
        "echo_cpu_us": middle([each.echo.echoes.cpu_us_each for each in pairs]),
        "echo_per_second": middle([each.echo.echoes.per_second for each in pairs]),
        "ratio": ratio.value,
        "ratio_low": ratio.low,
        "ratio_high": ratio.high,
        "pairs": ratio.count,
        **latencies(calm.acks, "ack_"),
        "ack_per_second": middle(
            [question.answers_per_second for question in calm.questions]
        ),
        "ack_p99_ms_by_game": [acknowledged_ms(each) for each in calmly],
        **latencies(calm.lags, "generator_lag_"),
        "lost": sum(map(lost, games)),
        "violations": sum(each.violations.count for each in games),
    }


def middle(values: Sequence[float]) -> float:
    """Return the median."""
    return Median.of(values).value


ANSWERS = Scenario("answers", __doc__, Options(rounds=12, seconds=1, processes=1), run)
