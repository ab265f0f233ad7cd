"""Recorded instruction counts, and what has grown since."""

import json
import subprocess
import sysconfig
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any

from bench.machine import commit, processor
from bench.scenarios.base import number

MOST_RATIO = 1.25
Counts = Mapping[str, float]
VERSIONS = ("cpu", "python", "compiler", "cython", "valgrind")


@dataclass(frozen=True, slots=True)
class Row:
    """One workload's instructions per operation; ``None``: there is no such count."""

    name: str
    before: float | None
    now: float | None

    @property
    def ratio(self) -> float | None:
        """How many times the recorded count it takes now."""
        if self.before is None or self.now is None:
            return None
        return self.now / self.before

    @property
    def offence(self) -> str:
        """What is wrong, in a line; empty: nothing."""
        if self.before is None:
            return f"{self.name}: is not recorded"
        if self.now is None:
            return f"{self.name}: is recorded, but there is no such workload"
        ratio = self.now / self.before
        if ratio <= MOST_RATIO:
            return ""
        return (
            f"{self.name}: {number(self.before)} before, {number(self.now)} now, "
            f"{ratio:.2f} times as many"
        )


def compared(before: Counts, now: Counts) -> list[Row]:
    """Return a row for each workload of either, those of *now* first."""
    names = dict.fromkeys([*now, *before])
    return [Row(name, before.get(name), now.get(name)) for name in names]


def table(rows: list[Row]) -> Iterator[str]:
    """Yield the lines of a table of *rows*."""
    title = "instructions per operation"
    yield f"{title:<28} {'recorded':>10} {'now':>10} {'ratio':>7}"
    for row in rows:
        ratio = "–" if row.ratio is None else f"{row.ratio:.3f}"
        yield f"{row.name:<28} {shown(row.before):>10} {shown(row.now):>10} {ratio:>7}"


def shown(count: float | None) -> str:
    """Return a count for a table."""
    return "–" if count is None else number(count)


def versions(valgrind: str) -> dict[str, str]:
    """Return what counts depend on beside the code."""
    compiler = (sysconfig.get_config_var("CC") or "cc").split()[0]
    return {
        "cpu": processor(),
        "python": sysconfig.get_python_version() + " " + sysconfig.get_platform(),
        "compiler": first_line([compiler, "--version"]),
        "cython": version("cython"),
        "valgrind": first_line([valgrind, "--version"]),
    }


def first_line(command: list[str]) -> str:
    """Return the first line that a program says, empty where it can't be run."""
    try:
        done = subprocess.run(  # noqa: S603 - the commands above
            command, capture_output=True, text=True, check=True, timeout=10
        )
    except (OSError, subprocess.SubprocessError):
        return ""
    return done.stdout.partition("\n")[0]


def load(path: Path) -> dict[str, Any] | None:
    """Return what is recorded, ``None`` where nothing is.

    Raises ``ValueError`` where the file is something else.
    """
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
        return {**found, "instructions": dict(found["instructions"])}
    except FileNotFoundError:
        return None
    except (KeyError, TypeError) as error:
        raise ValueError(f"{path} is no record of instruction counts") from error


def write(path: Path, counts: Counts, made_with: Mapping[str, str]) -> None:
    """Record *counts*."""
    rounded = {name: round(count, 1) for name, count in counts.items()}
    record = {**made_with, "commit": commit(), "instructions": rounded}
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(
        json.dumps(record, indent=1, ensure_ascii=False) + "\n", encoding="utf-8"
    )


def differing(record: Mapping[str, Any], now: Mapping[str, str]) -> Iterator[str]:
    """Yield a line for each version that is not the recorded one."""
    for name in VERSIONS:
        if record.get(name) != now[name]:
            yield f"recorded with another {name}: {record.get(name)}, here {now[name]}"
