"""A quizd of one's own to be measured: started, given a quiz, stopped."""

import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import httpx

from bench.load.driver import Session
from bench.load.tickets import Address, key_of

ROOT = Path(__file__).resolve().parents[1]
START_S = 30.0
STOP_S = 30.0
LOOK_S = 0.02

DEFAULTS = {
    "server.backlog": 4096,
    "timeouts.drain_s": 0.2,
    "log.format": "json",
    "log.level": "info",
}


class ServerFailed(RuntimeError):  # noqa: N818 - says what happened
    """It did not start; the text is what it said."""


class QuizServer:
    """``quizd serve`` on a free port, its data in a folder that goes with it.

    *settings* by ``section.key``, in place of quizd's defaults. Use it with ``with``.
    """

    def __init__(self, settings: Mapping[str, object] | None = None) -> None:
        self._folder = tempfile.TemporaryDirectory(prefix="bench-quizd-")
        self._log = Path(self._folder.name) / "log"
        self._settings = {**DEFAULTS, **(settings or {})}
        self._process: subprocess.Popen[bytes]
        self.address: Address

    def __enter__(self) -> Self:
        """Start it, and wait until it listens."""
        with self._log.open("wb") as log:
            self._process = subprocess.Popen(
                [sys.executable, "-m", "quizd", "serve"],
                cwd=ROOT,
                env=self._environment(),
                stdout=subprocess.DEVNULL,
                stderr=log,
                process_group=0,
            )
        try:
            self.address = self._listening()
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
        """Stop it."""
        self._stop()

    def _stop(self) -> None:
        self._process.terminate()
        try:
            self._process.wait(STOP_S)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        self._folder.cleanup()

    def _environment(self) -> dict[str, str]:
        settings = {
            "server.port": 0,
            "data.dir": self.data_dir,
            **self._settings,
        }
        names = {
            "QUIZD_" + key.upper().replace(".", "__"): str(value)
            for key, value in settings.items()
        }
        return {**os.environ, "PYTHONPATH": str(ROOT), **names}

    def _listening(self) -> Address:
        end_s = time.monotonic() + START_S
        while time.monotonic() < end_s and self._process.poll() is None:
            for line in self._log.read_bytes().splitlines():
                event = json.loads(line) if line.endswith(b"}") else {}
                if event.get("event") == "listening":
                    return Address.of(f"http://{event['addresses'][0]}")
            time.sleep(LOOK_S)
        raise ServerFailed(self._log.read_text(errors="replace"))

    @property
    def data_dir(self) -> Path:
        """Where it keeps its data."""
        return Path(self._folder.name) / "data"

    @property
    def pid(self) -> int:
        """The process."""
        return self._process.pid

    def open(self, quiz: Mapping[str, Any]) -> dict[str, Any]:
        """Store *quiz* and open a session; return ``quizId``, ``hostToken``, ``pin``.

        Raises ``httpx.HTTPStatusError`` where that is refused.
        """
        token = (self.data_dir / "author.token").read_text(encoding="ascii")
        headers = {"authorization": f"Bearer {token}"}
        base = f"http://{self.address}/api/v1/quizzes"
        with httpx.Client(headers=headers, timeout=START_S) as api:
            stored = api.post(base, json=quiz).raise_for_status().json()
            quiz_id = stored["quizId"]
            opened = api.post(f"{base}/{quiz_id}/open").raise_for_status().json()
        return {"quizId": quiz_id, **opened}

    def session(self, quiz: Mapping[str, Any]) -> Session:
        """Open a session of *quiz* for the load generator."""
        opened = self.open(quiz)
        return Session(
            self.address, opened["quizId"], key_of(quiz), opened["hostToken"]
        )
