"""Client processes, and calls to all of them at once."""

import os
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import pairwise
from multiprocessing import Pipe
from multiprocessing.connection import Connection
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    TextColumn,
    TimeElapsedColumn,
)

ROOT = Path(__file__).resolve().parents[2]
LOOK_S = 0.05
NS_PER_S = 1e9
END_S = 2.0
FAULTS_MAX = 100


class TooSlow(RuntimeError):  # noqa: N818 - says what happened
    """What was waited for did not come in time; the counters tell how far it came."""


@dataclass(frozen=True, slots=True)
class Violations:
    """How many there were, and what the first ones said."""

    count: int
    texts: tuple[str, ...]

    def __add__(self, other: "Violations") -> "Violations":
        """Return both together."""
        texts = (self.texts + other.texts)[:FAULTS_MAX]
        return Violations(self.count + other.count, texts)

    def __bool__(self) -> bool:
        """Tell whether there were any."""
        return self.count > 0


class Fleet:
    """So many client processes; ``with`` starts them, and none outlives it.

    They are in a process group of their own, so that Ctrl-C ends the driver alone, and
    they end when their pipe does. *progress*: show a bar on standard error where that
    is a terminal.
    """

    def __init__(self, processes: int = 2, *, progress: bool = True) -> None:
        self.processes = processes
        self._running: list[subprocess.Popen[bytes]] = []
        self._pipes: list[Connection] = []
        console = Console(stderr=True)
        self._console = console if progress and console.is_terminal else None

    def __enter__(self) -> Self:
        """Start them."""
        try:
            for _ in range(self.processes):
                self._start()
        except BaseException:
            self._stop()
            raise
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """End them."""
        self._stop()

    def _start(self) -> None:
        ours, theirs = Pipe()
        self._pipes.append(ours)
        with theirs:
            command = [sys.executable, "-m", "bench.load.worker", str(theirs.fileno())]
            running = subprocess.Popen(  # noqa: S603 - our own module
                command,
                pass_fds=[theirs.fileno()],
                env={**os.environ, "PYTHONPATH": str(ROOT)},
                process_group=0,
            )
        self._running.append(running)

    def _stop(self) -> None:
        for pipe in self._pipes:
            pipe.close()
        until_s = time.monotonic() + END_S
        for process in self._running:
            try:
                process.wait(max(until_s - time.monotonic(), 0))
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
        self._pipes.clear()
        self._running.clear()

    @property
    def pids(self) -> list[int]:
        """The processes' ids."""
        return [process.pid for process in self._running]

    # -- calls -----------------------------------------------------------------------

    def call(self, method: str, *arguments: object) -> list[Any]:
        """Call a method of each :class:`bench.load.worker.Station`; return all results.

        Raises what one of them raised.
        """
        return self.call_each(method, [arguments] * self.processes)

    def call_each(
        self, method: str, arguments: Sequence[Sequence[object]]
    ) -> list[Any]:
        """Call a method with other *arguments* in each process."""
        for pipe, own in zip(self._pipes, arguments, strict=True):
            pipe.send((method, tuple(own)))
        replies = [pipe.recv() for pipe in self._pipes]
        for well, result in replies:
            if not well:
                raise result
        return [result for _, result in replies]

    def counters(self) -> Counter[str]:
        """Return what has happened so far, in all processes together."""
        total: Counter[str] = Counter()
        for counters in self.call("counters"):
            total.update(counters)
        return total

    def seconds(self) -> float:
        """Return how long the latest joins, connects or echoes took, all together."""
        spans: list[tuple[int, int]] = self.call("span")
        first_ns = min(first for first, _ in spans)
        last_ns = max(last for _, last in spans)
        return max(last_ns - first_ns, 0) / NS_PER_S

    def violations(self) -> Violations:
        """Return what broke a rule so far; the texts begin with the client's number."""
        texts = [
            f"{number}: {text}"
            for part in self.call("violations")
            for number, text in part
        ]
        return Violations(self.counters()["faults"], tuple(texts[:FAULTS_MAX]))

    def wait(
        self,
        what: str,
        total: int,
        done: Callable[[Counter[str]], int],
        timeout_s: float,
        look_s: float = LOOK_S,
    ) -> Counter[str]:
        """Wait until *done* of the counters is *total*; return them.

        *what*: for the progress bar. *look_s*: between two looks. Raises
        :class:`TooSlow` after *timeout_s*.
        """
        until_s = time.monotonic() + timeout_s
        with self._bar(what, total) as advance:
            while True:
                counters = self.counters()
                reached = done(counters)
                advance(reached)
                if reached >= total:
                    return counters
                if time.monotonic() >= until_s:
                    raise TooSlow(f"{what}: {reached} of {total}: {dict(counters)}")
                time.sleep(look_s)

    @contextmanager
    def _bar(self, what: str, total: int) -> Iterator[Callable[[int], None]]:
        if self._console is None:
            yield lambda _: None
            return
        columns = (
            TextColumn("{task.description}"),
            BarColumn(),
            MofNCompleteColumn(),
            TimeElapsedColumn(),
        )
        with Progress(*columns, console=self._console, transient=True) as progress:
            task = progress.add_task(what, total=total)
            yield lambda reached: progress.update(task, completed=reached)


def shares(total: int, parts: int) -> list[range]:
    """Return *total* numbers cut into *parts* ranges of nearly the same size."""
    cuts = [total * part // parts for part in range(parts + 1)]
    return [range(*pair) for pair in pairwise(cuts)]
