"""What is written to the journal's tables, under the fence; no thread, no loop."""

from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from itertools import chain as concatenation
from pathlib import Path

from quizd.journal.base import NO_HASH, Claim, Exists, Fenced, chain
from quizd.journal.fence import Head, check_term, is_next, next_term, not_the_same
from quizd.journal.lockfile import LockFile
from quizd.journal.sqlite_file import connect, open_file
from quizd.journal.sqlite_read import read_entry, read_position
from quizd.journal.sqlite_remove import Remover
from quizd.journal.sqlite_snapshots import save_snapshot, trim

_HEAD = """
    SELECT s.key, s.term, b.idx, b.hash
    FROM journal_sessions AS s
    JOIN journal_batches AS b ON b.session = s.key
    WHERE s.session_id = ? ORDER BY b.idx DESC LIMIT 1
"""

_CREATE = """
    INSERT INTO journal_sessions
        (session_id, quiz_id, pin, term, run, claimed_ms, alive_ms)
    VALUES (?, ?, ?, ?, ?, ?, ?)
"""

_CLAIM = """
    UPDATE journal_sessions SET term = ?, run = ?, claimed_ms = ?, alive_ms = ?
    WHERE session_id = ?
"""

_FINISH = """
    UPDATE journal_sessions SET ended = 1, alive_ms = ? WHERE session_id = ?
"""

_RENEW = "UPDATE journal_runs SET alive_ms = max(alive_ms, ?) WHERE run = ?"

_PRUNE_RUNS = """
    DELETE FROM journal_runs
    WHERE run NOT IN (SELECT run FROM journal_sessions WHERE NOT ended)
"""

_BEGIN_RUN = "INSERT INTO journal_runs (alive_ms) VALUES (0)"

_KEPT = "SELECT term, batch FROM journal_batches WHERE session = ? AND idx = ?"

_INSERT = "INSERT INTO journal_batches (session, idx, term, batch, hash) VALUES "


@dataclass(frozen=True, slots=True)
class Batch:
    """What a caller asks to be appended."""

    session_id: str
    term: int
    index: int
    content: bytes


@dataclass(slots=True)
class _Head(Head):
    key: int  # of the session's row: the rows of batches name it, being shorter


class Ledger:
    """The writing side: one process owns the file, one thread calls this.

    Owning the file, it keeps the heads of running sessions in memory. They are read
    from the file when first asked for, and again after a commit has failed. Every
    method may raise `sqlite3.Error`.
    """

    def __init__(self, path: Path, busy_ms: int) -> None:
        """Lock and open the file and begin a run; a missing directory is made.

        Raises `JournalUnavailable` and `OSError`, too.
        """
        path.parent.mkdir(0o700, parents=True, exist_ok=True)
        with ExitStack() as undo:
            undo.callback(LockFile(path).release)
            self._db = open_file(path, busy_ms)
            undo.callback(self._db.close)
            # Renewals need no fsync. A connection of their own spares this one from
            # ever being without it.
            self._unsynced = connect(path, busy_ms, synchronous="NORMAL")
            undo.callback(self._unsynced.close)
            self._run = self._begin_run()
            self._remover = Remover(self._db)
            self._heads: dict[str, _Head] = {}
            self._open = undo.pop_all()

    def close(self) -> None:
        """Close the file and let others have it."""
        self._open.close()

    def create(
        self, session_id: str, quiz_id: str, pin: str, batch: bytes, now_ms: int
    ) -> int:
        """Keep a session and its first batch in one commit; return the term."""
        term = next_term(0, now_ms)
        row = (session_id, quiz_id, pin, term, self._run, now_ms, now_ms)
        with self._db:
            self._db.execute("BEGIN IMMEDIATE")
            if self._find(session_id) is not None:
                raise Exists(session_id)
            key = _row_id(self._db.execute(_CREATE, row).lastrowid)
            log_hash = chain(NO_HASH, batch)
            self._insert([(key, 1, term, batch, log_hash)])
        self._heads[session_id] = _Head(term, 1, log_hash, key)
        return term

    def claim(self, session_id: str, now_ms: int) -> Claim:
        """Raise the session's term. Raises `Unknown`."""
        entry = read_entry(self._db, session_id)
        position = read_position(self._db, session_id)
        term = next_term(entry.term, now_ms)
        self._heads.pop(session_id, None)
        self._db.execute(_CLAIM, (term, self._run, now_ms, entry.alive_ms, session_id))
        return Claim(term, position.index, entry.alive_ms, position.hash)

    def append(self, group: Sequence[Batch]) -> tuple[int, list[Fenced | None]]:
        """Keep the new batches of *group*, one per session, in one commit.

        Returns how many were new, and for each one in turn what speaks against it.
        """
        refusals: list[Fenced | None] = []
        fresh: list[tuple[_Head, Batch]] = []
        for batch in group:
            try:
                head = self._judge(batch)
            except Fenced as refusal:
                refusals.append(refusal)
                continue
            refusals.append(None)
            if head is not None:
                fresh.append((head, batch))
        if fresh:
            self._keep(fresh)
        return len(fresh), refusals

    def finish(self, session_id: str, term: int) -> None:
        """Mark the session as ended. Raises `Fenced`."""
        check_term(self._head(session_id), term)
        self._heads.pop(session_id, None)
        entry = read_entry(self._db, session_id)
        self._db.execute(_FINISH, (entry.alive_ms, session_id))

    def renew(self, now_ms: int) -> None:
        """Note that this run was alive at *now_ms*, without waiting for the disk."""
        self._unsynced.execute(_RENEW, (now_ms, self._run))
        for session_id in self._remover.remove_due(now_ms):
            self._heads.pop(session_id, None)

    def save_snapshot(
        self, session_id: str, term: int, index: int, parts: Mapping[str, bytes]
    ) -> None:
        """Keep a snapshot in one commit. Raises `Fenced`."""
        head = check_term(self._head(session_id), term)
        save_snapshot(self._db, head, head.key, index, parts)

    def trim(self, session_id: str, through_index: int) -> int:
        """Forget batches; return the latest forgotten. Raises `Unknown`."""
        return trim(self._db, session_id, through_index)

    def expire(self, session_id: str, kept_ms: int) -> None:
        """Let an ended session go *kept_ms* after the next renewal."""
        self._remover.expire(session_id, kept_ms)

    def forget(self, session_id: str) -> None:
        """Remove an ended session in one commit."""
        self._heads.pop(session_id, None)
        self._remover.forget(session_id)

    def _begin_run(self) -> int:
        self._db.execute(_PRUNE_RUNS)
        return _row_id(self._db.execute(_BEGIN_RUN).lastrowid)

    def _judge(self, batch: Batch) -> _Head | None:
        """Return the head that *batch* goes on from, None if it is there already."""
        head = check_term(self._head(batch.session_id), batch.term)
        if is_next(head, batch.index):
            return head
        kept = self._db.execute(_KEPT, (head.key, batch.index)).fetchone()
        if kept != (batch.term, batch.content):
            raise not_the_same(batch.index)
        return None

    def _keep(self, fresh: list[tuple[_Head, Batch]]) -> None:
        hashes = [chain(head.hash, batch.content) for head, batch in fresh]
        rows = [
            (head.key, batch.index, batch.term, batch.content, log_hash)
            for (head, batch), log_hash in zip(fresh, hashes, strict=True)
        ]
        try:
            self._insert(rows)
        except BaseException:
            for _, batch in fresh:
                self._heads.pop(batch.session_id, None)
            raise
        for (head, batch), log_hash in zip(fresh, hashes, strict=True):
            head.last_index, head.hash = batch.index, log_hash

    def _insert(self, rows: Sequence[tuple[int, int, int, bytes, bytes]]) -> None:
        # One statement is one commit and one wait for the interpreter lock; with a
        # BEGIN and a COMMIT around several there would be one after each.
        places = ",".join(["(?,?,?,?,?)"] * len(rows))
        self._db.execute(_INSERT + places, tuple(concatenation.from_iterable(rows)))

    def _head(self, session_id: str) -> _Head | None:
        head = self._heads.get(session_id)
        if head is None and (head := self._find(session_id)) is not None:
            self._heads[session_id] = head
        return head

    def _find(self, session_id: str) -> _Head | None:
        row = self._db.execute(_HEAD, (session_id,)).fetchone()
        if row is None:
            return None
        key, term, last_index, log_hash = row
        return _Head(term, last_index, log_hash, key)


def _row_id(row_id: int | None) -> int:
    if row_id is None:
        raise RuntimeError("SQLite has given a row no number")
    return row_id
