"""The implementations of the journal, as its contract suite takes hold of them."""

import asyncio
import secrets
import sqlite3
from collections.abc import AsyncIterator, Iterator
from contextlib import closing, contextmanager
from itertools import count
from pathlib import Path
from typing import Protocol

import pytest

from quizd.journal import MAX_WAITING, Journal, OnCommit
from quizd.journal.memory import MemoryJournal
from quizd.journal.redis import RedisJournal
from quizd.journal.sqlite import SqliteJournal
from quizd.redis_client import Client, RedisOptions, connect
from tests.support.redis_server import RedisServer, needs_redis

NOW_MS = 1_767_225_600_000


class Backend(Protocol):
    """Makes journals of one implementation, all of them on the same storage."""

    def make(
        self, *, max_waiting: int = MAX_WAITING, on_commit: OnCommit | None = None
    ) -> Journal:
        """Return a journal that is not yet started."""
        ...

    def after_restart(self, journal: Journal) -> Journal:
        """Return what a new process would open where *journal* has been."""
        ...

    @contextmanager
    def no_commits(self, journal: Journal) -> Iterator[None]:
        """Keep every commit of *journal* from ending meanwhile."""
        ...

    async def now_ms(self) -> int:
        """Return the time, later than any before and than all that was done."""
        ...

    def is_at(self, actual_ms: int, now_ms: int) -> bool:
        """Tell whether *actual_ms* is what a journal notes that is called then."""
        ...


class GivenTime:
    """The time of journals that take the caller's: a second later each time."""

    def __init__(self) -> None:
        self._seconds = count(1)

    async def now_ms(self) -> int:
        """Return the next second."""
        return NOW_MS + 1000 * next(self._seconds)

    def is_at(self, actual_ms: int, now_ms: int) -> bool:
        """Tell whether it is the same."""
        return actual_ms == now_ms


class Memory(GivenTime):
    """Journals in memory: the storage is the journal itself."""

    def make(
        self, *, max_waiting: int = MAX_WAITING, on_commit: OnCommit | None = None
    ) -> Journal:
        """Return a new journal."""
        return MemoryJournal(max_waiting=max_waiting, on_commit=on_commit)

    def after_restart(self, journal: Journal) -> Journal:
        """Return the same journal."""
        return journal

    @contextmanager
    def no_commits(self, journal: Journal) -> Iterator[None]:
        """Use the journal's own handle."""
        assert isinstance(journal, MemoryJournal)
        journal.hold()
        yield
        journal.release()


class Sqlite(GivenTime):
    """Journals on one SQLite file in *directory*."""

    def __init__(self, directory: Path) -> None:
        super().__init__()
        self.path = directory / "quizd.sqlite3"

    def make(
        self, *, max_waiting: int = MAX_WAITING, on_commit: OnCommit | None = None
    ) -> Journal:
        """Return a new journal on the file."""
        return SqliteJournal(self.path, max_waiting=max_waiting, on_commit=on_commit)

    def after_restart(self, journal: Journal) -> Journal:
        """Return a new journal on the file."""
        assert isinstance(journal, SqliteJournal)
        return self.make()

    @contextmanager
    def no_commits(self, journal: Journal) -> Iterator[None]:
        """Be another program that is writing to the file."""
        assert isinstance(journal, SqliteJournal)
        with closing(sqlite3.connect(self.path, isolation_level=None)) as other:
            other.execute("BEGIN IMMEDIATE")
            yield
            other.execute("ROLLBACK")


class Redis:
    """Journals on one Redis, each as a process of its own with its own client."""

    def __init__(self, server: RedisServer) -> None:
        self.server = server
        self.prefix = f"test-{secrets.token_hex(4)}"
        self.clients: list[Client] = []
        self._instants = [0]

    def make(
        self, *, max_waiting: int = MAX_WAITING, on_commit: OnCommit | None = None
    ) -> Journal:
        """Return a new journal."""
        return RedisJournal(
            self.client(),
            owner=f"shard-{len(self.clients)}",
            prefix=self.prefix,
            max_waiting=max_waiting,
            on_commit=on_commit,
        )

    def client(self) -> Client:
        """Return a new client, which is closed with the rest."""
        url = self.server.url
        if self.server.cluster:
            url = f"redis+cluster://127.0.0.1:{self.server.port}"
        self.clients.append(connect(RedisOptions(url=url, timeout_s=10), "test"))
        return self.clients[-1]

    def after_restart(self, journal: Journal) -> Journal:
        """Return a journal of another process."""
        assert isinstance(journal, RedisJournal)
        return self.make()

    @contextmanager
    def no_commits(self, journal: Journal) -> Iterator[None]:
        """Let the server stand still."""
        assert isinstance(journal, RedisJournal)
        self.server.pause()
        try:
            yield
        finally:
            self.server.resume()

    async def now_ms(self) -> int:
        """Return Redis's time, once it is later."""
        before_ms = now_ms = max(self._instants[-1], await self._time_ms())
        while now_ms <= before_ms:
            now_ms = await self._time_ms()
        self._instants.append(now_ms)
        return now_ms

    def is_at(self, actual_ms: int, now_ms: int) -> bool:
        """Tell whether it is between then and the next time that was asked for."""
        later = self._instants[self._instants.index(now_ms) + 1 :]
        return now_ms <= actual_ms and (not later or actual_ms < later[0])

    async def _time_ms(self) -> int:
        seconds, micros = await self.clients[0].time()
        return int(seconds) * 1000 + int(micros) // 1000

    async def aclose(self) -> None:
        """Close all clients."""
        for client in self.clients:
            await client.aclose()


async def _backend(
    request: pytest.FixtureRequest, tmp_path: Path
) -> AsyncIterator[Backend]:
    """Return each implementation in turn."""
    if request.param == "memory":
        yield Memory()
    elif request.param == "sqlite":
        yield Sqlite(tmp_path)
    else:
        backend = Redis(request.getfixturevalue(request.param))
        yield backend
        await backend.aclose()


async def _journal(backend: Backend) -> AsyncIterator[Journal]:
    """Return a running journal."""
    async with backend.make() as journal:
        yield journal


backend_fixture = pytest.fixture(
    params=[
        "memory",
        "sqlite",
        pytest.param("redis_server", marks=needs_redis),
        pytest.param("redis_cluster", marks=needs_redis),
    ],
    name="backend",
)(_backend)
journal_fixture = pytest.fixture(name="journal")(_journal)


async def create(journal: Journal, session_id: str = "s", first: bytes = b"1") -> int:
    """Create a session whose other properties do not matter; return its term."""
    return await journal.create(session_id, "quiz", "123456", first, NOW_MS)


async def log(journal: Journal, session_id: str = "s") -> list[tuple[int, bytes]]:
    """Return all that *journal* has of a session."""
    return [item async for item in journal.read(session_id)]


async def in_flight(
    journal: Journal, session_id: str, term: int, index: int, batch: bytes
) -> asyncio.Task[None]:
    """Return an append that has been asked for."""
    task = asyncio.create_task(journal.append(session_id, term, index, batch))
    await asyncio.sleep(0)
    return task
