"""What the board does about memory: gives it back, and lives without it."""

import importlib
import tracemalloc
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import pytest

from quizd._fast.ranking import Board
from tests.oracle.ranking import MAX_SCORE, BoardModel, check, filled


def test_branches_that_nobody_is_in_are_given_back() -> None:
    """One player's way through a million scores needs the memory of one player."""
    board, _ = filled(0)
    tracemalloc.start()
    try:
        for score in range(0, 1_000_000, 61):
            board.set_score(0, score)
        _, peak_bytes = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak_bytes < 10_000


@contextmanager
def failing_allocation(nth: int) -> Iterator[None]:
    """Let the *nth* allocation of memory in the block fail, and only that."""
    testcapi = importlib.import_module("_testcapi")
    testcapi.set_nomemory(nth - 1, nth)
    try:
        yield
    finally:
        testcapi.remove_mem_hooks()


def succeeds(act: Callable[[Board], object], board: Board, nth: int) -> bool:
    """Act on *board* with the nth allocation failing; return whether it worked."""
    with failing_allocation(nth):
        try:
            act(board)
        except MemoryError:
            return False
    return True


# Each takes memory in another place: arrays, new digits and branches, listings. None
# returns a number that Python itself would have to allocate.
HUNGRY: dict[str, Callable[[Board | BoardModel], object]] = {
    "add": lambda board: board.add(),
    "set_score": lambda board: board.set_score(3, 200),
    "top": lambda board: board.top(3),
    "page": lambda board: board.page(1, 3),
    "freeze": lambda board: isinstance(board, Board) and board.freeze(),
}


@pytest.mark.parametrize("name", HUNGRY)
@pytest.mark.parametrize("least", [0, MAX_SCORE - 60])
@pytest.mark.parametrize("size", [16, 256])
def test_every_failing_allocation_leaves_the_board_as_it_was(
    name: str, least: int, size: int
) -> None:
    """Without memory a call raises MemoryError, changes nothing, and may be tried."""
    pytest.importorskip("_testcapi")
    act = HUNGRY[name]
    failures = 0
    worked = False
    while not worked:
        board, model = filled(*(least + index % 60 for index in range(size)))
        worked = succeeds(act, board, failures + 1)
        if not worked:
            failures += 1
            check(board, model)
            act(board)
        act(model)
        check(board, model)
    assert failures > 0


def test_first_participant_without_memory() -> None:
    """The very first allocations may fail too."""
    pytest.importorskip("_testcapi")
    board = Board()
    nth = 1
    while not succeeds(Board.add, board, nth):
        assert (len(board), board.indices) == (0, 0)
        nth += 1
    assert nth > 3
    assert board.page(0, 2) == [(0, 0, 1)]
