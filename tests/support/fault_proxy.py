"""A TCP proxy on loopback, as bad as a test wants it from one moment to the next.

It runs in the test's own loop. Faults may be changed at any time and apply to what is
forwarded from then on; both directions suffer the same ones.
"""

import asyncio
import random
from collections.abc import Coroutine
from contextlib import suppress
from dataclasses import dataclass
from types import TracebackType
from typing import Self

READ_BYTES = 65_536
PIECES = 64


@dataclass(frozen=True, slots=True)
class Faults:
    """What is done to each piece that is forwarded.

    It is delayed by ``latency_s`` and up to ``jitter_s`` more, never overtaking; cut
    into writes of ``slice_bytes``; spread to ``bytes_per_s``. 0 is off.
    """

    latency_s: float = 0.0
    jitter_s: float = 0.0
    slice_bytes: int = 0
    bytes_per_s: float = 0.0


class FaultProxy:
    """Forwards *port* of loopback to *target_port*; *seed* is the jitter's.

    With :attr:`refusing` new connections are reset at once. A black hole keeps
    connections and swallows next to nothing: what comes waits, and fills its sender's
    buffers, as behind a dead cable.
    """

    def __init__(self, target_port: int, *, seed: int = 1) -> None:
        self.port = 0
        self.faults = Faults()
        self.refusing = False
        self.accepted = 0
        self._target_port = target_port
        self._random = random.Random(seed)
        self._server: asyncio.Server | None = None
        self._passing = asyncio.Event()
        self._passing.set()
        self._pipes: set[asyncio.Task[None]] = set()
        self._writers: set[asyncio.StreamWriter] = set()

    async def __aenter__(self) -> Self:
        """Listen on a free port."""
        self._server = await asyncio.start_server(self._accept, "127.0.0.1", 0)
        self.port = self._server.sockets[0].getsockname()[1]
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Listen no more and reset what is open."""
        assert self._server is not None
        self._server.close()
        for pipe in tuple(self._pipes):
            pipe.cancel()
        await asyncio.gather(*self._pipes, return_exceptions=True)
        self.reset()
        await asyncio.sleep(0)  # for transports to close

    # -- faults --------------------------------------------------------------------

    def reset(self) -> None:
        """Cut every connection off, on both sides, without a good-bye."""
        for writer in tuple(self._writers):
            writer.transport.abort()

    def black_hole(self) -> None:
        """Forward nothing from now on; connections stay and say nothing."""
        self._passing.clear()

    def recover(self) -> None:
        """Forward again, first what has waited."""
        self._passing.set()

    # -- forwarding ----------------------------------------------------------------

    async def _accept(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        if self.refusing:
            writer.transport.abort()
            return
        self.accepted += 1
        self._writers.add(writer)
        self._spawn(self._connect(reader, writer))

    async def _connect(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        """Reach the target for one who has come."""
        try:
            far = await asyncio.open_connection("127.0.0.1", self._target_port)
        except OSError:
            writer.transport.abort()
            self._writers.discard(writer)
            return
        self._writers.add(far[1])
        self._spawn(self._pipe(reader, far[1]))
        self._spawn(self._pipe(far[0], writer))

    def _spawn(self, work: Coroutine[None, None, None]) -> None:
        task = asyncio.create_task(work)
        self._pipes.add(task)
        task.add_done_callback(self._pipes.discard)

    async def _pipe(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        """Forward one direction until it ends, then end that direction there, too."""
        line = _DelayLine()
        sender = asyncio.create_task(self._send(line, writer))
        try:
            with suppress(OSError):
                while data := await reader.read(READ_BYTES):
                    await line.put(data, self._delay_s())
                    await self._passing.wait()
            await line.put(b"", 0)
            await sender
        finally:
            sender.cancel()
            writer.close()
            self._writers.discard(writer)

    def _delay_s(self) -> float:
        faults = self.faults
        return faults.latency_s + faults.jitter_s * self._random.random()

    async def _send(self, line: "_DelayLine", writer: asyncio.StreamWriter) -> None:
        with suppress(OSError):
            while data := await line.get():
                for piece in self._sliced(data):
                    await self._passing.wait()
                    writer.write(piece)
                    await writer.drain()
                    await self._pace(len(piece))

    def _sliced(self, data: bytes) -> list[bytes]:
        size = self.faults.slice_bytes or len(data)
        return [data[at : at + size] for at in range(0, len(data), size)]

    async def _pace(self, size: int) -> None:
        """Let a slice leave as a packet of its own, and take the time it needs."""
        faults = self.faults
        if faults.bytes_per_s:
            await asyncio.sleep(size / faults.bytes_per_s)
        elif faults.slice_bytes:
            await asyncio.sleep(0)


class _DelayLine:
    """Pieces that come out in order, each not before its time; b"" is the end."""

    def __init__(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._pieces: asyncio.Queue[tuple[float, bytes]] = asyncio.Queue(PIECES)

    async def put(self, data: bytes, delay_s: float) -> None:
        """Add a piece; waits while there are too many, so that senders feel it."""
        await self._pieces.put((self._loop.time() + delay_s, data))

    async def get(self) -> bytes:
        due_s, data = await self._pieces.get()
        if due_s > self._loop.time():
            await asyncio.sleep(due_s - self._loop.time())
        return data
