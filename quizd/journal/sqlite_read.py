"""The reading side of the journal's SQLite file."""

import sqlite3
from contextlib import closing

from quizd.journal.base import SessionEntry, Unknown

PAGE_BYTES = 256 * 1024
_PAGE_ROWS = 500

_ENTRIES = """
    SELECT s.session_id, s.quiz_id, s.pin, s.term, b.idx, s.ended,
           CASE WHEN b.term = s.term AND NOT s.ended
                THEN max(s.claimed_ms, r.alive_ms) ELSE s.alive_ms END
    FROM journal_sessions AS s
    JOIN journal_batches AS b ON b.session = s.key AND b.idx =
        (SELECT max(idx) FROM journal_batches WHERE session = s.key)
    LEFT JOIN journal_runs AS r ON r.run = s.run
"""

_ENTRY = _ENTRIES + "WHERE s.session_id = ?"
_ALL = _ENTRIES + "ORDER BY s.key"
_RUNNING = _ENTRIES + "WHERE NOT s.ended ORDER BY s.key"

_KEY = "SELECT key FROM journal_sessions WHERE session_id = ?"

_PAGE = """
    SELECT idx, batch FROM journal_batches
    WHERE session = ? AND idx > ? ORDER BY idx LIMIT ?
"""


def read_entry(db: sqlite3.Connection, session_id: str) -> SessionEntry:
    """Return the entry of one session. Raises `Unknown`."""
    row = db.execute(_ENTRY, (session_id,)).fetchone()
    if row is None:
        raise Unknown(session_id)
    return _entry(row)


def read_entries(db: sqlite3.Connection, *, include_ended: bool) -> list[SessionEntry]:
    """Return the entries of running or of all sessions, oldest first."""
    return [_entry(row) for row in db.execute(_ALL if include_ended else _RUNNING)]


def read_page(
    db: sqlite3.Connection, session_id: str, after_index: int
) -> list[tuple[int, bytes]]:
    """Return the next batches, about `PAGE_BYTES` of them; none after the last.

    Raises `Unknown`.
    """
    session = db.execute(_KEY, (session_id,)).fetchone()
    if session is None:
        raise Unknown(session_id)
    page: list[tuple[int, bytes]] = []
    size_bytes = 0
    with closing(db.execute(_PAGE, (*session, after_index, _PAGE_ROWS))) as rows:
        for index, batch in rows:
            page.append((index, batch))
            size_bytes += len(batch)
            if size_bytes >= PAGE_BYTES:
                break
    return page


def _entry(row: tuple[str, str, str, int, int, int, int]) -> SessionEntry:
    session_id, quiz_id, pin, term, last_index, ended, alive_ms = row
    return SessionEntry(
        session_id, quiz_id, pin, term, last_index, bool(ended), alive_ms
    )
