"""Count the instructions of workloads, by valgrind's callgrind.

One process does them all: each with its steps, and then with twice as many, passing a
mark before and after. Callgrind writes a profile at each mark. The difference of the
two counts is that of the steps alone, without the interpreter's start and without
whatever there is once. ``python -m bench.micro.counted`` is that process.
"""

import gc
import os
import re
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path

from bench.micro import _loops
from bench.micro.workloads import WORKLOADS, Workload

ROOT = Path(__file__).resolve().parents[2]
TIMEOUT_S = 170.0
MARKS = 4
"""Passed by each workload: before and after its steps, and again for twice as many."""

SUMMARY = re.compile(r"^(?:summary|totals): (\d+)", re.MULTILINE)


class CountFailed(RuntimeError):  # noqa: N818 - what has happened
    """Valgrind or the process under it did not do as it should; the text says what."""


def count(valgrind: str, workloads: Sequence[Workload] = WORKLOADS) -> dict[str, float]:
    """Return the instructions of one operation of each workload.

    *valgrind*: the program. Raises :class:`CountFailed`.
    """
    with tempfile.TemporaryDirectory(prefix="bench-callgrind-") as folder:
        profile = Path(folder) / "profile"
        run_under(valgrind, profile, [workload.name for workload in workloads])
        return {
            workload.name: per_operation(profile, number, workload)
            for number, workload in enumerate(workloads)
        }


def run_under(valgrind: str, profile: Path, names: Sequence[str]) -> None:
    """Do the workloads of these *names*, profiles beside *profile*."""
    command = [
        valgrind,
        "--tool=callgrind",
        "--dump-before=quizd_bench_mark",
        f"--callgrind-out-file={profile}",
        sys.executable,
        "-m",
        __name__,
        *names,
    ]
    try:
        done = subprocess.run(  # noqa: S603 - our own module
            command,
            cwd=ROOT,
            env=environment(os.environ),
            capture_output=True,
            text=True,
            timeout=TIMEOUT_S,
            check=False,
        )
    except subprocess.TimeoutExpired as late:
        raise CountFailed(f"counting takes longer than {TIMEOUT_S:.0f} s") from late
    if done.returncode:
        raise CountFailed(done.stderr)


def environment(ours: Mapping[str, str]) -> dict[str, str]:
    """Return an environment in which every run is the same."""
    return {
        **ours,
        "PYTHONPATH": str(ROOT),
        "PYTHONHASHSEED": "0",
        "PYTHONDONTWRITEBYTECODE": "1",
    }


def per_operation(profile: Path, number: int, workload: Workload) -> float:
    """Return what one operation of workload *number* took by the profiles."""
    # The profile at a mark, counted from 1, holds what was done since the one before.
    begin = MARKS * number + 1
    once, twice = (
        instructions(Path(f"{profile}.{mark}")) for mark in (begin + 1, begin + 3)
    )
    if twice <= once:
        raise CountFailed(f"{workload.name}: twice as much took {twice}, not {once}")
    return (twice - once) / workload.operations


def instructions(path: Path) -> int:
    """Return all that a profile has counted (callgrind's file format, "summary")."""
    found = SUMMARY.search(path.read_text(encoding="utf-8", errors="replace"))
    if found is None:
        raise CountFailed(f"{path.name} has no summary")
    return int(found[1])


def do(workloads: Sequence[Workload]) -> None:
    """Do each workload, marks around it."""
    gc.disable()
    for workload in workloads:
        workload.prepare(workload.steps)()  # code that adapts has done so
        for steps in (workload.steps, 2 * workload.steps):
            deed = workload.prepare(steps)
            _loops.mark()
            deed()
            _loops.mark()


if __name__ == "__main__":
    wanted = sys.argv[1:]
    do([workload for workload in WORKLOADS if workload.name in wanted])
