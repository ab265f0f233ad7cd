"""The ways to the database: the file that journal and store share, or Postgres."""

import sqlite3
from contextlib import suppress
from pathlib import Path

import asyncpg  # type: ignore[import-untyped]
import orjson
from sqlalchemy import event
from sqlalchemy.engine.interfaces import DBAPIConnection
from sqlalchemy.ext.asyncio import AsyncEngine, create_async_engine
from sqlalchemy.pool import AsyncAdaptedQueuePool

BUSY_TIMEOUT_MS = 5_000
CONNECTIONS = 2
"""To a file: each is a thread, and the cache leaves them little to do."""

POSTGRES_CONNECTIONS = 4
"""Of a shard, at most, beside the one of the write-behind queue."""

CONNECT_S = 5.0
STATEMENT_S = 30.0
"""Unless told otherwise; what takes longer has failed."""

KEEPALIVE = {
    "tcp_keepalives_idle": "10",
    "tcp_keepalives_interval": "5",
    "tcp_keepalives_count": "3",
}
"""Seconds, and how often: then the server lets go of who has vanished."""


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


def postgres_engine(
    dsn: str,
    connections: int = POSTGRES_CONNECTIONS,
    *,
    read_only: bool = False,
    statement_s: float = STATEMENT_S,
) -> AsyncEngine:
    """Return an engine on the Postgres at *dsn*; nothing is connected to yet.

    *dsn* is libpq's (https://www.postgresql.org/docs/current/libpq-connect.html, as far
    as asyncpg reads it): ``postgresql://user:password@host/name?sslmode=require``, with
    several hosts where there is a standby. *read_only* is for a replica, and for
    reports, which must not change anything. A transaction in which nothing is said for
    *statement_s*, and for ``STATEMENT_S`` at most, is ended by the server.
    """
    silence_s = min(statement_s, STATEMENT_S)
    settings = {"application_name": "quizd", **letting_go(silence_s)}
    if read_only:
        settings["default_transaction_read_only"] = "on"

    async def connect() -> asyncpg.Connection:
        return await asyncpg.connect(
            dsn,
            timeout=CONNECT_S,
            command_timeout=statement_s,
            server_settings=settings,
        )

    return create_async_engine(
        "postgresql+asyncpg://",
        async_creator=connect,
        json_serializer=_json_text,
        json_deserializer=orjson.loads,
        pool_size=connections,
        max_overflow=0,
        pool_timeout=BUSY_TIMEOUT_MS / 1000,
        pool_pre_ping=True,
    )


def letting_go(silence_s: float) -> dict[str, str]:
    """Return the server's settings against who is frozen, or cut off, in a transaction.

    It ends the transaction after *silence_s* without a statement: its locks may keep
    everybody else from writing. A statement that takes long is none of its business.
    """
    limit_ms = str(round(silence_s * 1000))
    return {"idle_in_transaction_session_timeout": limit_ms, **KEEPALIVE}


def reading_engine(
    dsn: str, replica_dsn: str = "", connections: int = POSTGRES_CONNECTIONS
) -> AsyncEngine:
    """Return an engine for reports: on the replica where there is one.

    It can change nothing. What a replica shows may be somewhat older.
    """
    return postgres_engine(replica_dsn or dsn, connections, read_only=True)


def _prepare(connection: DBAPIConnection, _: object) -> None:
    """Wait for the journal's commits instead of failing, and hold foreign keys."""
    cursor = connection.cursor()
    cursor.execute(f"PRAGMA busy_timeout = {BUSY_TIMEOUT_MS}")
    cursor.execute("PRAGMA foreign_keys = ON")
    # The mode stays with the file. Who finds somebody else changing it is not kept
    # waiting by SQLite, but refused, and need not change it.
    with suppress(sqlite3.OperationalError):
        cursor.execute("PRAGMA journal_mode = WAL")
    cursor.close()


def _json_text(value: object) -> str:
    return orjson.dumps(value).decode()
