"""The databases of the store, as its contract suites take hold of them."""

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Protocol

import pytest
from sqlalchemy.ext.asyncio import AsyncEngine

from quizd.store.engine import postgres_engine, sqlite_engine
from quizd.store.migrations import upgrade
from quizd.store.write_behind.postgres import PostgresSink
from quizd.store.write_behind.sink import Sink
from quizd.store.write_behind.sqlite import SqliteSink
from tests.support.postgres_server import (
    TEMPLATE,
    needs_postgres,
    shared_server,
)

EMPTY = "template0"


class Backend(Protocol):
    """Leads to one database."""

    def engine(self) -> AsyncEngine:
        """Return an engine on it; the caller disposes of it."""
        ...

    def sink(self) -> Sink:
        """Return a sink on it; the caller disconnects it."""
        ...


class SqliteBackend:
    """A file in *directory*."""

    def __init__(self, directory: Path) -> None:
        self.path = directory / "quizd.sqlite3"

    def engine(self) -> AsyncEngine:
        """Return an engine on the file."""
        return sqlite_engine(self.path)

    def sink(self) -> Sink:
        """Return a sink on the file."""
        return SqliteSink(self.path)


class PostgresBackend:
    """A database of the server that tests share."""

    def __init__(self, database: str) -> None:
        self.dsn = shared_server().dsn(database)

    def engine(self) -> AsyncEngine:
        """Return an engine on the database."""
        return postgres_engine(self.dsn)

    def sink(self) -> Sink:
        """Return a sink on the database."""
        return PostgresSink(self.dsn, timeout_s=20)


BACKENDS = ("sqlite", pytest.param("postgres", marks=needs_postgres))


@contextmanager
def backend_of(kind: str, directory: Path, *, empty: bool = False) -> Iterator[Backend]:
    """Give a database of *kind*: with all tables unless it is to be *empty*.

    An SQLite file gets its tables from whoever opens it as a store.
    """
    if kind == "sqlite":
        yield SqliteBackend(directory)
        return
    template = EMPTY if empty else TEMPLATE
    with shared_server().fresh_database(template) as database:
        yield PostgresBackend(database)


def _empty(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Backend]:
    with backend_of(request.param, tmp_path, empty=True) as backend:
        yield backend


def _backend(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Backend]:
    with backend_of(request.param, tmp_path) as backend:
        asyncio.run(_upgrade(backend))
        yield backend


async def _upgrade(backend: Backend) -> None:
    engine = backend.engine()
    await upgrade(engine)
    await engine.dispose()


async def _engine(backend: Backend) -> AsyncIterator[AsyncEngine]:
    """Give an engine on the database."""
    engine = backend.engine()
    yield engine
    await engine.dispose()


empty_fixture = pytest.fixture(params=BACKENDS, name="empty")(_empty)
backend_fixture = pytest.fixture(params=BACKENDS, name="backend")(_backend)
engine_fixture = pytest.fixture(name="engine")(_engine)
