"""Ranks and boards, held against the scores of all."""

import random

import orjson
import pytest

from bench.load.verify import Standings, check_board, check_standings


def told(scores: list[int]) -> Standings:
    """Return standings as they ought to be, counted the slow way."""
    ranks = [1 + sum(other > score for other in scores) for score in scores]
    return Standings(scores, ranks, [len(scores)] * len(scores))


@pytest.mark.parametrize("seed", range(20))
def test_right_ranks_pass_and_any_wrong_one_is_found(seed: int) -> None:
    """With many ties, every rank that is one off is complained of, and only that."""
    rng = random.Random(seed)
    right = told([rng.randrange(8) * 100 for _ in range(rng.randint(1, 60))])
    assert not check_standings("now", right)
    victim = rng.randrange(len(right.scores))
    ranks = list(right.ranks)
    ranks[victim] += rng.choice((-1, 1))
    wrong = check_standings("now", Standings(right.scores, ranks, right.ofs))
    assert wrong.count == 1
    assert wrong.texts[0].startswith(f"now: {victim}: ")


def test_dense_ranks_are_wrong() -> None:
    """After two who share a rank the next one is skipped: 1224, not 1223."""
    wrong = check_standings("now", Standings([9, 5, 5, 1], [1, 2, 2, 3], [4] * 4))
    assert wrong.texts == ("now: 3: rank 3 with score 1, 4 is right",)


def test_who_was_told_nothing_is_found() -> None:
    """A player without a rank is a violation, and still counts among the others."""
    wrong = check_standings("now", Standings([0, 5], [0, 1], [0, 2]))
    assert wrong.texts == ("now: 0: was told no rank",)


def test_many_violations_are_counted_and_some_kept() -> None:
    """A thousand wrong ranks are a thousand violations, but no thousand texts."""
    wrong = check_standings("now", Standings([1] * 1000, [2] * 1000, [1000] * 1000))
    assert wrong.count == 1000
    assert len(wrong.texts) == 100


IDS = ["a", "b", "c"]
RIGHT = [("b", 9, 1), ("a", 5, 2), ("c", 5, 2)]


@pytest.mark.parametrize(
    "lines",
    [
        [("a", 5, 2), ("b", 9, 1), ("c", 5, 2)],
        [("b", 9, 1), ("a", 5, 2), ("a", 5, 2)],
        [("b", 9, 1), ("x", 5, 2)],
        [("b", 9, 1), ("a", 5, 3)],
        [("a", 5, 2)],
    ],
    ids=["order", "twice", "stranger", "rank", "best left out"],
)
def test_a_wrong_board_is_found(lines: list[tuple[str, int, int]]) -> None:
    """The final board holds the best, in order, none twice, each as told."""
    standings = told([5, 9, 5])
    assert not check_board(board(RIGHT), IDS, standings)
    assert not check_board(board(RIGHT[:2]), IDS, standings)
    assert check_board(board(lines), IDS, standings)


def board(lines: list[tuple[str, int, int]]) -> bytes:
    """Return the payload of ``quiz_ended`` with these lines."""
    fields = ("participantId", "score", "rank")
    return orjson.dumps(
        {"finalLeaderboard": [dict(zip(fields, line, strict=True)) for line in lines]}
    )
