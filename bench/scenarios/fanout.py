"""What one delivery of a fan-out costs, against a bare send() loop in C.

A session of quizd full of players, and as many sockets of the floor, are both there
all the time, in client processes of the same kind. In turn quizd shows a question (the
same frame for everybody), the floor sends as many bytes to as many sockets, quizd
closes the question (with everybody's own rank in it), and the floor sends each socket
a frame of its own, of the mean size. The ratio is taken pair by pair. Whoever sends has
the first core, everything else the others, and receivers don't sleep meanwhile.

quizd's CPU time is all that its process uses, from the host's command until everybody
has the message: reading and deciding it, the journal's commit, the ranking of all, the
host's own messages. Nothing is subtracted. The floor's is that of the loop alone.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field

from bench.histogram import Histogram
from bench.load.fleet import Violations
from bench.scenarios.arena import Arena, Delivery, Floor, arena, floor
from bench.scenarios.base import (
    Data,
    Figure,
    Options,
    Outcome,
    Scenario,
    Target,
)
from bench.stats import Median

SHARED = Target("P1", 1.10)
PERSONAL = Target("P2", 1.35)


@dataclass(slots=True)
class Pairs:
    """Deliveries of quizd and of the floor, in turn."""

    quizd: list[Delivery] = field(default_factory=list)
    floor: list[Delivery] = field(default_factory=list)

    def add(self, quizd: Delivery, floor: Delivery) -> None:
        """Note a pair."""
        self.quizd.append(quizd)
        self.floor.append(floor)

    @property
    def ratio(self) -> Median:
        """The median of the pairs' ratios."""
        pairs = zip(self.quizd, self.floor, strict=True)
        return Median.of([one.cpu_us / other.cpu_us for one, other in pairs])

    def told(self, connections: int) -> Data:
        """Return what the results file has of it."""
        ratio = self.ratio
        return {
            "connections": connections,
            "size_bytes": typical([one.size_bytes for one in self.quizd]),
            "cpu_us_per_delivery": typical([one.cpu_us for one in self.quizd]),
            "between_cpu_us": typical([one.between_cpu_us for one in self.quizd]),
            "floor_cpu_us": typical([one.cpu_us for one in self.floor]),
            "ratio": ratio.value,
            "ratio_low": ratio.low,
            "ratio_high": ratio.high,
            "pairs": ratio.count,
            **spread_of(self.quizd),
            **{f"floor_{key}": ms for key, ms in spread_of(self.floor).items()},
        }

    def outcome(self, name: str, connections: int, target: Target) -> Outcome:
        """Return the figures and curves of it."""
        data = self.told(connections)
        title = f"{name}, {connections:,} connections"
        figures = [
            Figure(
                f"{title}: ratio to the C loop",
                data["ratio"],
                "",
                target,
                data["ratio_low"],
                data["ratio_high"],
            ),
            Figure(f"{title}: CPU", data["cpu_us_per_delivery"], "µs each"),
            Figure(f"{title}: the C loop's CPU", data["floor_cpu_us"], "µs each"),
            Figure(f"{title}: to the last", data["last_ms"], "ms"),
        ]
        curves = {
            f"{title}, quizd": merged(self.quizd).curve_ms(),
            f"{title}, C loop": merged(self.floor).curve_ms(),
        }
        return Outcome(data, figures, curves=curves)


def typical(values: Sequence[float]) -> float:
    """Return the median."""
    return Median.of(values).value


def spread_of(deliveries: Sequence[Delivery]) -> Data:
    """Return the median round's p50, p99 and last, in milliseconds from its start."""
    return {
        "p50_ms": typical([one.spread.p50_ms for one in deliveries]),
        "p99_ms": typical([one.spread.p99_ms for one in deliveries]),
        "last_ms": typical([one.spread.last_ms for one in deliveries]),
    }


def merged(deliveries: Sequence[Delivery]) -> Histogram:
    """Return the latencies of all rounds."""
    return Histogram.merged(one.spread.histogram for one in deliveries)


def pairs_of(stage: Arena, bare: Floor, rounds: int) -> tuple[Pairs, Pairs]:
    """Return *rounds* pairs of shared and of personal messages."""
    shared, personal = Pairs(), Pairs()
    for _ in range(rounds):
        sent = stage.question()
        shared.add(sent, bare.send("broadcast", round(sent.size_bytes)))
        sent = stage.close()
        personal.add(sent, bare.send("personal", round(sent.size_bytes)))
    return shared, personal


def both(options: Options) -> tuple[Outcome, Outcome]:
    """Measure both kinds of messages; return the shared one's outcome first."""
    with arena(options) as stage, floor(options) as bare:
        pairs_of(stage, bare, 1)  # buffers grow and pages come in with the first
        shared, personal = pairs_of(stage, bare, options.rounds)
        found = stage.listeners.violations() + bare.violations()
        connections = stage.deliveries
    outcomes = (
        shared.outcome("fan-out", connections, SHARED),
        personal.outcome("personal fan-out", connections, PERSONAL),
    )
    outcomes[0].violations += found
    return outcomes


def run(options: Options) -> Outcome:
    """Measure both kinds; the personal one's data stand beside the shared one's."""
    shared, personal = both(options)
    shared.data["personal"] = personal.data
    shared.add(personal)
    return shared


def run_personal(options: Options) -> Outcome:
    """Measure both kinds; report the personal one."""
    shared, personal = both(options)
    personal.violations += shared.violations or Violations(0, ())
    return personal


ALONE = Options(processes=1)
FANOUT = Scenario("fanout", __doc__, ALONE, run)
PERSONAL_FANOUT = Scenario("personal_fanout", __doc__, ALONE, run_personal)
