"""Units into the SQLite file that the journal writes to as well.

One writer at a time is SQLite's rule, so a transaction here makes the journal's commits
wait. It is short therefore: all rows are ready before it begins, it runs in one thread
without coming back to the event loop, and rows go in by the hundred, since each
statement may have to wait for the interpreter lock. It needs no fsync of its own: what
is lost with the power is behind the cursor that is lost with it, and a trimmed journal,
whose commits do wait for the disk, comes later in the same file.
"""

import asyncio
import sqlite3
from collections.abc import AsyncIterator, Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from functools import cache, partial
from itertools import chain as join
from pathlib import Path
from threading import Lock
from typing import ClassVar, NamedTuple, TypeVar

import orjson

from quizd._fast import rows as fast
from quizd.store.engine import BUSY_TIMEOUT_MS
from quizd.store.log import START
from quizd.store.write_behind.rows import CHANGED, INSERTED, Change, Context
from quizd.store.write_behind.sink import (
    MISSING,
    CursorMoved,
    NoRow,
    Refusal,
    Sink,
    SinkUnavailable,
    UnitRefused,
    refused_unread,
)
from quizd.store.write_behind.unit import Cursor, Item, Move, Unit, everything

T = TypeVar("T")

LOG_PAGE = 50
STATEMENT_ROWS = (256, 16, 1)
"""Rows of one statement; few sizes, so that SQLite knows each of them already."""

REFUSED = (
    sqlite3.IntegrityError,
    sqlite3.DataError,
    sqlite3.InterfaceError,
    sqlite3.ProgrammingError,
    ValueError,
    TypeError,
    OverflowError,
)
"""What is wrong with the data; an ``OperationalError`` passes."""

_CURSOR = """
    SELECT write_behind.idx, hash, opened_ms, participants, ended, question_ids, head
    FROM write_behind LEFT JOIN log_heads USING (session_id) WHERE session_id = ?
"""

_MOVE = """
    UPDATE write_behind
    SET idx = ?, hash = ?, opened_ms = ?, participants = ?, ended = ?
    WHERE session_id = ? AND idx = ? AND hash = ?
"""

_BEGIN = """
    INSERT INTO write_behind
        (idx, hash, opened_ms, participants, ended, session_id, question_ids)
    VALUES (?, ?, ?, ?, ?, ?, ?) ON CONFLICT (session_id) DO NOTHING
"""

_HEAD = """
    INSERT INTO log_heads (session_id, idx, head) VALUES (?, ?, ?)
    ON CONFLICT (session_id) DO UPDATE SET idx = excluded.idx, head = excluded.head
"""

_SET_ASIDE = """
    INSERT INTO rejected_records
        (session_id, idx, participants, at_ms, code, error, tries, batch)
    VALUES (?, ?, ?, ?, ?, ?, 1, ?)
"""

_AGAIN = """
    UPDATE rejected_records SET tries = tries + 1, code = ?, error = ? WHERE id = ?
"""

_LOG = """
    SELECT idx, batch FROM session_log WHERE session_id = ? AND idx > ?
    ORDER BY idx LIMIT ?
"""


LOG_COLUMNS = ("session_id", "idx", "opened_ms", "batch")


class Ready(NamedTuple):
    """A batch, and the rows of its answers."""

    item: Item
    answers: list[tuple[object, ...]]


class SqliteSink(Sink):
    """Writes to the file at *path*, which has all its tables already."""

    unit_bytes: ClassVar[int] = 16 * 1024

    def __init__(self, path: Path) -> None:
        self._path = path
        self._lock = Lock()
        self._db: sqlite3.Connection | None = None

    async def cursors(self, session_ids: Sequence[str]) -> dict[str, Cursor]:
        """Return where sessions stand."""
        return await self._run(lambda db: _cursors(db, session_ids))

    async def write(self, unit: Unit, now_ms: int) -> list[Refusal]:
        """Write all of *unit* or nothing."""
        return await self._run(lambda db: _write(db, unit, now_ms))

    async def log(self, session_id: str) -> AsyncIterator[tuple[int, bytes]]:
        """Yield the stored log, in pages."""
        after = 0
        while rows := await self._run(partial(_page, session_id, after)):
            for row in rows:
                yield row
            after = rows[-1][0]

    async def retry(self, refused_id: int, item: Item) -> Refusal | None:
        """Write the rows of a rejected batch and take it off the list."""
        return await self._run(lambda db: _retry(db, refused_id, item))

    async def disconnect(self) -> None:
        """Close the file when what is under way is done."""
        await asyncio.to_thread(self._close)

    async def _run(self, work: Callable[[sqlite3.Connection], T]) -> T:
        return await asyncio.to_thread(self._do, work)

    def _do(self, work: Callable[[sqlite3.Connection], T]) -> T:
        try:
            with self._lock:
                if self._db is None:
                    self._db = _open(self._path)
                return work(self._db)
        except (sqlite3.Error, OSError) as error:
            self._close()
            raise SinkUnavailable(str(error)) from error

    def _close(self) -> None:
        with self._lock:
            db, self._db = self._db, None
            if db is not None:
                db.close()


def _open(path: Path) -> sqlite3.Connection:
    db = sqlite3.connect(
        path,
        timeout=BUSY_TIMEOUT_MS / 1000,
        isolation_level=None,
        check_same_thread=False,
    )
    db.execute("PRAGMA synchronous = NORMAL")
    return db


def _cursors(db: sqlite3.Connection, session_ids: Sequence[str]) -> dict[str, Cursor]:
    found = {}
    for session_id in session_ids:
        row = db.execute(_CURSOR, (session_id,)).fetchone()
        if row is not None:
            found[session_id] = _cursor(row)
    return found


def _cursor(row: tuple[int, bytes, int, int, int, str, bytes | None]) -> Cursor:
    index, hash_, opened_ms, participants, ended, question_ids, head = row
    ids = tuple(orjson.loads(question_ids))
    context = Context(opened_ms, participants, bool(ended), ids)
    return Cursor(index, hash_, context, head or START)


def _page(
    session_id: str, after: int, db: sqlite3.Connection
) -> list[tuple[int, bytes]]:
    return db.execute(_LOG, (session_id, after, LOG_PAGE)).fetchall()


def _write(db: sqlite3.Connection, unit: Unit, now_ms: int) -> list[Refusal]:
    tried, refused = refused_unread(unit.items)
    ready, unfit = _prepared(tried)
    log = [(i.session_id, i.index, i.opened_ms, i.log) for i in unit.items]
    with _transaction(db):
        try:
            _move(db, unit.moves)
            _insert(db, "session_log", LOG_COLUMNS, log)
        except REFUSED as error:
            raise UnitRefused(str(error)) from error
        refused += unfit + _insert_items(db, ready)
        for refusal in refused:
            _set_aside(db, refusal, now_ms)
    return refused


def _retry(db: sqlite3.Connection, refused_id: int, item: Item) -> Refusal | None:
    ready, refusals = _prepared([item])
    with _transaction(db):
        there = "SELECT 1 FROM rejected_records WHERE id = ?"
        if db.execute(there, (refused_id,)).fetchone() is None:
            return None
        refusals += _insert_items(db, ready)
        if refusals:
            (refusal,) = refusals
            db.execute(_AGAIN, (refusal.code, refusal.error, refused_id))
            return refusal
        db.execute("DELETE FROM rejected_records WHERE id = ?", (refused_id,))
    return None


@contextmanager
def _transaction(db: sqlite3.Connection) -> Iterator[None]:
    db.execute("BEGIN IMMEDIATE")
    try:
        yield
        db.execute("COMMIT")
    finally:
        if db.in_transaction:
            db.execute("ROLLBACK")


def _prepared(items: Iterable[Item]) -> tuple[list[Ready], list[Refusal]]:
    """Return *items* with the rows of their answers, and those that have none."""
    ready, unfit = [], []
    for item in items:
        try:
            rows = [
                fast.tuples(a.packed, a.session_id, a.opened_ms)
                for a in item.rows.answers
            ]
            ready.append(Ready(item, list(join.from_iterable(rows))))
        except REFUSED as error:
            unfit.append(_refusal(item, error))
    return ready, unfit


def _insert_items(db: sqlite3.Connection, ready: list[Ready]) -> list[Refusal]:
    """Insert the rows of all, at once if possible, else by halves."""
    if not ready:
        return []
    db.execute("SAVEPOINT rows")
    try:
        _insert_all(db, ready)
    except (NoRow, *REFUSED) as error:
        db.execute("ROLLBACK TO rows")
        if len(ready) == 1:
            return [_refusal(ready[0].item, error)]
    else:
        return []
    finally:
        if db.in_transaction:
            db.execute("RELEASE rows")
    half = len(ready) // 2
    return _insert_items(db, ready[:half]) + _insert_items(db, ready[half:])


def _insert_all(db: sqlite3.Connection, ready: list[Ready]) -> None:
    items = [each.item for each in ready]
    for session_id in everything(items, "finished"):
        db.execute("DELETE FROM results WHERE session_id = ?", (session_id,))
    for table, columns in INSERTED.items():
        _insert(db, table, columns, everything(items, table))
    answers = list(join.from_iterable(each.answers for each in ready))
    _insert(db, "answers", fast.COLUMN_NAMES, answers)
    for name, change in CHANGED.items():
        _change(db, change, everything(items, name))


def _insert(
    db: sqlite3.Connection,
    table: str,
    columns: Sequence[str],
    rows: Sequence[Sequence[object]],
) -> None:
    at = 0
    for size in STATEMENT_ROWS:
        while len(rows) - at >= size:
            values = tuple(join.from_iterable(rows[at : at + size]))
            db.execute(_insert_text(table, tuple(columns), size), values)
            at += size


@cache
def _insert_text(table: str, columns: tuple[str, ...], rows: int) -> str:
    places = f"({', '.join('?' * len(columns))})"
    values = ", ".join([places] * rows)
    return f"INSERT INTO {table} ({', '.join(columns)}) VALUES {values}"  # noqa: S608


def _change(
    db: sqlite3.Connection, change: Change, rows: Iterable[tuple[object, ...]]
) -> None:
    sets = ", ".join(f"{name} = ?" for name in change.sets)
    same = " AND ".join(f"{name} = ?" for name in change.by)
    text = f"UPDATE {change.table} SET {sets} WHERE {same}"  # noqa: S608 - our names
    for row in rows:
        key, values = row[: len(change.by)], row[len(change.by) :]
        if db.execute(text, values + key).rowcount != 1:
            raise NoRow(f"a row of {change.table} to be changed is not there")


def _move(db: sqlite3.Connection, moves: dict[str, Move]) -> None:
    """Move all cursors or none."""
    for session_id, move in moves.items():
        before, after, context = move.before, move.after, move.after.context
        marks = (context.opened_ms, context.participants, context.ended)
        row = (after.index, after.hash, *marks, session_id)
        if before.index:
            done = db.execute(_MOVE, (*row, before.index, before.hash))
        else:
            done = db.execute(
                _BEGIN, (*row, orjson.dumps(context.question_ids).decode())
            )
        if done.rowcount != 1:
            raise CursorMoved
        db.execute(_HEAD, (session_id, after.index, after.head))


def _set_aside(db: sqlite3.Connection, refusal: Refusal, now_ms: int) -> None:
    item = refusal.item
    marks = (item.session_id, item.index, item.before.participants, now_ms)
    db.execute(_SET_ASIDE, (*marks, refusal.code, refusal.error, item.batch))


def _refusal(item: Item, error: Exception) -> Refusal:
    code = getattr(error, "sqlite_errorname", None) or MISSING.get(type(error), "unfit")
    return Refusal(item, code, str(error) or type(error).__name__)
