"""The other end of a controlled process: to start it, tell it things and end it."""

import json
import os
import select
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from types import TracebackType
from typing import IO, Any, Self, cast

ROOT = Path(__file__).resolve().parents[2]
START_S = 30.0
STOP_S = 10.0
READ_BYTES = 1 << 16


class Unavailable(Exception):  # noqa: N818 - said of a thing, not of a failure
    """What cannot be measured here; its text says why, in one line."""


class ChildFailed(RuntimeError):  # noqa: N818 - what has happened
    """The process ended, hung or answered with an error."""


class Child:
    """A process that obeys lines of JSON; use it with ``with``.

    *ready* is the line it began with. Raises :class:`Unavailable` where that says so,
    :class:`ChildFailed` where none came.
    """

    def __init__(self, command: Sequence[str], start_s: float = START_S) -> None:
        self._errors = tempfile.TemporaryFile()  # noqa: SIM115 - closed by stop()
        self._process = subprocess.Popen(  # noqa: S603 - commands of the bench
            command,
            cwd=ROOT,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._errors,
            bufsize=0,
        )
        self._input = cast("IO[bytes]", self._process.stdin)
        self._output = cast("IO[bytes]", self._process.stdout)
        self._read = b""
        try:
            self.ready = self._answer(start_s)
        except ChildFailed:
            self.stop()
            raise
        if "skipped" in self.ready:
            self.stop()
            raise Unavailable(self.ready["skipped"])

    @classmethod
    def module(cls, name: str, *arguments: str) -> Self:
        """Start ``python -m name``."""
        return cls([sys.executable, "-m", name, *arguments])

    def __enter__(self) -> Self:
        """Return itself: it runs already."""
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """End it."""
        self.stop()

    @property
    def pid(self) -> int:
        """The process that serves."""
        return int(self.ready["pid"])

    @property
    def port(self) -> int:
        """Where it listens."""
        return int(self.ready["port"])

    def ask(
        self,
        name: str,
        argument: object = True,  # noqa: FBT002 - of a command without one
        timeout_s: float = 120,
    ) -> dict[str, Any]:
        """Give a command and return the answer.

        Raises :class:`ChildFailed` where it is an error or does not come in time.
        """
        self._input.write(json.dumps({name: argument}).encode() + b"\n")
        answer = self._answer(timeout_s)
        if "error" in answer:
            raise ChildFailed(answer["error"])
        return answer

    def stop(self) -> None:
        """End its input, wait for its end, and kill it where that takes too long."""
        self._input.close()
        try:
            self._process.wait(STOP_S)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        self._output.close()
        self._errors.close()

    def _answer(self, timeout_s: float) -> dict[str, Any]:
        end_s = time.monotonic() + timeout_s
        while b"\n" not in self._read:
            self._read += self._more(end_s)
        line, _, self._read = self._read.partition(b"\n")
        answer: dict[str, Any] = json.loads(line)
        return answer

    def _more(self, end_s: float) -> bytes:
        output = self._output.fileno()
        ready, _, _ = select.select([output], [], [], max(end_s - time.monotonic(), 0))
        data = os.read(output, READ_BYTES) if ready else b""
        if not data:
            raise ChildFailed(self._why("it ended" if ready else "it does not answer"))
        return data

    def _why(self, what: str) -> str:
        self._errors.seek(0)
        said = self._errors.read().decode(errors="replace").strip()
        command = " ".join(map(str, self._process.args))  # type: ignore[arg-type]
        return f"{command}: {what}\n{said}"
