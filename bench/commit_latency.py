"""How long a durable append takes, alone and beside an event loop that never rests.

A journal's file is made in --directory, which has to be on the disk that is to be
measured. One session appends; each append waits for the one before it, as a session's
do. The load is a coroutine that computes for one turn of the loop and lets the loop
go round, for ever: what an append takes beside it is at least what remains of a turn,
plus the commit, plus what remains of another turn.

Intervals are the interpreter's switch interval. "aside" tells whether the loop steps
aside for the journal's thread (quizd/journal/courtesy.py).

Example: python bench/commit_latency.py --loop uvloop --turns-ms 0.05 0.4 2
"""

import argparse
import asyncio
import os
import platform
import sqlite3
import sys
import tempfile
import time
from collections.abc import Iterator
from itertools import product
from pathlib import Path
from typing import NamedTuple

import uvloop

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from quizd.journal import courtesy
from quizd.journal.sqlite import SqliteJournal


class Case(NamedTuple):
    """What one line of the table is measured under."""

    turn_ms: float  # 0: the loop rests
    interval_ms: float
    aside: bool


class Options(argparse.Namespace):
    """The command line, with its types."""

    appends: int
    batch_bytes: int
    seconds: float
    turns_ms: list[float]
    intervals_ms: list[float]
    loop: str
    directory: Path | None


def main() -> None:
    """Measure every case and print one line for each."""
    options = parse()
    print(
        f"# {platform.node()}: {os.cpu_count()} cores, Python "
        f"{platform.python_version()}, SQLite {sqlite3.sqlite_version}, "
        f"{options.loop}; {options.batch_bytes} bytes a batch"
    )
    print("| turn ms | interval ms | aside | appends | p50 ms | p99 ms | max ms |")
    print("| ------: | ----------: | ----- | ------: | -----: | -----: | -----: |")
    for case in cases(options):
        print(line(case, sorted(measure(case, options))), flush=True)


def parse() -> Options:
    """Read the command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    add = parser.add_argument
    add("--appends", type=int, default=2000, help="per case (%(default)s)")
    add("--batch-bytes", type=int, default=2000, help="each (%(default)s)")
    add("--seconds", type=float, default=5.0, help="limit per case (%(default)s)")
    add("--loop", choices=("uvloop", "asyncio"), default="uvloop")
    add("--directory", type=Path, help="where the file goes (the temporary one)")
    add(
        "--turns-ms", type=float, nargs="+", default=[0.0, 0.05, 0.4, 2.0, 10.0],
        help="lengths of a turn; 0 is a loop at rest (%(default)s)",
    )  # fmt: skip
    add(
        "--intervals-ms", type=float, nargs="+", default=[5.0, 0.5],
        help="switch intervals (%(default)s)",
    )  # fmt: skip
    return parser.parse_args(namespace=Options())


def cases(options: Options) -> Iterator[Case]:
    """Yield the cases, those of one turn length together."""
    for case in product(options.turns_ms, options.intervals_ms, (False, True)):
        yield Case(*case)


def measure(case: Case, options: Options) -> list[float]:
    """Return the seconds that each append of *case* has taken."""
    sys.setswitchinterval(case.interval_ms / 1000)
    courtesy.LATE_SECONDS = 0.001 if case.aside else 3600.0
    run = uvloop.run if options.loop == "uvloop" else asyncio.run
    with tempfile.TemporaryDirectory(dir=options.directory) as directory:
        return run(appends(Path(directory) / "journal.sqlite3", case, options))


async def appends(path: Path, case: Case, options: Options) -> list[float]:
    """Append one after the other until there are enough or time is up."""
    seconds: list[float] = []
    end = time.perf_counter() + options.seconds
    batch = os.urandom(options.batch_bytes)
    async with SqliteJournal(path) as journal:
        term = await journal.create("s", "quiz", "1", b"", 1)
        load = asyncio.create_task(never_rest(case.turn_ms, end))
        for index in range(2, options.appends + 2):
            started = time.perf_counter()
            await journal.append("s", term, index, batch)
            seconds.append(time.perf_counter() - started)
            if time.perf_counter() > end:
                break
        load.cancel()
    return seconds


async def never_rest(turn_ms: float, end: float) -> None:
    """Compute for *turn_ms* in every turn of the loop until *end*; 0: do nothing."""
    while turn_ms and time.perf_counter() < end:
        until = time.perf_counter() + turn_ms / 1000
        while time.perf_counter() < until:
            pass
        await asyncio.sleep(0)


def line(case: Case, seconds: list[float]) -> str:
    """Return the line of the table for *case*; *seconds* are sorted."""
    p50, p99, most = (
        1000 * seconds[min(int(len(seconds) * part), len(seconds) - 1)]
        for part in (0.5, 0.99, 1.0)
    )
    aside = "yes" if case.aside else "no"
    return (
        f"| {case.turn_ms:7g} | {case.interval_ms:11g} | {aside:5} "
        f"| {len(seconds):7} | {p50:6.2f} | {p99:6.2f} | {most:6.1f} |"
    )


if __name__ == "__main__":
    main()
