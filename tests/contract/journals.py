"""The implementations of the journal, as its contract suite takes hold of them."""

import asyncio
import sqlite3
from collections.abc import AsyncIterator, Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Protocol

import pytest

from quizd.journal import MAX_WAITING, Journal, OnCommit
from quizd.journal.memory import MemoryJournal
from quizd.journal.sqlite import SqliteJournal

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


class Memory:
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


class Sqlite:
    """Journals on one SQLite file in *directory*."""

    def __init__(self, directory: Path) -> None:
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


def _backend(request: pytest.FixtureRequest, tmp_path: Path) -> Backend:
    """Return each implementation in turn."""
    return Memory() if request.param == "memory" else Sqlite(tmp_path)


async def _journal(backend: Backend) -> AsyncIterator[Journal]:
    """Return a running journal."""
    async with backend.make() as journal:
        yield journal


backend_fixture = pytest.fixture(params=["memory", "sqlite"], name="backend")(_backend)
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
