"""The board against its model: ranks, listings, frozen rankings, limits."""

import os
import random
from collections.abc import Callable

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
)

from quizd._fast.ranking import Board, Ranking
from tests.oracle.ranking import (
    MAX_SCORE,
    BoardModel,
    Standing,
    check,
    filled,
    standings_of,
)

# Where a score gets one digit more in base 64, and the ends of the range.
DIGIT_EDGES = [
    0,
    1,
    *(64**digits + step for digits in range(1, 6) for step in (-1, 0, 1)),
    MAX_SCORE - 1,
    MAX_SCORE,
]


def seeded(name: str) -> random.Random:
    """Return a generator whose seed is printed; QUIZD_TEST_SEED sets it."""
    seed = int(os.environ.get("QUIZD_TEST_SEED", random.SystemRandom().getrandbits(32)))
    print(f"{name}: QUIZD_TEST_SEED={seed}")
    return random.Random(seed)


class BoardMachine(RuleBasedStateMachine):
    """Random calls; after each the board must say exactly what the model says."""

    scores = st.one_of(
        st.integers(0, 3), st.sampled_from(DIGIT_EDGES), st.integers(0, MAX_SCORE)
    )
    which = st.integers(0, 2**16)

    def __init__(self) -> None:
        """Begin with nobody."""
        super().__init__()
        self.board = Board()
        self.model = BoardModel()
        self.kept: tuple[Ranking, list[Standing]] = (self.board.freeze(), [])

    def pick(self, which: int) -> int:
        """Return some index, removed ones included."""
        return which % len(self.model.entries)

    @initialize(size=st.integers(0, 40))
    def populate(self, size: int) -> None:
        """Let the first few join."""
        for _ in range(size):
            assert self.board.add() == self.model.add()

    @rule()
    def add(self) -> None:
        """Let somebody join."""
        assert self.board.add() == self.model.add()

    @precondition(lambda self: self.model.entries)
    @rule(which=which, score=scores)
    def set_score(self, which: int, score: int) -> None:
        """Set a score, perhaps to what it was."""
        index = self.pick(which)
        assert self.board.set_score(index, score) == score
        self.model.set_score(index, score)

    @precondition(lambda self: self.model.entries)
    @rule(which=which, points=st.integers(-3, 1000))
    def add_points(self, which: int, points: int) -> None:
        """Change a score, where the result is one."""
        index = self.pick(which)
        if 0 <= self.model.score(index) + points <= MAX_SCORE:
            total = self.model.add_points(index, points)
            assert self.board.add_points(index, points) == total
        else:
            with pytest.raises(ValueError, match="score"):
                self.board.add_points(index, points)

    @precondition(lambda self: self.model.entries)
    @rule(which=which)
    def remove(self, which: int) -> None:
        """Remove somebody, perhaps again."""
        index = self.pick(which)
        assert self.board.remove(index) is self.model.remove(index)

    @rule()
    def freeze(self) -> None:
        """Keep a frozen ranking, to see that later changes don't reach it."""
        self.kept = (self.board.freeze(), self.model.standings())

    @invariant()
    def agrees(self) -> None:
        """Hold board and kept ranking against the models."""
        check(self.board, self.model)
        assert standings_of(self.kept[0]) == self.kept[1]


TestBoardMachine = BoardMachine.TestCase
TestBoardMachine.settings = settings(
    max_examples=60, stateful_step_count=40, deadline=None
)


def test_empty_board_lists_nobody() -> None:
    """A board without participants has no ranks, rows or standings."""
    check(Board(), BoardModel())


def test_equal_scores_share_a_rank_and_the_next_rank_skips() -> None:
    """Ranks are 1224; the listing among equals is who reached the score first."""
    board, _ = filled(50, 90, 50, 10)
    assert board.top(4) == [(1, 90, 1), (0, 50, 2), (2, 50, 2), (3, 10, 4)]


def test_frozen_ranking_names_gap_below_and_percentile() -> None:
    """The gap is to the next better score, and percentiles leave out oneself."""
    board, _ = filled(50, 90, 50, 10)
    assert standings_of(board.freeze()) == [
        Standing(rank=2, gap=40, below=1, score=50, percentile=33),
        Standing(rank=1, gap=0, below=3, score=90, percentile=100),
        Standing(rank=2, gap=40, below=1, score=50, percentile=33),
        Standing(rank=4, gap=40, below=0, score=10, percentile=0),
    ]


def test_participant_alone_is_ahead_of_all_others() -> None:
    """With nobody to compare with, the percentile is 100."""
    board, _ = filled(0)
    assert board.freeze().percentile(0) == 100


def test_reaching_a_score_again_goes_behind_those_who_have_it() -> None:
    """Leaving a score and coming back loses the turn; setting it again does not."""
    board, _ = filled(7, 7, 7)
    board.set_score(0, 7)
    assert [row[0] for row in board.top(3)] == [0, 1, 2]
    board.add_points(0, 1)
    board.add_points(0, -1)
    assert [row[0] for row in board.top(3)] == [1, 2, 0]


def test_newcomer_is_last_among_those_without_points() -> None:
    """A participant takes the turn for 0 points when added."""
    board, _ = filled(0, 5)
    board.set_score(1, 0)
    newcomer = board.add()
    assert board.page(0, 9) == [(0, 0, 1), (1, 0, 1), (newcomer, 0, 1)]


def test_removed_participant_is_in_nobodys_way() -> None:
    """A removed leader frees rank 1, keeps the score, and may be corrected."""
    board, _ = filled(9, 5)
    assert board.remove(0)
    assert not board.remove(0)
    assert board.add_points(0, 100) == 109
    assert (board.rank(0), board.rank(1), len(board), board.indices) == (0, 1, 1, 2)
    assert board.top(2) == [(1, 5, 1)]
    assert board.freeze().gap(1) == 0


def test_all_removed_leaves_an_empty_listing_that_can_grow_again() -> None:
    """Indices are not reused after everybody has gone."""
    board, model = filled(1, 2, 3)
    for index in range(3):
        assert board.remove(index) is model.remove(index)
    check(board, model)
    assert board.add() == model.add() == 3
    check(board, model)


def test_every_number_of_digits() -> None:
    """Scores around each power of 64, rising and falling, are counted exactly."""
    board, model = filled(*DIGIT_EDGES, *DIGIT_EDGES)
    check(board, model)
    for index, score in enumerate(reversed(DIGIT_EDGES)):
        board.set_score(index, score)
        model.set_score(index, score)
        check(board, model)


def test_growth_keeps_everybody() -> None:
    """Ranks stay exact while the arrays grow through several sizes."""
    board, model = Board(), BoardModel()
    for size in range(600):
        index = board.add()
        board.set_score(index, size * 37 % 101)
        model.set_score(model.add(), size * 37 % 101)
        assert board.rank(index) == model.rank(index)
    check(board, model)


@pytest.mark.parametrize("order", ["joined", "reversed", "random"])
def test_top_of_a_long_tie_is_who_came_first(order: str) -> None:
    """Thousands with one score are cut to the wanted ones, whoever was first."""
    size = 5000
    rng = seeded("long tie")
    board, model = filled(*[0] * size)
    indices = list(range(size))
    if order != "joined":
        rng.shuffle(indices) if order == "random" else indices.reverse()
    for index in indices:
        board.set_score(index, 1000)
        model.set_score(index, 1000)
    for index in rng.sample(indices, 50):
        board.remove(index)
        model.remove(index)
    board.set_score(indices[-1], 1001)
    model.set_score(indices[-1], 1001)
    listing = model.page(0, size)
    for n in (1, 10, 1500, 4000, size):
        assert board.top(n) == listing[:n]


def random_score(rng: random.Random) -> int:
    """Return mostly a quiz's scores, often ties, now and then a huge one."""
    kind = rng.random()
    if kind < 0.5:
        return rng.randrange(6)
    return rng.randrange(30_000 if kind < 0.98 else MAX_SCORE + 1)


def random_operation(rng: random.Random, board: Board, model: BoardModel) -> int:
    """Do the same to both; return the index concerned."""
    count = len(model.entries)
    kind = rng.random()
    if count < 5 or (kind < 0.01 and count < 200):
        assert board.add() == model.add()
        return count
    index = rng.randrange(count)
    if kind > 0.9995:
        assert board.remove(index) is model.remove(index)
    elif kind > 0.5 and model.score(index) < 10**6:
        points = rng.choice((0, 1, 500, 1000))
        assert board.add_points(index, points) == model.add_points(index, points)
    else:
        score = random_score(rng)
        assert board.set_score(index, score) == model.set_score(index, score)
    return index


def test_100_000_random_operations() -> None:
    """The rank is right after each of 100,000 operations, all else now and then."""
    rng = seeded("random operations")
    board, model = Board(), BoardModel()
    for step in range(100_000):
        index = random_operation(rng, board, model)
        assert board.rank(index) == model.rank(index)
        if step % 1000 == 0:
            check(board, model)
    check(board, model)


@pytest.mark.parametrize("index", [-1, 3, 2**32, 2**63 - 1, -(2**63)])
def test_unknown_index_is_refused_by_every_method(index: int) -> None:
    """An index that was not given out raises IndexError and changes nothing."""
    board, model = filled(1, 2, 3)
    frozen = board.freeze()
    calls: list[Callable[[int], object]] = [
        board.score,
        board.rank,
        board.remove,
        lambda i: board.set_score(i, 5),
        lambda i: board.add_points(i, 5),
        frozen.rank,
        frozen.gap,
        frozen.below,
        frozen.score,
        frozen.percentile,
    ]
    for call in calls:
        with pytest.raises(IndexError, match=f"index {index}$"):
            call(index)
    check(board, model)


@pytest.mark.parametrize("score", [-1, MAX_SCORE + 1, 2**63 - 1, -(2**63)])
def test_impossible_score_is_named(score: int) -> None:
    """A score out of range raises ValueError with the score, and changes nothing."""
    board, model = filled(1, 2)
    with pytest.raises(ValueError, match=f"score {score} "):
        board.set_score(0, score)
    check(board, model)


@pytest.mark.parametrize(
    ("points", "named"),
    [
        (-2, "score -1 "),
        (MAX_SCORE, f"score {MAX_SCORE + 1} "),
        (2**63 - 1, f" {2**63 - 1} points"),
        (-(2**63), f" {-(2**63)} points"),
    ],
)
def test_impossible_points_are_named(points: int, named: str) -> None:
    """Points that lead out of the range raise ValueError and change nothing."""
    board, model = filled(1, 2)
    with pytest.raises(ValueError, match=named):
        board.add_points(0, points)
    check(board, model)


def test_negative_listing_arguments_are_named() -> None:
    """Listings count from 0 and hold no negative number of rows."""
    board, _ = filled(1, 2)
    with pytest.raises(ValueError, match="n -1 "):
        board.top(-1)
    with pytest.raises(ValueError, match="offset -1 "):
        board.page(-1, 1)
    with pytest.raises(ValueError, match="limit -2 "):
        board.page(0, -2)
