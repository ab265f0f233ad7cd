"""The ring: even, deterministic, and moving no more than it has to."""

import subprocess
import sys
from collections import Counter
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from quizd.cluster.ring import Ring

LIMITS = {2: 1.02, 3: 1.035, 4: 1.04, 6: 1.07, 8: 1.08}
"""The greatest share that the essay of ring.py states, as a multiple of the mean."""

QUIZZES = {
    "counted": [f"quiz-{number}" for number in range(10_000)],
    "random": [Random(number).randbytes(8).hex() for number in range(10_000)],
}
SHARDS = {
    "numbered": [f"shard-{number}" for number in range(9)],
    "letters": list("abcdefghi"),
    "two a host": [f"host{number // 2}-{number % 2}" for number in range(9)],
}

names = st.text(min_size=1, max_size=20)
shard_sets = st.sets(names, min_size=1, max_size=9)


@pytest.mark.parametrize("shards", SHARDS.values(), ids=SHARDS)
@pytest.mark.parametrize("quizzes", QUIZZES.values(), ids=QUIZZES)
class TestBalance:
    """What the essay says of 10,000 quizzes."""

    @pytest.mark.parametrize("n", LIMITS)
    def test_no_shard_has_much_more_than_the_mean(
        self, shards: list[str], quizzes: list[str], n: int
    ) -> None:
        """The busiest shard stays under the stated multiple of the mean."""
        ring = Ring(shards[:n])
        shares = Counter(map(ring.owner, quizzes))
        assert len(shares) == n
        assert max(shares.values()) <= LIMITS[n] * len(quizzes) / n

    @pytest.mark.parametrize("n", LIMITS)
    def test_joining_moves_a_share_and_only_to_the_new_one(
        self, shards: list[str], quizzes: list[str], n: int
    ) -> None:
        """The n-th to join takes about 1/n of the keys; none moves among the others."""
        before, after = Ring(shards[: n - 1]), Ring(shards[:n])
        moved = [q for q in quizzes if before.owner(q) != after.owner(q)]
        assert {after.owner(quiz) for quiz in moved} == {shards[n - 1]}
        assert len(moved) == pytest.approx(len(quizzes) / n, rel=0.1)

    def test_what_a_shard_leaves_spreads_over_all_others(
        self, shards: list[str], quizzes: list[str]
    ) -> None:
        """The keys of one of nine go to the eight that stay in about equal parts."""
        full, gone = Ring(shards), shards[4]
        rest = Ring({*shards} - {gone})
        left = [quiz for quiz in quizzes if full.owner(quiz) == gone]
        heirs = Counter(map(rest.owner, left))
        assert set(heirs) == {*rest.shards}
        assert max(heirs.values()) <= 1.4 * len(left) / len(heirs)


@given(shard_sets, names)
def test_order_and_repetition_of_shards_do_not_matter(
    shards: set[str], key: str
) -> None:
    """Every member gets the same answer, however it came to know the others."""
    listed = sorted(shards)
    assert Ring(listed).owner(key) == Ring(listed[::-1] + listed).owner(key)


@given(shard_sets, names, st.data())
def test_only_keys_of_those_who_go_move(
    shards: set[str], key: str, data: st.DataObject
) -> None:
    """Whoever leaves gives up the own keys; those of all who stay are left there."""
    gone = data.draw(st.sets(st.sampled_from(sorted(shards)), max_size=len(shards) - 1))
    before, after = Ring(shards), Ring(shards - gone)
    if before.owner(key) not in gone:
        assert after.owner(key) == before.owner(key)


def test_an_empty_ring_has_no_owner() -> None:
    """With nobody there, nobody is named."""
    with pytest.raises(LookupError, match="no shard is left"):
        Ring([]).owner("quiz")


def test_names_do_not_run_together() -> None:
    """The lot of ``ab`` for ``c`` has nothing to do with that of ``a`` for ``bc``."""
    ring = Ring(["a", "ab"])
    of_bc, of_c = ({s: lot for lot, s in ring._lots(key)} for key in ("bc", "c"))
    assert of_bc["a"] != of_c["ab"]


def test_every_process_agrees() -> None:
    """A process whose own hashes are salted otherwise gives the same owners."""
    code = (
        "from quizd.cluster.ring import Ring\n"
        "ring = Ring(['a', 'b', 'c'])\n"
        "print(''.join(ring.owner(f'quiz-{n}') for n in range(50)))"
    )
    ring = Ring(["a", "b", "c"])
    here = "".join(ring.owner(f"quiz-{n}") for n in range(50))
    for seed in ("1", "2"):
        there = subprocess.run(  # noqa: S603 - our own words
            [sys.executable, "-c", code],
            env={"PYTHONHASHSEED": seed, "PYTHONPATH": ":".join(sys.path)},
            capture_output=True,
            text=True,
            check=True,
        )
        assert there.stdout.strip() == here


def test_what_is_placed_stays_placed_across_versions() -> None:
    """These owners never change: shards of two versions run side by side."""
    ring = Ring(["shard-1", "shard-2", "shard-3"])
    owners = [ring.owner(f"quiz-{number}")[-1] for number in range(12)]
    assert "".join(owners) == "212332213123"
