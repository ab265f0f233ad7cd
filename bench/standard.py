"""The standard suite, in at most ten minutes: what ``make bench`` does.

Scenarios that need the same crowd share it. One that cannot be run is reported and
fails the suite, and the others go on. When the time is nearly over, what is left is
skipped with a line that says so.
"""

import argparse
import sys
import time
import traceback
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from bench import report, run
from bench.scenarios import (
    answers,
    budgets,
    entering,
    fanout,
    growth,
    peers,
    ranking,
    standing,
    write_behind,
)
from bench.scenarios.base import Options, Outcome, Scenario

LIMIT_S = 600.0


@dataclass(frozen=True, slots=True)
class Step:
    """A part of the suite: the scenarios it stands for, and how long it takes."""

    names: tuple[str, ...]
    seconds: float
    run: Callable[[], Sequence[Outcome]]


def one(scenario: Scenario, seconds: float, **changes: float) -> Step:
    """Return a step of one scenario, with some options of its own."""
    options: Options = replace(scenario.options, **changes)  # type: ignore[arg-type] # by name
    return Step((scenario.name,), seconds, lambda: [scenario.run(options)])


def steps() -> list[Step]:
    """Return the suite, the most important part first."""
    crowd = fanout.FANOUT.options
    larger = replace(crowd, players=12_000)
    idling = replace(Options(), seconds=standing.PING_S)
    return [
        Step(("fanout", "personal_fanout"), 30, lambda: fanout.both(crowd)),
        one(answers.ANSWERS, 65),
        one(entering.CONNECTING, 30),
        Step(("memory", "idle"), 40, lambda: standing.both(idling)),
        one(ranking.RANKING, 10),
        one(write_behind.WRITING_BEHIND, 25),
        one(budgets.BUDGETS, 95),
        one(peers.PEERS, 100, players=2000, rounds=5),
        one(growth.GROWING, 120, rounds=5),
        one(budgets.HERD, 35, players=5000),
        Step(
            ("fanout_12000", "personal_fanout_12000"), 50, lambda: fanout.both(larger)
        ),
    ]


def took(todo: Sequence[Step], limit_s: float) -> Iterator[tuple[Step, float]]:
    """Give the steps there is time for, each with the moment it began."""
    until_s = time.monotonic() + limit_s
    for step in todo:
        if time.monotonic() + step.seconds > until_s:
            print(f"--- {', '.join(step.names)}: skipped, no time is left", flush=True)
            continue
        yield step, time.monotonic()


def suite(todo: Sequence[Step], limit_s: float, folder: Path) -> bool:
    """Take all steps; tell whether each was run and nothing was violated."""
    results = run.begin(folder, fresh=True)
    well = True
    for step, started_s in took(todo, limit_s):
        try:
            outcomes = step.run()
        except Exception:  # noqa: BLE001 - the others are to be measured all the same
            traceback.print_exc()
            well = False
            continue
        seconds = time.monotonic() - started_s
        for name, outcome in zip(step.names, outcomes, strict=True):
            well &= run.keep(results, name, outcome, seconds, folder)
    return well


def main(words: Sequence[str] | None = None) -> int:
    """Run the suite; return the exit status."""
    parser = argparse.ArgumentParser(
        prog="python -m bench.standard", description=__doc__
    )
    parser.add_argument("--limit-s", type=float, default=LIMIT_S, help="seconds in all")
    parser.add_argument("--results", type=Path, default=report.RESULTS)
    options = parser.parse_args(words)
    return 0 if suite(steps(), options.limit_s, options.results) else 1


if __name__ == "__main__":
    sys.exit(main())
