"""Latency histograms: HDR, three significant digits, merged across processes.

The counting is done in C (``bench/load/_counts.pyx``), the statistics by the library
``hdrhistogram``; both use the layout of HdrHistogram by Gil Tene, so that merging adds
counts and loses nothing. All values are nanoseconds.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Self

from hdrh.histogram import HdrHistogram  # type: ignore[import-untyped]

LEAST_NS = 1
MOST_NS = 600_000_000_000
DIGITS = 3
NS_PER_MS = 1e6

CURVE = (0, 10, 25, 50, 75, 90, 95, 98, 99, 99.5, 99.8, 99.9, 99.95, 99.99, 100)


@dataclass(frozen=True, slots=True)
class Summary:
    """The figures of a histogram that tables show; times in milliseconds."""

    count: int
    mean_ms: float
    p50_ms: float
    p95_ms: float
    p99_ms: float
    p999_ms: float
    max_ms: float


class Histogram:
    """Counts of durations between 0 and ten minutes, in nanoseconds.

    A value is known to 0.1 % of itself. Longer ones count as ten minutes, negative
    ones as none.
    """

    def __init__(self) -> None:
        self._hdr: Any = HdrHistogram(LEAST_NS, MOST_NS, DIGITS)

    @classmethod
    def of(cls, values_ns: Iterable[int]) -> Self:
        """Return the histogram of *values_ns*."""
        return cls.of_counts((value, 1) for value in values_ns)

    @classmethod
    def of_counts(cls, pairs: Iterable[tuple[int, int]]) -> Self:
        """Return the histogram of pairs of a value and how often it was there."""
        made = cls()
        for value_ns, count in pairs:
            made.record(value_ns, count)
        return made

    @classmethod
    def merged(cls, parts: Iterable["Histogram"]) -> Self:
        """Return the histogram of all that was counted in *parts*."""
        made = cls()
        for part in parts:
            made._hdr.add(part._hdr)
        return made

    @classmethod
    def decode(cls, encoded: bytes) -> Self:
        """Return what :meth:`encode` gave, from another process or a file."""
        made = cls()
        made._hdr.decode_and_add(encoded)
        return made

    def encode(self) -> bytes:
        """Return it as text: base64 of HdrHistogram's compressed format, version 2."""
        encoded: bytes = self._hdr.encode()
        return encoded

    def record(self, value_ns: int, count: int = 1) -> None:
        """Count *value_ns* as having been there *count* times."""
        self._hdr.record_value(min(max(value_ns, 0), MOST_NS), count)

    @property
    def count(self) -> int:
        """How many values there are."""
        total: int = self._hdr.get_total_count()
        return total

    @property
    def max_ms(self) -> float:
        """The greatest value, in milliseconds; 0 of none."""
        greatest: int = self._hdr.get_max_value()
        return greatest / NS_PER_MS

    @property
    def mean_ms(self) -> float:
        """The mean, in milliseconds; 0 of none."""
        mean: float = self._hdr.get_mean_value()
        return mean / NS_PER_MS

    def percentile_ms(self, percentile: float) -> float:
        """Return the value that *percentile* (0 to 100) of all do not exceed, in ms."""
        return self.percentiles_ms([percentile])[0]

    def percentiles_ms(self, percentiles: Sequence[float]) -> list[float]:
        """Return several percentiles, in milliseconds, in one walk; 0 of none."""
        if not self.count:
            return [0.0] * len(percentiles)
        found = self._hdr.get_percentile_to_value_dict(list(percentiles))
        return [found[percentile] / NS_PER_MS for percentile in percentiles]

    def curve_ms(self) -> list[tuple[float, float]]:
        """Return points of the latency curve: percentile and milliseconds."""
        return list(zip(CURVE, self.percentiles_ms(CURVE), strict=True))

    def summary(self) -> Summary:
        """Return the usual figures."""
        p50, p95, p99, p999 = self.percentiles_ms((50, 95, 99, 99.9))
        return Summary(self.count, self.mean_ms, p50, p95, p99, p999, self.max_ms)
