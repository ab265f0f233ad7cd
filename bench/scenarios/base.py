"""What all scenarios share: what they are asked for, and what they give."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal, Self

from bench.histogram import Histogram
from bench.load.fleet import Violations

US_PER_S = 1e6
Data = dict[str, Any]
Curve = list[tuple[float, float]]


@dataclass(frozen=True, slots=True)
class Options:
    """How much is to be measured.

    ``rounds``: pairs of a measurement and its floor. ``seconds``: of what is measured
    by time. ``processes``: of the load generator. The same ``seed`` makes the same
    decisions.
    """

    players: int = 5000
    rounds: int = 15
    seconds: float = 10.0
    processes: int = 2
    seed: int = 1
    progress: bool = True


@dataclass(frozen=True, slots=True)
class Target:
    """What a figure is to be: at most, or at least, *limit*; *name* as P1, P2 …."""

    name: str
    limit: float
    kind: Literal["most", "least"] = "most"

    def held(self, value: float) -> bool:
        """Tell whether *value* is as it should be."""
        return value <= self.limit if self.kind == "most" else value >= self.limit

    def __str__(self) -> str:
        sign = "≤" if self.kind == "most" else "≥"
        return f"{self.name} {sign} {self.limit:g}"


@dataclass(frozen=True, slots=True)
class Figure:
    """One number for a table."""

    name: str
    value: float
    unit: str = ""
    target: Target | None = None
    low: float | None = None
    high: float | None = None

    @property
    def verdict(self) -> str:
        """Whether the target is held, empty without one."""
        if self.target is None:
            return ""
        return "held" if self.target.held(self.value) else "MISSED"

    def __str__(self) -> str:
        text = f"{self.name}: {number(self.value)} {self.unit}".rstrip()
        if self.low is not None and self.high is not None:
            text += f" [{number(self.low)} … {number(self.high)}]"
        return f"{text} ({self.target}: {self.verdict})" if self.target else text

    def told(self) -> Data:
        """Return it for a results file."""
        told: Data = {"name": self.name, "value": self.value, "unit": self.unit}
        if self.low is not None and self.high is not None:
            told |= {"low": self.low, "high": self.high}
        if self.target is not None:
            told |= {"target": str(self.target), "verdict": self.verdict}
        return told


@dataclass(slots=True)
class Outcome:
    """What a scenario came to.

    ``data``: what the results file has under the scenario's name, unless it is the
    list ``rows``. ``curves``: latency by percentile, in milliseconds. ``notes``: what
    was left out, and why. A run with violations has failed, whatever its figures are.
    """

    data: Data
    figures: list[Figure] = field(default_factory=list)
    violations: Violations = field(default_factory=lambda: Violations(0, ()))
    curves: dict[str, Curve] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)
    rows: list[Data] | None = None

    @property
    def stored(self) -> Data | list[Data]:
        """What the results file has."""
        return self.data if self.rows is None else self.rows

    def add(self, other: Self) -> None:
        """Take over all of *other* but its data."""
        self.figures += other.figures
        self.violations += other.violations
        self.curves |= other.curves
        self.notes += other.notes


@dataclass(frozen=True, slots=True)
class Scenario:
    """A name, a module's text that explains it, what it does by itself, and the deed.

    The name is its key in the results file.
    """

    name: str
    explanation: str
    options: Options
    run: Callable[[Options], Outcome]


def number(value: float) -> str:
    """Return *value* with three significant digits, thousands and counts whole."""
    if isinstance(value, int) or abs(value) >= 1000:
        return f"{value:,.0f}"
    return f"{value:#.3g}".rstrip(".")


def latencies(histogram: Histogram, prefix: str = "") -> Data:
    """Return the usual percentiles in milliseconds."""
    summary = histogram.summary()
    return {
        f"{prefix}p50_ms": summary.p50_ms,
        f"{prefix}p95_ms": summary.p95_ms,
        f"{prefix}p99_ms": summary.p99_ms,
        f"{prefix}max_ms": summary.max_ms,
    }


def quiz_of(
    questions: int, time_s: float, settings: Mapping[str, object], text: str = ""
) -> Data:
    """Return a quiz of single choices between four directions."""
    options = ["north", "east", "south", "west"]
    return {
        "title": "Directions",
        "settings": {"start": "host", "countdown_s": 0, **settings},
        "questions": [
            {
                "id": f"q{row}",
                "type": "single_choice",
                "text": text or "Which way does the wind blow?",
                "options": options,
                "correct": [options[row % len(options)]],
                "time_s": time_s,
            }
            for row in range(questions)
        ],
    }
