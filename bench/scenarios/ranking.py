"""One score update and one exact rank, again and again, against Redis' sorted sets.

quizd's board is driven from Python, two calls a pair: what is measured includes the
calls, and is less than what the board does for the compiled answer path. Redis is
driven by redis-benchmark with 100 commands on their way, one half updates, the other
half ranks, both of random members. The boards have as many members, with scores of the
same range. Everybody's standing in one pass is what closing a question needs.
"""

import random
import time

from bench.floors.child import Child, Unavailable
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


def pairs_per_second(board: Board, indices: list[int]) -> float:
    """Return how many updates with a rank there are in a second."""
    add_points, rank = board.add_points, board.rank
    started_ns = time.perf_counter_ns()
    for index in indices:
        add_points(index, POINTS)
        rank(index)
    return len(indices) / ((time.perf_counter_ns() - started_ns) / NS_PER_S)


def pass_ms(board: Board, index: int) -> float:
    """Return how long everybody's standing takes after a change, in milliseconds."""
    board.add_points(index, POINTS)
    started_ns = time.perf_counter_ns()
    board.freeze()
    return (time.perf_counter_ns() - started_ns) / NS_PER_MS


def run(options: Options) -> Outcome:
    """Take rounds of quizd's board, and one of Redis between each two."""
    rng = random.Random(options.seed)
    board = filled(options.players, rng)
    notes: list[str] = []
    ours, redis = [], []
    try:
        arguments = ("--members", str(options.players))
        with Child.module("bench.floors.redis_zset", *arguments) as child:
            for _ in range(options.rounds):
                indices = [rng.randrange(options.players) for _ in range(A_ROUND)]
                ours.append(pairs_per_second(board, indices))
                answer = child.ask("pair", {"requests": A_ROUND})
                redis.append(float(answer["pairs_per_second"]))
    except Unavailable as reason:
        notes.append(f"ranking: {reason}")
    passes = [pass_ms(board, rng.randrange(options.players)) for _ in range(50)]
    return outcome(options, ours, redis, passes, notes)


def outcome(
    options: Options,
    ours: list[float],
    redis: list[float],
    passes: list[float],
    notes: list[str],
) -> Outcome:
    """Put the figures together; without Redis there is only the pass."""
    everybody = Median.of(passes)
    data: Data = {"players": options.players, "everybody_ms": everybody.value}
    figures = []
    if redis:
        ratio = Median.of([one / other for one, other in zip(ours, redis, strict=True)])
        data |= {
            "per_second": Median.of(ours).value,
            "redis_per_second": Median.of(redis).value,
            "ratio": ratio.value,
            "driven_from": "Python",
        }
        figures += [
            Figure(
                "ranking: pairs ÷ Redis'", ratio.value, "", PAIRS, ratio.low, ratio.high
            ),
            Figure("ranking: pairs from Python", data["per_second"], "a second"),
            Figure("ranking: Redis' pairs", data["redis_per_second"], "a second"),
        ]
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
