"""What stands between a program and Postgres, and cuts the line at the worst moment.

It looks at what the client sends (https://www.postgresql.org/docs/current/protocol.html)
only as far as to know a COMMIT and the middle of a COPY.
"""

import asyncio
from asyncio import StreamReader, StreamWriter
from collections.abc import Awaitable, Callable
from contextlib import suppress
from types import TracebackType
from typing import Self

COMMIT = b"COMMIT;\0"
COPY = b'COPY "answers"'
CHUNK_BYTES = 4096

Trick = Callable[["Line"], Awaitable[None]]
"""What is done instead of passing on; it may pass on by itself."""


class Line:
    """One connection through the proxy, both ends of it, with what was just sent."""

    def __init__(self, client: StreamWriter, server: StreamWriter) -> None:
        self.client = client
        self.server = server
        self.sent = b""
        self.mute = False
        self.copies = False
        self.answered = asyncio.Event()

    async def pass_on(self, share: float = 1.0) -> None:
        """Let the server have what the client has sent, or a share of it."""
        self.server.write(self.sent[: round(len(self.sent) * share)])
        await self.server.drain()

    def cut(self) -> None:
        """Close both ends at once."""
        for end in (self.client, self.server):
            end.transport.abort()


class PostgresProxy:
    """Passes on to a server at *port*; tricks are played once each.

    ``at_commit`` is played when a COMMIT is sent, ``in_copy`` when *copy_bytes* have
    been sent without an answer, ``at_answers`` when the first rows of a COPY of answers
    are sent, however few they are.
    """

    def __init__(self, port: int, copy_bytes: int = 20_000) -> None:
        self._server_port = port
        self._copy_bytes = copy_bytes
        self._listener: asyncio.Server | None = None
        self._tasks: set[asyncio.Task[None]] = set()
        self._lines: set[Line] = set()
        self.at_commit: list[Trick] = []
        self.in_copy: list[Trick] = []
        self.at_answers: list[Trick] = []
        self.port = 0

    async def __aenter__(self) -> Self:
        """Listen on a free port."""
        self._listener = await asyncio.start_server(self._accept, "127.0.0.1", 0)
        self.port = self._listener.sockets[0].getsockname()[1]
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Close everything."""
        assert self._listener is not None
        self._listener.close()
        for line in tuple(self._lines):
            line.cut()
        await asyncio.gather(*self._tasks)

    async def _accept(self, reader: StreamReader, client: StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        with suppress(OSError):
            answers, server = await asyncio.open_connection(
                "127.0.0.1", self._server_port
            )
            line = Line(client, server)
            self._lines.add(line)
            back = asyncio.create_task(self._back(answers, line))
            try:
                await self._forth(reader, line)
            finally:
                back.cancel()
                await asyncio.gather(back, return_exceptions=True)
                line.cut()
                self._lines.discard(line)
        client.transport.abort()

    async def _forth(self, reader: StreamReader, line: Line) -> None:
        unanswered = 0
        while data := await reader.read(CHUNK_BYTES):
            line.sent = data
            unanswered = 0 if line.answered.is_set() else unanswered + len(data)
            line.answered.clear()
            if data.endswith(COMMIT) and self.at_commit:
                await self.at_commit.pop(0)(line)
            elif unanswered > self._copy_bytes and self.in_copy:
                await self.in_copy.pop(0)(line)
            elif line.copies and self.at_answers:
                await self.at_answers.pop(0)(line)
            else:
                await line.pass_on()
            line.copies = COPY in data

    async def _back(self, answers: StreamReader, line: Line) -> None:
        with suppress(OSError):
            while data := await answers.read(CHUNK_BYTES):
                line.answered.set()
                if not line.mute:
                    line.client.write(data)
                    await line.client.drain()
        line.client.transport.abort()


async def cut_before_commit(line: Line) -> None:
    """Let the COMMIT never arrive: the server rolls back."""
    line.cut()


async def cut_after_commit(line: Line) -> None:
    """Let the COMMIT be done and nobody hear of it."""
    line.mute = True
    line.answered.clear()
    await line.pass_on()
    await line.answered.wait()
    line.cut()
