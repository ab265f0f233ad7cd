"""The way to the database file, which journal and store share."""

from pathlib import Path

import orjson
from sqlalchemy import event
from sqlalchemy.engine.interfaces import DBAPIConnection
from sqlalchemy.ext.asyncio import AsyncEngine, create_async_engine
from sqlalchemy.pool import AsyncAdaptedQueuePool

BUSY_TIMEOUT_MS = 5_000
CONNECTIONS = 2
"""To a file: each is a thread, and the cache leaves them little to do."""


def sqlite_engine(path: Path | None) -> AsyncEngine:
    """Return an engine on the SQLite file at *path*; ``None``: a database in memory.

    A missing file is made, with mode 0600; raises ``OSError`` where it can't be. What
    is in memory belongs to one connection, so it is the only one then.
    """
    if path is not None:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        path.touch(mode=0o600)
    engine = create_async_engine(
        f"sqlite+aiosqlite:///{path or ':memory:'}",
        json_serializer=_json_text,
        json_deserializer=orjson.loads,
        poolclass=AsyncAdaptedQueuePool,
        pool_size=CONNECTIONS if path else 1,
        max_overflow=0,
        pool_timeout=BUSY_TIMEOUT_MS / 1000,
    )
    event.listen(engine.sync_engine, "connect", _prepare)
    return engine


def _prepare(connection: DBAPIConnection, _: object) -> None:
    """Wait for the journal's commits instead of failing, and hold foreign keys."""
    cursor = connection.cursor()
    cursor.execute(f"PRAGMA busy_timeout = {BUSY_TIMEOUT_MS}")
    cursor.execute("PRAGMA journal_mode = WAL")
    cursor.execute("PRAGMA foreign_keys = ON")
    cursor.close()


def _json_text(value: object) -> str:
    return orjson.dumps(value).decode()
