"""A Redis that fails, and owners of sessions who repeat what fails."""

import asyncio
import shutil
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import TypeVar

from quizd.journal import Journal, JournalUnavailable
from quizd.journal.redis import RedisJournal
from quizd.journal.redis_track import HELD_BYTES
from quizd.redis_client import Client, RedisOptions, connect
from tests.support.redis_server import RedisServer

T = TypeVar("T")

_PATIENCE_S = 20.0
_AGAIN_S = 0.01


def client_of(server: RedisServer, timeout_s: float = 5.0) -> Client:
    """Return a client as the configuration would make it."""
    url = server.url
    if server.cluster:
        url = f"redis+cluster://127.0.0.1:{server.port}"
    return connect(RedisOptions(url=url, timeout_s=timeout_s), "test")


@asynccontextmanager
async def process(
    server: RedisServer,
    owner: str = "a",
    *,
    timeout_s: float = 5.0,
    held_bytes: int = HELD_BYTES,
) -> AsyncIterator[RedisJournal]:
    """Return a running journal with a client of its own, like a shard has."""
    client = client_of(server, timeout_s)
    try:
        async with RedisJournal(client, owner=owner, held_bytes=held_bytes) as journal:
            yield journal
    finally:
        await client.aclose()


async def insist(call: Callable[[], Awaitable[T]]) -> T:
    """Call again and again while nobody can say what came of it."""
    async with asyncio.timeout(_PATIENCE_S):
        while True:
            try:
                return await call()
            except JournalUnavailable:
                await asyncio.sleep(_AGAIN_S)


async def log(journal: Journal, session_id: str = "s") -> list[tuple[int, bytes]]:
    """Return all that *journal* has of a session."""
    return [item async for item in journal.read(session_id)]


class Owner:
    """Plays one session and remembers what was acknowledged."""

    def __init__(self, journal: RedisJournal, session_id: str = "s") -> None:
        self.journal = journal
        self.session_id = session_id
        self.term = 0
        self.acknowledged: list[tuple[int, bytes]] = []

    async def create(self) -> None:
        """Create the session."""
        batch = f"{self.session_id} 1".encode()
        self.term = await self.journal.create(self.session_id, "q", "1", batch, 0)
        self.acknowledged.append((1, batch))

    async def append(self, count: int = 1) -> None:
        """Append so many batches, repeating what fails."""
        for _ in range(count):
            index = len(self.acknowledged) + 1
            batch = f"{self.session_id} {index}".encode()
            await insist(
                lambda index=index, batch=batch: self.journal.append(  # type: ignore[misc]
                    self.session_id, self.term, index, batch
                )
            )
            self.acknowledged.append((index, batch))


class Copy:
    """The data of a server at one moment, to go back to."""

    def __init__(self, server: RedisServer, folder: Path) -> None:
        self._server = server
        self._folder = folder
        shutil.copytree(server.dir, folder)

    async def bring_back(self) -> None:
        """Kill the server and start it on what it had then."""
        await self._server.kill()
        self._server.wipe()
        shutil.copytree(self._folder, self._server.dir, dirs_exist_ok=True)
        await self._server.start()


async def cut(server: RedisServer, size_bytes: int) -> None:
    """Kill the server and start it without the last bytes of its append-only file."""
    await server.kill()
    several = (server.dir / "appendonlydir").glob("*.incr.aof")  # since Redis 7.0
    (file,) = [*several, *server.dir.glob("appendonly.aof")]
    content = file.read_bytes()
    file.write_bytes(content[: max(0, len(content) - size_bytes)])
    await server.start()


async def wipe(server: RedisServer) -> None:
    """Kill the server and start it with nothing."""
    await server.kill()
    server.wipe()
    await server.start()
