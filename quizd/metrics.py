"""Every metric, by name. Hot counters are C integers that are read at scrape time."""

from collections.abc import Callable, Iterable, Iterator

from prometheus_client import CollectorRegistry, Histogram
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily
from prometheus_client.registry import Collector

from quizd._fast.wire import read_counters

REGISTRY = CollectorRegistry()

FAST_S = (0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5)

FAN_OUT_SECONDS = Histogram(
    "quizd_edge_fan_out_seconds",
    "From the first to the last socket of one fan-out.",
    buckets=FAST_S,
    registry=REGISTRY,
)
COMMIT_SECONDS = Histogram(
    "quizd_journal_commit_seconds",
    "One group commit of the journal.",
    buckets=FAST_S,
    registry=REGISTRY,
)
REQUEST_SECONDS = Histogram(
    "quizd_api_request_seconds",
    "One REST request.",
    ["route", "status"],
    buckets=FAST_S,
    registry=REGISTRY,
)

COUNTERS = {
    "messages_in": ("quizd_edge_messages_total", "Messages from clients."),
    "answers_in_place": (
        "quizd_edge_answers_in_place_total",
        "Answers that were parsed in the receive buffer.",
    ),
    "bytes_in": ("quizd_edge_received_bytes_total", "Payload bytes from clients."),
    "frames_out": ("quizd_edge_frames_total", "Frames to clients."),
    "bytes_out": ("quizd_edge_sent_bytes_total", "Bytes of frames to clients."),
    "frames_queued": (
        "quizd_edge_frames_queued_total",
        "Frames that waited for a slow reader.",
    ),
    "frames_replaced": (
        "quizd_edge_frames_replaced_total",
        "Waiting latest-value frames that a newer one replaced.",
    ),
    "slow_closed": (
        "quizd_edge_slow_closed_total",
        "Connections closed with 4008: their outbox was full.",
    ),
    "rate_limited": (
        "quizd_edge_rate_limited_total",
        "Messages dropped: their sender was over the budget.",
    ),
}


class WireCollector(Collector):
    """The wires' counters."""

    def collect(self) -> Iterator[CounterMetricFamily]:
        """Read them all."""
        values = read_counters()
        for name, (metric, text) in COUNTERS.items():
            yield CounterMetricFamily(metric, text, value=values[name])


class GaugeCollector(Collector):
    """Values that some part of the program knows: ``(name, text, read)`` each.

    One whose name ends in ``_total`` only grows: it is a counter.
    """

    def __init__(self, gauges: Iterable[tuple[str, str, Callable[[], float]]]) -> None:
        self._gauges = tuple(gauges)

    def collect(self) -> Iterator[CounterMetricFamily | GaugeMetricFamily]:
        """Read them all."""
        for name, text, read in self._gauges:
            kind = CounterMetricFamily if name.endswith("_total") else GaugeMetricFamily
            yield kind(name, text, value=read())


REGISTRY.register(WireCollector())
