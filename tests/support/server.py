"""A real server in a process of its own, that a test may kill and start again."""

import asyncio
import os
import signal
import ssl
import sys
from asyncio.subprocess import DEVNULL, PIPE, Process
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import httpx
import orjson

from tests.support.ports import free_port

START_S = 60.0
STOP_S = 20.0

PLAIN = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
"""It is not used: servers of tests speak in the clear."""


class Server:
    """``quizd serve`` on a free port of loopback, its data in *data_dir*.

    *options* are settings by ``section.key``. After the first start the port stays
    the same, so that clients find the server again.
    """

    def __init__(
        self,
        data_dir: Path,
        options: Mapping[str, object] | None = None,
        command: Sequence[str] = ("serve",),
    ) -> None:
        self.data_dir = data_dir
        self.options = {"timeouts.drain_s": 0.2, **(options or {})}
        self.command = tuple(command)
        self.entry: tuple[str, ...] = ()  # what starts it elsewhere
        self.port = 0
        self.log: list[dict[str, Any]] = []
        self._process: Process | None = None
        self._reader: asyncio.Task[None] | None = None

    async def __aenter__(self) -> Self:
        """Start it."""
        await self.start()
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Stop it, however the test ended."""
        await self.stop()

    @property
    def url(self) -> str:
        """Where REST is."""
        return f"http://127.0.0.1:{self.port}"

    @property
    def ws_url(self) -> str:
        """Where the socket is, without a query."""
        return f"ws://127.0.0.1:{self.port}/ws"

    @property
    def pid(self) -> int:
        """The process."""
        assert self._process is not None
        return self._process.pid

    async def start(self) -> None:
        """Start the process and wait until it listens."""
        self.port = self.port or free_port()
        self._process = await asyncio.create_subprocess_exec(
            *self.entry,
            sys.executable,
            "-m",
            "quizd",
            *self.command,
            env=self._environment(),
            stdout=DEVNULL,
            stderr=PIPE,
        )
        listening = asyncio.get_running_loop().create_future()
        self._reader = asyncio.create_task(self._read(listening))
        address = await asyncio.wait_for(listening, START_S)
        self.port = int(address.rpartition(":")[2])

    def _environment(self) -> dict[str, str]:
        options = {
            "server.port": self.port,
            "data.dir": self.data_dir,
            "log.format": "json",
            **self.options,
        }
        names = {
            "QUIZD_" + key.upper().replace(".", "__"): str(value)
            for key, value in options.items()
        }
        return {**os.environ, **names}

    async def _read(self, listening: asyncio.Future[str]) -> None:
        assert self._process is not None
        assert self._process.stderr is not None
        lines = []
        async for line in self._process.stderr:
            lines.append(line.decode(errors="replace"))
            if not line.startswith(b"{"):
                continue
            event = orjson.loads(line)
            self.log.append(event)
            if event.get("event") == "listening" and not listening.done():
                listening.set_result(event["addresses"][0])
        if not listening.done():
            listening.set_exception(RuntimeError("no start:\n" + "".join(lines)))

    async def kill(self) -> None:
        """Send SIGKILL and wait for the end: nothing is flushed, nothing is said."""
        await self._end(signal.SIGKILL)

    async def stop(self) -> None:
        """Send SIGTERM, wait, and hold it to a clean exit."""
        if self._process is not None and self._process.returncode is None:
            await self._end(signal.SIGTERM)
            assert self._process.returncode == 0, self.log

    async def _end(self, number: signal.Signals) -> None:
        assert self._process is not None
        assert self._reader is not None
        self._process.send_signal(number)
        await asyncio.wait_for(self._process.wait(), STOP_S)
        await self._reader

    async def ended(self) -> None:
        """Wait for the end of a process that ends by itself."""
        assert self._process is not None
        await asyncio.wait_for(self._process.wait(), STOP_S)

    # -- what tests ask of it ------------------------------------------------------

    @property
    def author_token(self) -> str:
        """The token that may write quizzes and open sessions."""
        return (self.data_dir / "author.token").read_text()

    def api(self, token: str = "") -> httpx.AsyncClient:
        """Return a client of the REST interface.

        It speaks in the clear; reading all certificates would take 25 ms of each.
        """
        headers = {"authorization": f"Bearer {token}"} if token else {}
        base = f"{self.url}/api/v1"
        return httpx.AsyncClient(base_url=base, headers=headers, verify=PLAIN)

    async def store_quiz(self, quiz: Mapping[str, Any]) -> str:
        """Store *quiz*; return its id."""
        async with self.api(self.author_token) as api:
            created = await api.post("/quizzes", json=quiz)
            assert created.status_code == httpx.codes.CREATED, created.text
            return str(created.json()["quizId"])

    async def open_quiz(self, quiz: Mapping[str, Any]) -> dict[str, Any]:
        """Store *quiz*, open a session of it; return what opening gives."""
        quiz_id = await self.store_quiz(quiz)
        async with self.api(self.author_token) as api:
            opened = await api.post(f"/quizzes/{quiz_id}/open")
            assert opened.status_code == httpx.codes.CREATED, opened.text
            return {"quizId": quiz_id, **opened.json()}

    async def join(
        self, quiz: str, name: str, api: httpx.AsyncClient | None = None
    ) -> dict[str, Any]:
        """Join *quiz* as *name*; return what joining gives."""
        if api is None:
            async with self.api() as own:
                return await self.join(quiz, name, own)
        answer = await api.post(f"/quizzes/{quiz}/join", json={"participantName": name})
        assert answer.status_code == httpx.codes.OK, answer.text
        ticket: dict[str, Any] = answer.json()
        return ticket
