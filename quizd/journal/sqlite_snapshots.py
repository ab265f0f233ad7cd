"""Snapshots in the journal's SQLite file, and what may be forgotten because of them."""

import sqlite3
from collections.abc import Mapping

from quizd.journal.base import Unknown
from quizd.journal.fence import Head, check_snapshot

_SAVED = "SELECT idx, hash FROM journal_snapshots WHERE session = ?"

_HASH = "SELECT hash FROM journal_batches WHERE session = ? AND idx = ?"

_SAVE = "INSERT OR REPLACE INTO journal_snapshots (session, idx, hash) VALUES (?, ?, ?)"

_SAVE_PART = "INSERT OR REPLACE INTO journal_parts (session, name, part) VALUES (?,?,?)"

_BOUNDS = """
    SELECT s.key, s.trimmed, coalesce(n.idx, 0),
           (SELECT max(idx) FROM journal_batches WHERE session = s.key)
    FROM journal_sessions AS s LEFT JOIN journal_snapshots AS n ON n.session = s.key
    WHERE s.session_id = ?
"""

_TRIM = "DELETE FROM journal_batches WHERE session = ? AND idx <= ?"

_TRIMMED = "UPDATE journal_sessions SET trimmed = ? WHERE key = ?"


def save_snapshot(
    db: sqlite3.Connection,
    head: Head,
    key: int,
    index: int,
    parts: Mapping[str, bytes],
) -> None:
    """Keep a snapshot of the session with rows *key*. Raises `Fenced`."""
    with db:
        db.execute("BEGIN IMMEDIATE")
        saved_index, log_hash = db.execute(_SAVED, (key,)).fetchone() or (0, b"")
        check_snapshot(head, saved_index, index)
        if index != saved_index:
            (log_hash,) = db.execute(_HASH, (key, index)).fetchone()
        db.execute(_SAVE, (key, index, log_hash))
        db.executemany(_SAVE_PART, [(key, name, part) for name, part in parts.items()])


def trim(db: sqlite3.Connection, session_id: str, through_index: int) -> int:
    """Forget batches that the snapshot stands for; return the latest forgotten."""
    with db:
        db.execute("BEGIN IMMEDIATE")
        bounds: tuple[int, int, int, int] | None
        bounds = db.execute(_BOUNDS, (session_id,)).fetchone()
        if bounds is None:
            raise Unknown(session_id)
        key, trimmed, saved_index, last_index = bounds
        through = min(through_index, saved_index)
        if through <= trimmed:
            return trimmed
        db.execute(_TRIM, (key, min(through, last_index - 1)))
        db.execute(_TRIMMED, (through, key))
        return through
