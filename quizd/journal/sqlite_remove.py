"""How ended sessions leave the journal's SQLite file."""

import sqlite3

from quizd.journal.fence import still_running

_ENDED = "SELECT key, ended FROM journal_sessions WHERE session_id = ?"

_EXPIRE = "UPDATE journal_sessions SET kept_ms = ?, due_ms = NULL WHERE key = ?"

_WAITING = "SELECT count(*) FROM journal_sessions WHERE kept_ms IS NOT NULL"

_SET_DUE = """
    UPDATE journal_sessions SET due_ms = ? + kept_ms
    WHERE kept_ms IS NOT NULL AND due_ms IS NULL
"""

_DUE = "SELECT key, session_id FROM journal_sessions WHERE due_ms <= ?"

_REMOVE = (
    "DELETE FROM journal_parts WHERE session = ?",
    "DELETE FROM journal_snapshots WHERE session = ?",
    "DELETE FROM journal_batches WHERE session = ?",
    "DELETE FROM journal_sessions WHERE key = ?",
)


class Remover:
    """Takes sessions away, on the connection of the writer.

    It has no clock: how long a session is still kept is counted from the renewal that
    follows.
    """

    def __init__(self, db: sqlite3.Connection) -> None:
        self._db = db
        (self._waiting,) = db.execute(_WAITING).fetchone()

    def expire(self, session_id: str, kept_ms: int) -> None:
        """Let a session go *kept_ms* after the next renewal, if it has ended."""
        key = self._ended(session_id)
        if key is not None:
            self._db.execute(_EXPIRE, (kept_ms, key))
            self._waiting += 1

    def forget(self, session_id: str) -> None:
        """Remove a session, if it has ended, in one commit."""
        key = self._ended(session_id)
        if key is not None:
            self._remove([key])

    def remove_due(self, now_ms: int) -> list[str]:
        """Remove what is due; return the ids."""
        if not self._waiting:
            return []
        self._db.execute(_SET_DUE, (now_ms,))
        due = self._db.execute(_DUE, (now_ms,)).fetchall()
        self._remove([key for key, _ in due])
        (self._waiting,) = self._db.execute(_WAITING).fetchone()
        return [session_id for _, session_id in due]

    def _ended(self, session_id: str) -> int | None:
        """Return the number of an ended session's rows; None if it is unknown."""
        found = self._db.execute(_ENDED, (session_id,)).fetchone()
        if found is None:
            return None
        key, ended = found
        if not ended:
            raise still_running(session_id)
        return int(key)

    def _remove(self, keys: list[int]) -> None:
        if not keys:
            return
        with self._db:
            self._db.execute("BEGIN IMMEDIATE")
            for statement in _REMOVE:
                self._db.executemany(statement, [(key,) for key in keys])
