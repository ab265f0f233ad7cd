"""Hold the compiled core to the instruction counts in bench/results/instructions.json.

Each hot function's workload is counted by valgrind, which no other program on the
machine disturbs, and compared with what is recorded. The exit status is 1 where one
takes more than 1.25 times as many, or is not recorded, and 2 where there is no
valgrind. --record writes the counts of this checkout down; --time measures the same
workloads by the clock instead, and compares nothing.
"""

import argparse
import shutil
import subprocess
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

from bench.micro import record
from bench.micro.counted import ROOT, CountFailed, count
from bench.report import RESULTS

RECORD = RESULTS / "instructions.json"
NO_VALGRIND = "valgrind is not installed (Debian: apt-get install valgrind)"
TIMES = "bench/micro/test_times.py"
Counter = Callable[[str], record.Counts]


def check(valgrind: str, path: Path, counter: Counter = count) -> int:
    """Count, and hold it against the record at *path*; return the exit status."""
    known = record.load(path)
    if known is None:
        print(f"{path} is missing: python -m bench.check --record", file=sys.stderr)
        return 1
    rows = record.compared(known["instructions"], counter(valgrind))
    for line in record.table(rows):
        print(line)
    for line in record.differing(known, record.versions(valgrind)):
        print(line)
    offences = [row.offence for row in rows if row.offence]
    for offence in offences:
        print(f"FAILED {offence}")
    return 1 if offences else 0


def write_down(valgrind: str, path: Path, counter: Counter = count) -> int:
    """Count, show what has changed, and record it at *path*; return the status."""
    known = record.load(path)
    counts = counter(valgrind)
    before = known["instructions"] if known else {}
    for line in record.table(record.compared(before, counts)):
        print(line)
    record.write(path, counts, record.versions(valgrind))
    return 0


def take_times(words: Sequence[str]) -> int:
    """Measure by the clock; return pytest's exit status."""
    command = [sys.executable, "-m", "pytest", "-q", "-s", TIMES, "--benchmark-only"]
    done = subprocess.run([*command, *words], cwd=ROOT, check=False)  # noqa: S603 - our own
    return done.returncode


def parser() -> argparse.ArgumentParser:
    """Return the reader of the command line."""
    made = argparse.ArgumentParser(prog="python -m bench.check", description=__doc__)
    made.add_argument(
        "--record", action="store_true", help="write the counts down anew"
    )
    made.add_argument(
        "--time", action="store_true", help="measure by the clock, not by instructions"
    )
    made.add_argument(
        "--file", type=Path, default=RECORD, help="the record (default: %(default)s)"
    )
    return made


def main(words: Sequence[str] | None = None) -> int:
    """Do what the command line asks for; return the exit status."""
    options = parser().parse_args(words)
    if options.time:
        return take_times([])
    valgrind = shutil.which("valgrind")
    if valgrind is None:
        print(NO_VALGRIND, file=sys.stderr)
        return 2
    deed = write_down if options.record else check
    try:
        return deed(valgrind, options.file)
    except (CountFailed, ValueError) as failed:
        print(failed, file=sys.stderr)
        return 1


if __name__ == "__main__":
    sys.exit(main())
