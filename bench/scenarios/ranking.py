"""One score update and one exact rank, again and again, against Redis' sorted sets.

quizd's board is driven twice: by a loop in C, as the compiled answer path does it, and
from Python, two calls a pair, which includes the calls. The target is of the first.
Redis is driven by redis-benchmark, which is C as well, with 100 commands on their way,
one half updates, the other half ranks, all of random members. The boards have as many
members, with scores of the same range, and take the same random members in the same
order. Everybody's standing in one pass is what closing a question needs.
"""

import random
import time
from array import array
from dataclasses import dataclass, field

from bench.floors.child import Child, Unavailable
from bench.micro import _loops
from bench.scenarios.base import Data, Figure, Options, Outcome, Scenario, Target
from bench.stats import Median
from quizd._fast.ranking import Board

PAIRS = Target("P7", 10, "least")
PASS = Target("P7", 3)
POINTS = 7
SCORES = 30_000
A_ROUND = 200_000
NS_PER_S = 1e9
NS_PER_MS = 1e6


def filled(members: int, rng: random.Random) -> Board:
    """Return a board of *members* with scores of up to 30,000."""
    board = Board()
    for index in range(members):
        board.add()
        board.set_score(index, rng.randrange(SCORES))
    return board


@dataclass(slots=True)
class Pairs:
    """Pairs a second, round by round: by a loop in C, from Python, and by Redis."""

    compiled: list[float] = field(default_factory=list)
    python: list[float] = field(default_factory=list)
    redis: list[float] = field(default_factory=list)


def from_python(board: Board, indices: "array[int]") -> float:
    """Return how many updates with a rank there are in a second, called from Python."""
    add_points, rank = board.add_points, board.rank
    started_ns = time.perf_counter_ns()
    for index in indices:
        add_points(index, POINTS)
        rank(index)
    return len(indices) / ((time.perf_counter_ns() - started_ns) / NS_PER_S)


def from_c(board: Board, indices: "array[int]") -> float:
    """Return how many updates with a rank there are in a second, called from C."""
    started_ns = time.perf_counter_ns()
    _loops.score_and_rank(board, indices, POINTS)
    return len(indices) / ((time.perf_counter_ns() - started_ns) / NS_PER_S)


def pass_ms(board: Board, index: int) -> float:
    """Return how long everybody's standing takes after a change, in milliseconds."""
    board.add_points(index, POINTS)
    started_ns = time.perf_counter_ns()
    board.freeze()
    return (time.perf_counter_ns() - started_ns) / NS_PER_MS


def run(options: Options) -> Outcome:
    """Take rounds of quizd's board, and one of Redis after each."""
    rng = random.Random(options.seed)
    board = filled(options.players, rng)
    notes: list[str] = []
    pairs = Pairs()
    try:
        arguments = ("--members", str(options.players))
        with Child.module("bench.floors.redis_zset", *arguments) as child:
            for _ in range(options.rounds):
                draws = (rng.randrange(options.players) for _ in range(A_ROUND))
                indices = array("I", draws)
                pairs.compiled.append(from_c(board, indices))
                pairs.python.append(from_python(board, indices))
                answer = child.ask("pair", {"requests": A_ROUND})
                pairs.redis.append(float(answer["pairs_per_second"]))
    except Unavailable as reason:
        notes.append(f"ranking: {reason}")
    passes = [pass_ms(board, rng.randrange(options.players)) for _ in range(50)]
    return outcome(options, pairs, passes, notes)


def ratio(ours: list[float], redis: list[float]) -> Median:
    """Return how many times Redis' pairs ours are, round by round."""
    return Median.of([one / other for one, other in zip(ours, redis, strict=True)])


def compared(pairs: Pairs) -> tuple[Data, list[Figure]]:
    """Return the data and the figures of pairs; none where there was no Redis."""
    if not pairs.redis:
        return {}, []
    compiled = ratio(pairs.compiled, pairs.redis)
    python = ratio(pairs.python, pairs.redis)
    data: Data = {
        "per_second": Median.of(pairs.compiled).value,
        "redis_per_second": Median.of(pairs.redis).value,
        "ratio": compiled.value,
        "driven_from": "C",
        "python_per_second": Median.of(pairs.python).value,
        "python_ratio": python.value,
    }
    title = "ranking: pairs from {} ÷ Redis'"
    figures = [
        Figure(
            title.format("C"), compiled.value, "", PAIRS, compiled.low, compiled.high
        ),
        Figure("ranking: pairs from C", data["per_second"], "a second"),
        Figure(title.format("Python"), python.value, "", None, python.low, python.high),
        Figure("ranking: pairs from Python", data["python_per_second"], "a second"),
        Figure("ranking: Redis' pairs", data["redis_per_second"], "a second"),
    ]
    return data, figures


def outcome(
    options: Options, pairs: Pairs, passes: list[float], notes: list[str]
) -> Outcome:
    """Put the figures together; without Redis there is only the pass."""
    everybody = Median.of(passes)
    found, figures = compared(pairs)
    data: Data = {
        "players": options.players,
        "everybody_ms": everybody.value,
        **found,
    }
    figures.append(
        Figure(
            "ranking: everybody in one pass",
            everybody.value,
            "ms",
            PASS,
            everybody.low,
            everybody.high,
        )
    )
    return Outcome(data, figures, notes=notes)


RANKING = Scenario("ranking", __doc__, Options(players=100_000, rounds=5), run)
