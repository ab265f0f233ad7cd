"""A supervisor in a process of its own, with shards that are stand-ins or real.

Run as a program, it is that process: the first argument is a JSON object with the
command, the number of shards, the control socket, the pace, and which forks fail.
"""

import asyncio
import builtins
import itertools
import json
import os
import signal
import sys
from asyncio.subprocess import DEVNULL, PIPE, STDOUT, Process
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, Self
from unittest.mock import patch

from quizd import log
from quizd.sockets import bind_group
from quizd.supervisor.keeper import Pace
from quizd.supervisor.supervisor import Supervisor

PATIENCE_S = 20.0
QUICK = {
    "first_s": 0.02,
    "slow_s": 0.4,
    "loop_deaths": 3,
    "leave_s": 5.0,
    "handshake_s": 0.05,
}
FAKE = [sys.executable, "-m", "tests.supervisor.fake_shard", "{folder}", "{index}"]

Event = dict[str, Any]


class Crew:
    """*shards* of *command* under a supervisor; *folder* is theirs.

    *forks* names the errors that forks raise, by their numbers from 1 on.
    """

    def __init__(
        self,
        folder: Path,
        shards: int,
        command: list[str] | None = None,
        pace: dict[str, float] | None = None,
        environ: dict[str, str] | None = None,
        forks: dict[int, str] | None = None,
    ) -> None:
        self.folder = folder
        self.control = folder / "control.sock"
        self.port = 0
        self.log: list[Event] = []
        self.shards = shards
        self._plan = json.dumps(
            {
                "command": command or FAKE,
                "folder": str(folder),
                "shards": shards,
                "control": str(self.control),
                "pace": {**QUICK, **(pace or {})},
                "forks": {str(number): name for number, name in (forks or {}).items()},
            }
        )
        self._environ = {**os.environ, **(environ or {})}
        self._news = asyncio.Event()
        self._process: Process | None = None
        self._reader: asyncio.Task[None] | None = None

    async def __aenter__(self) -> Self:
        """Start it and wait for its port."""
        self._process = await asyncio.create_subprocess_exec(
            sys.executable,
            "-m",
            "tests.supervisor.crew",
            self._plan,
            env=self._environ,
            stdout=DEVNULL,
            stderr=PIPE,
        )
        self._reader = asyncio.create_task(self._read())
        self.port = int((await self.event("bound"))["port"])
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """End what still runs of it."""
        assert self._reader is not None
        for pid in [self.pid, *(each["pid"] for each in self.of("shard_started"))]:
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        await self._reader
        await self.exit_code()

    async def _read(self) -> None:
        assert self._process is not None
        assert self._process.stderr is not None
        async for line in self._process.stderr:
            entry = json.loads(line) if line.startswith(b"{") else {"event": str(line)}
            self.log.append(entry)
            self._news.set()

    @property
    def pid(self) -> int:
        """The supervisor."""
        assert self._process is not None
        return self._process.pid

    def send(self, number: signal.Signals) -> None:
        """Send a signal to the supervisor."""
        os.kill(self.pid, number)

    async def exit_code(self) -> int:
        """Wait for the supervisor's end."""
        assert self._process is not None
        return await asyncio.wait_for(self._process.wait(), PATIENCE_S)

    def of(self, event: str, **fields: object) -> list[Event]:
        """Return the events of a name so far, with *fields*."""
        return [
            entry
            for entry in self.log
            if entry["event"] == event and fields.items() <= entry.items()
        ]

    async def event(self, name: str, count: int = 1, **fields: object) -> Event:
        """Wait until there are *count* events of a name with *fields*."""
        async with asyncio.timeout(PATIENCE_S):
            while len(found := self.of(name, **fields)) < count:
                self._news.clear()
                await self._news.wait()
        return found[count - 1]

    async def all_ready(self, times: int = 1) -> None:
        """Wait until each shard was ready that many times."""
        for index in range(self.shards):
            await self.event("shard_ready", times, shard=index)

    def shard_pid(self, index: int) -> int:
        """Return the process that was last started for a shard."""
        return int(self.of("shard_started", shard=index)[-1]["pid"])

    @asynccontextmanager
    async def line(self) -> AsyncIterator["Line"]:
        """Connect to the port."""
        reader, writer = await asyncio.open_connection("127.0.0.1", self.port)
        try:
            yield Line(reader, writer)
        finally:
            writer.close()
            with suppress(ConnectionError):
                await writer.wait_closed()

    async def ask(self) -> tuple[int, int]:
        """Ask on a new connection who answers: index and process."""
        async with self.line() as line:
            return await line.ask()


@dataclass(slots=True)
class Line:
    """A connection to a stand-in."""

    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter

    async def ask(self) -> tuple[int, int]:
        """Ask who answers: index and process."""
        self.writer.write(b"?\n")
        answer = await asyncio.wait_for(self.reader.readline(), PATIENCE_S)
        if not answer:
            raise ConnectionResetError("closed without an answer")
        index, pid = answer.split()
        return int(index), int(pid)


async def drain(folder: Path, *flags: str) -> tuple[int, str]:
    """Run the command; return its exit code and what it prints, wherever."""
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        *("-m", "quizd", "drain", "--data-dir", str(folder), *flags),
        stdout=PIPE,
        stderr=STDOUT,
    )
    said, _ = await process.communicate()
    assert process.returncode is not None
    return process.returncode, said.decode().strip()


async def until(condition: Callable[[], object]) -> None:
    """Wait for what other processes do, who set no event of ours."""
    async with asyncio.timeout(PATIENCE_S):
        while not condition():  # noqa: ASYNC110
            await asyncio.sleep(0.01)


def is_gone(pid: int) -> bool:
    """Tell whether a process has ended; one that nobody has waited for has."""
    try:
        stat = Path(f"/proc/{pid}/stat").read_text()
    except (FileNotFoundError, ProcessLookupError):
        return True
    return stat.rpartition(")")[2].split()[0] == "Z"


def failing(forks: dict[str, str]) -> Callable[[], int]:
    """Return a fork that fails as *forks* say."""
    numbers = itertools.count(1)
    real = os.fork

    def fork() -> int:
        name = forks.get(str(next(numbers)))
        if name is not None:
            raise getattr(builtins, name)("not this time")
        return real()

    return fork


async def main(plan: dict[str, Any]) -> int:
    """Be the supervisor of *plan*."""
    log.configure("info", "json")
    group = bind_group("127.0.0.1", 0, plan["shards"], 128)
    log.get_logger(__name__).info("bound", port=group[0].getsockname()[1])

    def command(index: int) -> list[str]:
        places = {"index": str(index), "folder": plan["folder"]}
        return [word.format(**places) for word in plan["command"]]

    pace = Pace(**plan["pace"])
    with patch("os.fork", failing(plan["forks"])):
        up = await Supervisor(group, command, Path(plan["control"]), pace).run()
    return 0 if up else 1


if __name__ == "__main__":
    sys.exit(asyncio.run(main(json.loads(sys.argv[1]))))
