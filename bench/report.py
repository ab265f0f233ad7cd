"""Results on disk: one file of all figures, and a table and plots made from it.

``latest.json`` is all there is: :func:`write` makes the table (``latest.md``) and the
plots (``*.png``) from it and from nothing else. A scenario that is run alone takes its
place in the file and leaves the others' there. What is no part of the suite has a file
and a table of its own (:func:`write_apart`).
"""

import json
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import matplotlib as mpl

from bench.machine import commit, facts
from bench.scenarios.base import Outcome, number

mpl.use("agg")
from matplotlib import pyplot as plt
from matplotlib.axes import Axes

RESULTS = Path(__file__).resolve().parent / "results"
HEADER = (
    "| figure | value | interval of 95 % | target | |",
    "| --- | --- | --- | --- | --- |",
)
NINES = (50, 90, 99, 99.9, 99.99)
MOST_NINES = 99.995
Results = dict[str, Any]


def empty(machine: Mapping[str, Any], commit: str) -> Results:
    """Return results of *machine* at *commit* without a scenario."""
    return {"machine": dict(machine), "commit": commit, "runs": {}}


def add(results: Results, name: str, outcome: Outcome, seconds: float) -> None:
    """Put a scenario's outcome into *results*; *seconds*: how long it took."""
    results[name] = outcome.stored
    results["runs"][name] = {
        "at": datetime.now(UTC).isoformat(timespec="seconds"),  # noqa: TID251 - for people
        "commit": results["commit"],
        "seconds": round(seconds, 1),
        "figures": [figure.told() for figure in outcome.figures],
        "violations": {
            "count": outcome.violations.count,
            "texts": list(outcome.violations.texts),
        },
        "notes": outcome.notes,
        "curves": outcome.curves,
    }


def load(folder: Path = RESULTS) -> Results:
    """Return the results in *folder*; raise ``FileNotFoundError`` for none."""
    found: Results = json.loads((folder / "latest.json").read_text(encoding="utf-8"))
    return found


def write(results: Results, folder: Path = RESULTS) -> None:
    """Write file, table and plots to *folder*."""
    folder.mkdir(parents=True, exist_ok=True)
    show_peers(results)
    put(folder / "latest.json", json.dumps(results, indent=1) + "\n")
    put(folder / "latest.md", table(results))
    plot_latencies(results, folder)
    plot_growth(results, folder)
    plot_peers(results, folder)


def write_apart(
    found: Outcome,
    seconds: float,
    folder: Path,
    name: str,
    told: Callable[[Results], str],
) -> None:
    """Write file and table of *found*, called *name*; *told* makes the table.

    *seconds*: how long it took.
    """
    results: Results = {
        "machine": facts(),
        "commit": commit(),
        "at": datetime.now(UTC).isoformat(timespec="seconds"),  # noqa: TID251 - for people
        "seconds": round(seconds, 1),
        **found.data,
        "figures": [figure.told() for figure in found.figures],
        "violation_texts": list(found.violations.texts),
    }
    folder.mkdir(parents=True, exist_ok=True)
    text = json.dumps(results, indent=1, ensure_ascii=False) + "\n"
    put(folder / f"{name}.json", text)
    put(folder / f"{name}.md", told(results))


def show_peers(results: Results) -> None:
    """Put what the peers' fan-outs have cost beside quizd's."""
    if "fanout" in results and "peers" in results:
        results["fanout"]["peers"] = {
            name: peer
            for name, peer in results["peers"].items()
            if name != "quizd" and "cpu_us_per_delivery" in peer
        }


def put(path: Path, text: str) -> None:
    """Write a file so that nobody ever sees half of it."""
    beside = path.with_suffix(f"{path.suffix}.tmp")
    beside.write_text(text, encoding="utf-8")
    beside.replace(path)


# -- table -----------------------------------------------------------------------------


def table(results: Results) -> str:
    """Return the results as a page of Markdown."""
    lines = ["# Results", "", *machine_lines(results)]
    for name, run in results["runs"].items():
        lines += ["", f"## {name}", "", f"{run['at']}, {run['seconds']:.0f} s."]
        if run["violations"]["count"]:
            lines += [
                "",
                f"**{run['violations']['count']} violations: the run failed.**",
            ]
        lines += ["", *HEADER, *map(row, run["figures"])]
        lines += ["", *(f"- {note}" for note in run["notes"])] if run["notes"] else []
    return "\n".join(lines) + "\n"


def machine_lines(results: Results) -> list[str]:
    """Return what the figures were measured on."""
    machine = results["machine"]
    libraries = ", ".join(f"{k} {v}" for k, v in machine["libraries"].items())
    loads = " ".join(f"{load:.1f}" for load in machine["load_average"])
    return [
        f"- {machine['cpu']}, {machine['cores']} cores, {machine['memory_gib']} GiB",
        f"- load average at the start: {loads}",
        f"- Linux {machine['kernel']}, Python {machine['python']}, {libraries}",
        f"- commit `{results['commit']}`",
    ]


def row(figure: Mapping[str, Any]) -> str:
    """Return a figure as a line of the table."""
    value = f"{number(figure['value'])} {figure['unit']}".strip()
    between = (
        f"{number(figure['low'])} … {number(figure['high'])}" if "low" in figure else ""
    )
    target, verdict = figure.get("target", ""), figure.get("verdict", "")
    return f"| {figure['name']} | {value} | {between} | {target} | {verdict} |"


# -- plots -----------------------------------------------------------------------------


def plot_latencies(results: Results, folder: Path) -> None:
    """Plot each scenario's latencies by percentile, into a file of its name."""
    for name, run in results["runs"].items():
        if run["curves"]:
            figure, axes = plt.subplots(figsize=(8, 5))
            for title, curve in run["curves"].items():
                draw(axes, title, curve)
            axes.set_title(f"{name}: latency by percentile")
            label_nines(axes)
            figure.savefig(folder / f"latency_{name}.png", dpi=110, bbox_inches="tight")
            plt.close(figure)


def draw(axes: Axes, title: str, curve: Sequence[Sequence[float]]) -> None:
    """Draw a curve over the number of nines, so that the tail has room."""
    shares = [1 / (1 - min(percentile, MOST_NINES) / 100) for percentile, _ in curve]
    axes.plot(shares, [milliseconds for _, milliseconds in curve], label=title)


def label_nines(axes: Axes) -> None:
    """Name the axes of a latency plot."""
    axes.set_xscale("log")
    axes.set_xticks([1 / (1 - nine / 100) for nine in NINES], [f"{n:g}" for n in NINES])
    axes.set_xlabel("percentile")
    axes.set_ylabel("ms")
    axes.set_ylim(bottom=0)
    axes.grid(alpha=0.3)
    axes.legend(fontsize=8)


def plot_growth(results: Results, folder: Path) -> None:
    """Plot the ratios over the number of players."""
    rows = results.get("growth", [])
    if not rows:
        return
    figure, axes = plt.subplots(figsize=(8, 5))
    for name in ("fanout_ratio", "personal_ratio", "answer_ratio"):
        known = [(row["players"], row[name]) for row in rows if name in row]
        axes.plot(*zip(*known, strict=True), marker="o", label=name.replace("_", " "))
    axes.set_title("cost against the floor, by players in one session")
    axes.set_xlabel("players")
    axes.set_ylabel("ratio to the floor")
    axes.set_ylim(bottom=0)
    axes.grid(alpha=0.3)
    axes.legend()
    figure.savefig(folder / "growth.png", dpi=110, bbox_inches="tight")
    plt.close(figure)


def plot_peers(results: Results, folder: Path) -> None:
    """Plot what a delivery, and an answer, cost the peers, side by side."""
    peers = results.get("peers", {})
    wanted = {
        "cpu_us_per_delivery": "CPU µs a delivery",
        "answers_per_second": "answers a second",
    }
    for key, title in wanted.items():
        known = {name: peer[key] for name, peer in peers.items() if peer.get(key)}
        if known:
            figure, axes = plt.subplots(figsize=(8, 4))
            axes.barh(list(known), list(known.values()))
            axes.set_title(title)
            axes.invert_yaxis()
            figure.savefig(folder / f"peers_{key}.png", dpi=110, bbox_inches="tight")
            plt.close(figure)
