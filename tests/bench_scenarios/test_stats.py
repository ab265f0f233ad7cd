"""Medians and how sure they are."""

import random
from statistics import median

import pytest

from bench.stats import Median, interval_rank


@pytest.mark.parametrize(
    ("count", "rank"), [(1, 0), (5, 0), (6, 0), (9, 1), (15, 3), (20, 5), (25, 7)]
)
def test_the_interval_is_that_of_the_tables(count: int, rank: int) -> None:
    """Ranks are those of printed tables of order statistics, counted from 0."""
    assert interval_rank(count) == rank


def test_a_median_lies_in_its_interval() -> None:
    """The order of the values does not matter, and the extremes are left out."""
    values = [1000.0, *map(float, range(14))]
    found = Median.of(values)
    assert (found.low, found.value, found.high, found.count) == (3.0, 7.0, 11.0, 15)


def test_the_interval_covers_as_often_as_it_says() -> None:
    """In 2,000 samples of 15, at least 95 % of the intervals hold the true median."""
    rng = random.Random(4)
    covered = 0
    for _ in range(2000):
        found = Median.of([rng.expovariate(1) for _ in range(15)])
        covered += found.low <= 0.693147 <= found.high
    assert covered >= 1900, covered


def test_the_median_of_an_even_number_is_between() -> None:
    """It is the mean of the two in the middle."""
    values = [4.0, 1.0, 3.0, 2.0]
    assert Median.of(values).value == median(values) == 2.5


def test_nothing_has_no_median() -> None:
    """An empty sample is an error, not a zero."""
    with pytest.raises(ValueError, match="nothing"):
        Median.of([])
