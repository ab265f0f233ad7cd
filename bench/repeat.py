"""Take all figures that have a target several times in a row: python -m bench.repeat.

One run is the standard suite. Each is written to bench/results/repeated.json when it is
over, with a table beside it (repeated.md): a column for each run, and whether the
target was held in all of them. Nothing is left out and no run is repeated for being
bad; a figure that a run could not take counts as missed in it.
"""

import argparse
import json
import os
import sys
import time
import traceback
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from bench import report
from bench.__main__ import natural
from bench.machine import commit, facts
from bench.scenarios.base import number
from bench.standard import Step, steps

NAME = "repeated"
TIMES = 3
Run = dict[str, Any]


def taken(todo: Sequence[Step]) -> Run:
    """Take all steps once; return the figures that have a target, and what failed."""
    started_s = time.monotonic()
    run: Run = {
        "at": datetime.now(UTC).isoformat(timespec="seconds"),  # noqa: TID251 - for people
        "load_average": list(os.getloadavg()),
        "figures": {},
        "violations": 0,
        "failed": {},
    }
    for step in todo:
        print(f"--- {', '.join(step.names)}", flush=True)
        try:
            outcomes = step.run()
        except Exception as error:  # noqa: BLE001 - the others are to be taken all the same
            traceback.print_exc()
            run["failed"][", ".join(step.names)] = repr(error)
            continue
        for outcome in outcomes:
            run["violations"] += outcome.violations.count
            for figure in outcome.figures:
                if figure.target is not None:
                    run["figures"][figure.name] = figure.told()
                    print(figure, flush=True)
    run["seconds"] = round(time.monotonic() - started_s, 1)
    return run


def wanted(names: Sequence[str]) -> list[Step]:
    """Return the standard suite's steps that hold one of *names*, all for none.

    Raises ``ValueError`` for a name that is in no step.
    """
    suite = steps()
    known = {name for step in suite for name in step.names}
    unknown = set(names) - known
    if unknown:
        raise ValueError(f"no scenario {', '.join(sorted(unknown))}: {sorted(known)}")
    return [step for step in suite if not names or set(step.names) & set(names)]


def held(figure: str, runs: Sequence[Run]) -> bool:
    """Tell whether every run has taken *figure*, and held its target."""
    found = [run["figures"].get(figure) for run in runs]
    return all(one is not None and one["verdict"] == "held" for one in found)


def named(runs: Sequence[Run]) -> list[str]:
    """Return the figures of all runs, in their order."""
    return [*dict.fromkeys(name for run in runs for name in run["figures"])]


def table(results: report.Results) -> str:
    """Return the runs as a page of Markdown."""
    runs = results["runs"]
    titles = [f"run {place}" for place in range(1, len(runs) + 1)]
    lines = ["# The targets, run after run", "", *report.machine_lines(results), ""]
    lines.append(f"| figure | target | {' | '.join(titles)} | in all |")
    lines.append("| --- " * (len(runs) + 3) + "|")
    lines += [row(name, runs) for name in named(runs)]
    lines += ["", *remarks(runs)]
    return "\n".join(lines) + "\n"


def row(name: str, runs: Sequence[Run]) -> str:
    """Return a figure's line of the table."""
    found = [run["figures"].get(name) for run in runs]
    target = next(one["target"] for one in found if one is not None)
    cells = [cell(one) for one in found]
    verdict = "held" if held(name, runs) else "MISSED"
    return f"| {name} | {target} | {' | '.join(cells)} | {verdict} |"


def cell(figure: report.Results | None) -> str:
    """Return one run's value, bold where it missed its target."""
    if figure is None:
        return "**none**"
    value = f"{number(figure['value'])} {figure['unit']}".strip()
    return value if figure["verdict"] == "held" else f"**{value}**"


def remarks(runs: Sequence[Run]) -> Iterator[str]:
    """Yield a line about each run."""
    for place, run in enumerate(runs, 1):
        load = run["load_average"][0]
        text = f"- run {place}: {run['at']}, {run['seconds']:.0f} s, load {load:.1f}"
        text += f", {run['violations']} violations"
        yield text + "".join(f", {name} failed" for name in run["failed"])


def written(results: report.Results, folder: Path) -> None:
    """Write file and table."""
    folder.mkdir(parents=True, exist_ok=True)
    text = json.dumps(results, indent=1, ensure_ascii=False) + "\n"
    report.put(folder / f"{NAME}.json", text)
    report.put(folder / f"{NAME}.md", table(results))


def repeated(todo: Sequence[Step], times: int, folder: Path) -> report.Results:
    """Take *todo* so many times; return what is written after each time."""
    results: report.Results = {"machine": facts(), "commit": commit(), "runs": []}
    for _ in range(times):
        results["runs"].append(taken(todo))
        runs = results["runs"]
        results["held"] = {name: held(name, runs) for name in named(runs)}
        written(results, folder)
    return results


def parser() -> argparse.ArgumentParser:
    """Return the reader of the command line."""
    made = argparse.ArgumentParser(prog="python -m bench.repeat", description=__doc__)
    made.add_argument("--times", type=natural, default=TIMES)
    made.add_argument(
        "--scenarios", nargs="+", default=[], help="only these (default: all)"
    )
    made.add_argument("--results", type=Path, default=report.RESULTS)
    return made


def main(words: Sequence[str] | None = None) -> int:
    """Repeat; return 1 where a player saw something wrong, or a scenario failed."""
    options = parser().parse_args(words)
    try:
        todo = wanted(options.scenarios)
    except ValueError as unknown:
        print(unknown, file=sys.stderr)
        return 2
    results = repeated(todo, options.times, options.results)
    print(table(results))
    return int(any(run["violations"] or run["failed"] for run in results["runs"]))


if __name__ == "__main__":
    sys.exit(main())
