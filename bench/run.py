"""One scenario after the other: run, printed and put into the results."""

import time
from pathlib import Path

from bench import report
from bench.machine import commit, facts
from bench.scenarios.base import Options, Outcome, Scenario


def begin(folder: Path, *, fresh: bool) -> report.Results:
    """Return what is to be added to: the results in *folder*, or none if *fresh*.

    Results of before stay only for the same machine; each run keeps its commit.
    """
    results = report.empty(facts(), commit())
    if not fresh and (folder / "latest.json").exists():
        before = report.load(folder)
        if before["machine"]["cpu"] == results["machine"]["cpu"]:
            results = before | {name: results[name] for name in ("machine", "commit")}
    return results


def keep(
    results: report.Results, name: str, outcome: Outcome, seconds: float, folder: Path
) -> bool:
    """Print *outcome*, write it down, and tell whether nothing was violated."""
    print(f"--- {name}, {seconds:.0f} s", flush=True)
    for line in (*outcome.figures, *outcome.notes):
        print(line, flush=True)
    for text in outcome.violations.texts[:10]:
        print(f"VIOLATION {text}", flush=True)
    if outcome.violations:
        print(f"{name} FAILED: {outcome.violations.count} violations", flush=True)
    report.add(results, name, outcome, seconds)
    report.write(results, folder)
    return not outcome.violations


def timed(scenario: Scenario, options: Options) -> tuple[Outcome, float]:
    """Run a scenario; return what it came to, and the seconds it took."""
    started_s = time.monotonic()
    outcome = scenario.run(options)
    return outcome, time.monotonic() - started_s
