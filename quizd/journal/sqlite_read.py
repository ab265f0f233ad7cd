"""The reading side of the journal's SQLite file."""

import sqlite3
from contextlib import closing

from quizd.journal.base import Position, SessionEntry, Snapshot, Trimmed, Unknown

PAGE_BYTES = 256 * 1024
_PAGE_ROWS = 500

_ENTRIES = """
    SELECT s.session_id, s.quiz_id, s.pin, s.term, b.idx, s.ended,
           CASE WHEN b.term = s.term AND NOT s.ended
                THEN max(s.claimed_ms, r.alive_ms) ELSE s.alive_ms END,
           b.hash
    FROM journal_sessions AS s
    JOIN journal_batches AS b ON b.session = s.key AND b.idx =
        (SELECT max(idx) FROM journal_batches WHERE session = s.key)
    LEFT JOIN journal_runs AS r ON r.run = s.run
"""

_ENTRY = _ENTRIES + "WHERE s.session_id = ?"
_ALL = _ENTRIES + "WHERE s.kept_ms IS NULL ORDER BY s.key"
_RUNNING = _ENTRIES + "WHERE NOT s.ended ORDER BY s.key"

_KEY = "SELECT key, trimmed FROM journal_sessions WHERE session_id = ?"

_SNAPSHOT = "SELECT idx, hash FROM journal_snapshots WHERE session = ?"
_PARTS = "SELECT name, part FROM journal_parts WHERE session = ?"

_PAGE = """
    SELECT idx, batch FROM journal_batches
    WHERE session = ? AND idx > ? ORDER BY idx LIMIT ?
"""


def read_entry(db: sqlite3.Connection, session_id: str) -> SessionEntry:
    """Return the entry of one session. Raises `Unknown`."""
    return _entry(_row(db, session_id))


def read_position(db: sqlite3.Connection, session_id: str) -> Position:
    """Return where a session's log stands. Raises `Unknown`."""
    row = _row(db, session_id)
    return Position(row[3], row[4], row[7])


def read_entries(db: sqlite3.Connection, *, include_ended: bool) -> list[SessionEntry]:
    """Return the entries of running or of all sessions, oldest first."""
    return [_entry(row) for row in db.execute(_ALL if include_ended else _RUNNING)]


def read_snapshot(db: sqlite3.Connection, session_id: str) -> Snapshot | None:
    """Return a session's snapshot, all of it from one moment. Raises `Unknown`."""
    with db:
        db.execute("BEGIN")
        key, _ = _key(db, session_id)
        saved = db.execute(_SNAPSHOT, (key,)).fetchone()
        if saved is None:
            return None
        index, log_hash = saved
        return Snapshot(index, log_hash, dict(db.execute(_PARTS, (key,))))


def read_page(
    db: sqlite3.Connection, session_id: str, after_index: int
) -> list[tuple[int, bytes]]:
    """Return the next batches, about `PAGE_BYTES` of them; none after the last.

    Raises `Unknown` and `Trimmed`.
    """
    with db:
        db.execute("BEGIN")
        key, trimmed = _key(db, session_id)
        if after_index < trimmed:
            raise Trimmed(trimmed + 1)
        return _batches(db, key, after_index)


def _batches(
    db: sqlite3.Connection, key: int, after_index: int
) -> list[tuple[int, bytes]]:
    page: list[tuple[int, bytes]] = []
    size_bytes = 0
    with closing(db.execute(_PAGE, (key, after_index, _PAGE_ROWS))) as rows:
        for index, batch in rows:
            page.append((index, batch))
            size_bytes += len(batch)
            if size_bytes >= PAGE_BYTES:
                break
    return page


def _key(db: sqlite3.Connection, session_id: str) -> tuple[int, int]:
    """Return the number of a session's rows and what is forgotten of it."""
    found: tuple[int, int] | None = db.execute(_KEY, (session_id,)).fetchone()
    if found is None:
        raise Unknown(session_id)
    return found


_Row = tuple[str, str, str, int, int, int, int, bytes]


def _row(db: sqlite3.Connection, session_id: str) -> _Row:
    row: _Row | None = db.execute(_ENTRY, (session_id,)).fetchone()
    if row is None:
        raise Unknown(session_id)
    return row


def _entry(row: _Row) -> SessionEntry:
    session_id, quiz_id, pin, term, last_index, ended, alive_ms, _ = row
    return SessionEntry(
        session_id, quiz_id, pin, term, last_index, bool(ended), alive_ms
    )
