"""Outcomes as scenarios give them, without a server."""

from bench import report
from bench.load.fleet import Violations
from bench.scenarios.base import Figure, Outcome, Target

MACHINE = {
    "cpu": "A processor",
    "cores": 2,
    "memory_gib": 8.0,
    "kernel": "6.1",
    "python": "3.11",
    "libraries": {"picows": "2.3"},
    "redis": "",
    "load_average": [0.5, 0.25, 0.1],
}
CURVE = [(0.0, 1.0), (50.0, 2.0), (99.0, 4.0), (100.0, 9.0)]


def outcome(ratio: float = 1.05, faults: int = 0) -> Outcome:
    """Return an outcome with one figure that has a target, and one that has none."""
    return Outcome(
        {"ratio": ratio},
        [
            Figure("ratio to the floor", ratio, "", Target("P1", 1.1), 0.9, 1.2),
            Figure("time", 12_345.6, "ms"),
        ],
        Violations(faults, tuple(f"{number}: wrong rank" for number in range(faults))),
        {"quizd": CURVE},
        ["nothing was left out"],
    )


def results(**outcomes: Outcome) -> report.Results:
    """Return results that hold *outcomes*."""
    made = report.empty(MACHINE, "0123abc")
    for name, each in outcomes.items():
        report.add(made, name, each, 3.25)
    return made
