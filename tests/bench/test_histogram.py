"""Merged histograms, and the counting that is done in C."""

from array import array

from hypothesis import given, settings
from hypothesis import strategies as st

from bench.histogram import MOST_NS, Histogram
from bench.load._counts import Counts

DURATIONS = st.lists(st.integers(0, MOST_NS), max_size=50)
FEW = settings(max_examples=5, deadline=None)  # the library walks over all its counts
SOME = settings(max_examples=20, deadline=None)
SHARES = (0, 1, 25, 50, 75, 90, 99, 99.9, 100)


@FEW
@given(st.lists(DURATIONS, min_size=1, max_size=3))
def test_merged_is_the_histogram_of_the_union(parts: list[list[int]]) -> None:
    """Merging loses and invents nothing, however the values were spread over parts."""
    merged = Histogram.merged(Histogram.of(part) for part in parts)
    union = Histogram.of(value for part in parts for value in part)
    assert merged.count == union.count == sum(map(len, parts))
    assert merged.percentiles_ms(SHARES) == union.percentiles_ms(SHARES)
    assert merged.summary() == union.summary()


@SOME
@given(DURATIONS)
def test_counting_in_c_is_counting_by_the_library(durations_ns: list[int]) -> None:
    """What comes out of C puts each value where the library itself puts it."""
    counts = Counts()
    for duration_ns in durations_ns:
        counts.add(duration_ns)
    counted, direct = Histogram.of_counts(counts.pairs()), Histogram.of(durations_ns)
    assert counts.total == counted.count == len(durations_ns)
    assert counted.percentiles_ms(SHARES) == direct.percentiles_ms(SHARES)


@SOME
@given(st.lists(st.integers(1, MOST_NS), min_size=1, max_size=50))
def test_percentiles_are_exact_to_a_thousandth(durations_ns: list[int]) -> None:
    """A percentile is the value that so many do not exceed, to three digits."""
    ordered = sorted(durations_ns)
    histogram = Histogram.of(durations_ns)
    shares = (50, 90, 99, 100)
    for share, told_ms in zip(shares, histogram.percentiles_ms(shares), strict=True):
        rank = max(int(share * len(ordered) / 100 + 0.5), 1)
        exact_ms = ordered[rank - 1] / 1e6
        assert exact_ms <= told_ms <= exact_ms * 1.001 + 1e-6


@FEW
@given(DURATIONS)
def test_text_holds_the_whole_histogram(durations_ns: list[int]) -> None:
    """A histogram that went through a file or a pipe is the same one."""
    histogram = Histogram.of(durations_ns)
    assert Histogram.decode(histogram.encode()).summary() == histogram.summary()


def test_out_of_range_counts_as_the_end_of_the_range() -> None:
    """Nothing is dropped: a clock's hiccup is 0, an eternity is ten minutes."""
    counts = Counts()
    counts.add(-5)
    counts.add(10 * MOST_NS)
    for histogram in (
        Histogram.of([-5, 10 * MOST_NS]),
        Histogram.of_counts(counts.pairs()),
    ):
        assert histogram.count == 2
        assert histogram.percentile_ms(1) == 0
        assert abs(histogram.max_ms / (MOST_NS / 1e6) - 1) < 0.001


def test_instants_count_from_a_reference_and_zero_is_none() -> None:
    """Who did not get a broadcast is not in its histogram."""
    counts = Counts()
    counts.add_since(array("q", [1_500, 0, 2_000]), 1_000)
    assert counts.pairs() == [(500, 1), (1_000, 1)]


def test_an_empty_histogram_has_figures() -> None:
    """Nothing measured is no error: all figures are 0."""
    summary = Histogram().summary()
    assert (summary.count, summary.p99_ms, summary.max_ms) == (0, 0.0, 0.0)
    assert all(value == 0 for _, value in Histogram().curve_ms())
