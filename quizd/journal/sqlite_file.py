"""The journal's SQLite file: how it is opened, what is in it, what can fail.

The file is shared with the store, whose tables have other names. ``user_version``
numbers the journal's tables; a file of an earlier number is brought up to date.

Batches are kept in a table with a rowid and a narrow primary key beside it, not
``WITHOUT ROWID``: a group of batches then goes to the end of one tree, instead of a
page per session. A group of 300 sessions with 2 kB each took 1.6 ms against 25 ms, and
sixty such wrote 84 MB against 462 MB; a session alone fares the same either way.
"""

import os
import sqlite3
from contextlib import ExitStack
from pathlib import Path

from quizd.journal.base import NO_HASH, JournalUnavailable, chain

SCHEMA_VERSION = 2

_SCHEMA = (
    # A run is one life of a process that owns the file.
    """CREATE TABLE IF NOT EXISTS journal_runs (
        run INTEGER PRIMARY KEY,
        alive_ms INTEGER NOT NULL)""",
    """CREATE TABLE IF NOT EXISTS journal_sessions (
        key INTEGER PRIMARY KEY,
        session_id TEXT NOT NULL UNIQUE,
        quiz_id TEXT NOT NULL,
        pin TEXT NOT NULL,
        term INTEGER NOT NULL,
        run INTEGER NOT NULL,
        claimed_ms INTEGER NOT NULL,
        alive_ms INTEGER NOT NULL,
        ended INTEGER NOT NULL DEFAULT 0,
        -- The latest index that is forgotten. The row of the latest batch stays even
        -- then: by it the next one is judged.
        trimmed INTEGER NOT NULL DEFAULT 0,
        -- How long an ended session is kept, and until when, once that is known.
        kept_ms INTEGER,
        due_ms INTEGER)""",
    """CREATE TABLE IF NOT EXISTS journal_batches (
        session INTEGER NOT NULL,
        idx INTEGER NOT NULL,
        term INTEGER NOT NULL,
        batch BLOB NOT NULL,
        hash BLOB NOT NULL,
        PRIMARY KEY (session, idx))""",
    """CREATE TABLE IF NOT EXISTS journal_snapshots (
        session INTEGER PRIMARY KEY,
        idx INTEGER NOT NULL,
        hash BLOB NOT NULL)""",
    """CREATE TABLE IF NOT EXISTS journal_parts (
        session INTEGER NOT NULL,
        name TEXT NOT NULL,
        part BLOB NOT NULL,
        PRIMARY KEY (session, name))""",
    f"PRAGMA user_version = {SCHEMA_VERSION}",
)

# What makes the tables of version 1 those of version 2, but for the hashes.
_FROM_1 = (
    "ALTER TABLE journal_sessions ADD COLUMN trimmed INTEGER NOT NULL DEFAULT 0",
    "ALTER TABLE journal_sessions ADD COLUMN kept_ms INTEGER",
    "ALTER TABLE journal_sessions ADD COLUMN due_ms INTEGER",
    "ALTER TABLE journal_batches ADD COLUMN hash BLOB NOT NULL DEFAULT x''",
)

_FAILURES = {
    sqlite3.SQLITE_BUSY: "locked by another program",
    sqlite3.SQLITE_LOCKED: "locked by another program",
    sqlite3.SQLITE_FULL: "disk full",
    sqlite3.SQLITE_IOERR: "the disk fails",
    sqlite3.SQLITE_READONLY: "not writable",
    sqlite3.SQLITE_CANTOPEN: "cannot be opened",
    sqlite3.SQLITE_CORRUPT: "damaged",
    sqlite3.SQLITE_NOTADB: "not an SQLite database",
}

_PRIMARY_CODE = 0xFF  # SQLite's extended result codes keep the primary one below

_WAL_LIMIT_BYTES = 64 * 1024 * 1024


def unavailable(path: Path, error: Exception) -> JournalUnavailable:
    """Return *error*, met while working on *path*, in words for an operator."""
    code = getattr(error, "sqlite_errorcode", 0) & _PRIMARY_CODE
    what = _FAILURES.get(code)
    return JournalUnavailable(f"{path}: {what} ({error})" if what else str(error))


def open_file(path: Path, busy_ms: int) -> sqlite3.Connection:
    """Open the file at *path* for writing, made with its tables where missing.

    A new file has mode 0600. Raises `JournalUnavailable` if a newer version has
    written it or it cannot have a write-ahead log, `OSError` and `sqlite3.Error`.
    """
    os.close(os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600))
    with ExitStack() as undo:
        db = connect(path, busy_ms)
        undo.callback(db.close)
        version = _check_version(path, db)
        _use_wal(path, db)
        _make_tables(db, version)
        undo.pop_all()
    return db


def connect(path: Path, busy_ms: int, synchronous: str = "FULL") -> sqlite3.Connection:
    """Return a connection in autocommit mode, for one thread at a time."""
    db = sqlite3.connect(
        path, timeout=busy_ms / 1000, isolation_level=None, check_same_thread=False
    )
    db.execute(f"PRAGMA synchronous = {synchronous}")
    db.execute(f"PRAGMA journal_size_limit = {_WAL_LIMIT_BYTES}")
    return db


def _check_version(path: Path, db: sqlite3.Connection) -> int:
    version: int = db.execute("PRAGMA user_version").fetchone()[0]
    if version > SCHEMA_VERSION:
        raise JournalUnavailable(
            f"{path}: written by a newer quizd (journal version {version}; this one "
            f"knows {SCHEMA_VERSION})"
        )
    return version


def _use_wal(path: Path, db: sqlite3.Connection) -> None:
    (mode,) = db.execute("PRAGMA journal_mode = WAL").fetchone()
    if mode != "wal":
        raise JournalUnavailable(
            f"{path}: no write-ahead log on this file system (journal mode {mode})"
        )


def _make_tables(db: sqlite3.Connection, version: int) -> None:
    with db:
        db.execute("BEGIN IMMEDIATE")
        if version == 1:
            _bring_up_to_date(db)
        for statement in _SCHEMA:
            db.execute(statement)


def _bring_up_to_date(db: sqlite3.Connection) -> None:
    for statement in _FROM_1:
        db.execute(statement)
    for (session,) in db.execute("SELECT key FROM journal_sessions").fetchall():
        log_hash = NO_HASH
        batches = "SELECT rowid, batch FROM journal_batches WHERE session = ? "
        for row, batch in db.execute(batches + "ORDER BY idx", (session,)):
            log_hash = chain(log_hash, batch)
            db.execute(
                "UPDATE journal_batches SET hash = ? WHERE rowid = ?", (log_hash, row)
            )
