"""A quizd of one's own to be measured: started, given a quiz, stopped."""

import json
import os
import ssl
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
START_S = 60.0
STOP_S = 30.0
LOOK_S = 0.02
STARTED = "shard_started"

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

    *settings* by ``section.key``, in place of quizd's defaults; *shards*: several need
    Redis, by ``redis.url``. Use it with ``with``.
    """

    def __init__(
        self, settings: Mapping[str, object] | None = None, shards: int = 1
    ) -> None:
        self._shards = shards
        self._folder = tempfile.TemporaryDirectory(prefix="bench-quizd-")
        self._log = Path(self._folder.name) / "log"
        self._settings = {**DEFAULTS, **(settings or {})}
        trusted = self._settings.get("server.tls_certificate")
        self._trusted = (
            ssl.create_default_context(cafile=str(trusted)) if trusted else None
        )
        self._process: subprocess.Popen[bytes]
        self.address: Address

    def __enter__(self) -> Self:
        """Start it, and wait until it listens."""
        alone = [sys.executable, "-m", "quizd", "serve"]
        several = ["--shards", str(self._shards)] if self._shards > 1 else []
        with self._log.open("wb") as log:
            self._process = subprocess.Popen(  # noqa: S603 - our own module
                [*alone, *several],
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
            listening = self._events("listening")
            ready = {event["shard"] for event in self._events("shard_ready")}
            if listening and (self._shards == 1 or len(ready) == self._shards):
                return Address.of(f"http://{listening[0]['addresses'][0]}")
            time.sleep(LOOK_S)
        raise ServerFailed(self._log.read_text(errors="replace"))

    def has_said(self, event: str) -> bool:
        """Tell whether *event* was logged so far."""
        return bool(self._events(event))

    def _events(self, name: str) -> list[dict[str, Any]]:
        """Return what was logged so far under *name*."""
        lines = self._log.read_bytes().splitlines()
        events = [json.loads(line) for line in lines if is_whole(line)]
        return [event for event in events if event.get("event") == name]

    @property
    def data_dir(self) -> Path:
        """Where it keeps its data."""
        return Path(self._folder.name) / "data"

    @property
    def author_token(self) -> str:
        """What lets quizzes be stored and opened."""
        return (self.data_dir / "author.token").read_text(encoding="ascii")

    @property
    def pid(self) -> int:
        """The process; of several shards their supervisor."""
        return self._process.pid

    @property
    def pids(self) -> list[int]:
        """The processes that serve, by shard."""
        if self._shards == 1:
            return [self.pid]
        started = {event["shard"]: event["pid"] for event in self._events(STARTED)}
        return [started[shard] for shard in sorted(started)]

    def open(self, quiz: Mapping[str, Any]) -> dict[str, Any]:
        """Store *quiz* and open a session; return ``quizId``, ``hostToken``, ``pin``.

        Raises ``httpx.HTTPStatusError`` where that is refused.
        """
        headers = {"authorization": f"Bearer {self.author_token}"}
        base = f"{'https' if self._trusted else 'http'}://{self.address}/api/v1/quizzes"
        with httpx.Client(
            headers=headers, timeout=START_S, verify=self._trusted or False
        ) as api:
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


def is_whole(line: bytes) -> bool:
    """Tell whether a line of the log is an event, all of it."""
    return line.startswith(b"{") and line.endswith(b"}")
