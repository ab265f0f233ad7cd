"""What a run came to: the figures that scenarios report."""

from array import array
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import chain
from typing import Self

from bench.histogram import Histogram
from bench.load._counts import Counts
from bench.load.fleet import Violations
from bench.load.process import Usage

NS_PER_MS = 1e6
NS_PER_S = 1e9


def histogram_of(parts: Sequence[Sequence[tuple[int, int]]]) -> Histogram:
    """Return the histogram of all that was counted in several processes."""
    return Histogram.of_counts(chain.from_iterable(parts))


@dataclass(frozen=True, slots=True)
class Spread:
    """How a broadcast reached everybody, from *reference_ns* on.

    ``received`` is how many it reached; times are milliseconds. ``first_ns`` and
    ``last_ns`` are CLOCK_MONOTONIC, 0 where nobody got it.
    """

    received: int
    first_ns: int
    last_ns: int
    first_ms: float
    p50_ms: float
    p99_ms: float
    last_ms: float
    histogram: Histogram

    @classmethod
    def of(cls, receipts: Sequence[bytes], reference_ns: int | None = None) -> Self:
        """Return the spread of packed int64, nanoseconds; 0: it did not come.

        *reference_ns*: when it was sent, ``None``: the first receipt stands for it.
        """
        instants = array("q", b"".join(receipts))
        came = [instant for instant in instants if instant]
        if not came:
            return cls(0, 0, 0, 0.0, 0.0, 0.0, 0.0, Histogram())
        first_ns, last_ns = min(came), max(came)
        start_ns = first_ns if reference_ns is None else reference_ns
        counts = Counts()
        counts.add_since(instants, start_ns)
        histogram = Histogram.of_counts(counts.pairs())
        p50_ms, p99_ms = histogram.percentiles_ms((50, 99))
        return cls(
            len(came),
            first_ns,
            last_ns,
            (first_ns - start_ns) / NS_PER_MS,
            p50_ms,
            p99_ms,
            (last_ns - start_ns) / NS_PER_MS,
            histogram,
        )


@dataclass(frozen=True, slots=True)
class Stage:
    """Many of one thing: joins, connects, echoes.

    ``latency`` counts from when each was due. ``server_cpu_us`` is what the watched
    processes used meanwhile, in microseconds.
    """

    count: int
    seconds: float
    latency: Histogram
    server_cpu_us: float

    @property
    def per_second(self) -> float:
        """How many there were a second."""
        return self.count / self.seconds if self.seconds else 0.0

    @property
    def cpu_us_each(self) -> float:
        """What one cost the watched processes, in microseconds."""
        return self.server_cpu_us / self.count if self.count else 0.0


@dataclass(frozen=True, slots=True)
class QuestionFigures:
    """One question: how it went out, was answered, and was closed.

    The CPU figures are of the watched processes between the first and the last of each,
    in microseconds: per player for the two broadcasts; for the answers all that was
    done meanwhile, boards included, per answer accepted.
    """

    opened: Spread
    closed: Spread
    answers_sent: int
    answers_accepted: int
    answers_s: float
    opened_cpu_us: float
    closed_cpu_us: float
    answer_cpu_us: float

    @property
    def answers_per_second(self) -> float:
        """Answers accepted a second, from the first due to the last result."""
        return self.answers_accepted / self.answers_s if self.answers_s else 0.0


@dataclass(frozen=True, slots=True)
class GameResult:
    """A whole game; ``violations`` are to be none.

    ``acks`` counts from when an answer was due to its result, ``lags`` to when it was
    sent: what the generator itself was late by. ``usage`` is of the watched processes,
    by moment: ``start``, ``joined``, ``connected``, ``ended``. ``counters`` are those
    of the compiled clients.
    """

    players: int
    violations: Violations
    joins: Stage
    connects: Stage
    welcomes: Histogram
    acks: Histogram
    lags: Histogram
    questions: Sequence[QuestionFigures]
    counters: Mapping[str, int]
    usage: Mapping[str, Usage]

    @property
    def rss_bytes_per_player(self) -> float:
        """What the watched processes grew by for each player, joined and connected."""
        grown = self.usage["connected"].rss_bytes - self.usage["start"].rss_bytes
        return grown / self.players


@dataclass(frozen=True, slots=True)
class EchoResult:
    """Messages sent by an open-loop schedule, and what came back.

    ``lost`` had no echo when the time was over; ``lags`` is what the generator itself
    was late by.
    """

    echoes: Stage
    lags: Histogram
    lost: int
    violations: Violations
