"""Medians, and how sure one can be of them."""

from collections.abc import Sequence
from dataclasses import dataclass
from math import comb
from statistics import median
from typing import Any, Self

SURE = 0.95


@dataclass(frozen=True, slots=True)
class Median:
    """A median and its interval of 95 %; of few values the interval is all of them."""

    value: float
    low: float
    high: float
    count: int

    @classmethod
    def of(cls, values: Sequence[float]) -> Self:
        """Return the median of *values*; raise ``ValueError`` where there is none."""
        if not values:
            raise ValueError("there is nothing to take the median of")
        ordered = sorted(values)
        rank = interval_rank(len(ordered))
        return cls(median(ordered), ordered[rank], ordered[-1 - rank], len(ordered))

    def told(self) -> dict[str, Any]:
        """Return it for a results file."""
        return {"median": self.value, "low": self.low, "high": self.high}


def interval_rank(count: int) -> int:
    """Return how many values to leave out at each end of *count* ordered ones.

    The interval between those kept covers the median with at least 95 %, whatever the
    values' distribution: how many of them lie below it is binomial (order statistics,
    Conover, Practical Nonparametric Statistics, section 3.2).
    """
    left_out, beyond = 0, 0.0
    while left_out < (count - 1) // 2:
        beyond += comb(count, left_out) / 2**count
        if 1 - 2 * beyond < SURE:
            break
        left_out += 1
    return max(left_out - 1, 0)
