"""What was proved of a journal is gone along by who is on it, and by nobody else."""

import random

import pytest

from quizd.store.write_behind.source import NO_HASH, chain
from quizd.store.write_behind.trail import MARK_BATCHES, Trail

LENGTH = 5 * MARK_BATCHES + 17
BATCHES = [str(number).encode() for number in range(LENGTH)]
HASHES = [NO_HASH]
for batch in BATCHES:
    HASHES.append(chain(HASHES[-1], batch))


def walk(trail: Trail, through: int) -> None:
    """Go along the journal up to the batch *through*."""
    for index in range(trail.index + 1, through + 1):
        trail.step(index, BATCHES[index - 1])


def proved(start: int, end: int) -> Trail:
    """Return what was proved of the journal between two batches."""
    trail = Trail(start, HASHES[start])
    walk(trail, end)
    return trail


@pytest.mark.parametrize("seed", range(50))
def test_who_is_on_it_is_at_its_end_after_a_mark_at_most(seed: int) -> None:
    """Again and again, as cursors move on."""
    print(f"seed {seed}")
    rng = random.Random(seed)
    start = rng.randrange(LENGTH // 2)
    known = proved(start, rng.randrange(start, LENGTH + 1))
    for _ in range(5):
        start = rng.randint(start, known.index)
        trail = Trail(start, HASHES[start])
        crossing = known.crossing(start)
        assert crossing is not None
        assert start <= crossing < start + MARK_BATCHES
        walk(trail, crossing)
        trail.join(known)
        assert (trail.index, trail.hash) == (known.index, HASHES[known.index])
        known = trail


@pytest.mark.parametrize("at", [0, MARK_BATCHES, LENGTH])
def test_who_is_not_on_it_does_not_join(at: int) -> None:
    """Not at its start, nor at a mark, nor at its end."""
    trail = Trail(at, b"other")
    trail.join(proved(0, LENGTH))
    assert (trail.index, trail.hash) == (at, b"other")


def test_it_is_of_no_use_behind_its_end() -> None:
    """Whoever is there has nothing to cross."""
    known = proved(0, MARK_BATCHES)
    assert known.crossing(MARK_BATCHES) == MARK_BATCHES
    assert known.crossing(MARK_BATCHES + 1) is None


def test_between_two_marks_there_is_nothing_to_join_at() -> None:
    """Few hashes are kept, however long the journal is."""
    trail = proved(0, MARK_BATCHES + 1)
    trail.join(proved(0, LENGTH))
    assert trail.index == MARK_BATCHES + 1
