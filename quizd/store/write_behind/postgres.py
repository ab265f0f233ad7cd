"""Units into Postgres, by binary COPY on one connection."""

import struct
from collections.abc import AsyncIterator, Iterable, Sequence
from typing import Any, ClassVar

import asyncpg  # type: ignore[import-untyped]
import orjson

from quizd._fast.rows import COLUMN_NAMES
from quizd.store.log import START
from quizd.store.migrations import LOCK
from quizd.store.partitions import PARTED, making, name_of, start_of
from quizd.store.tables import metadata
from quizd.store.write_behind.copying import (
    Coder,
    stream,
    stream_answers,
    type_name,
)
from quizd.store.write_behind.line import Line
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

LOG_PAGE = 50
TIMEOUT_S = 30.0

REFUSED_CLASSES = frozenset({"22", "23", "54"})
"""SQLSTATE's classes of what is wrong with the data: values, constraints, sizes
(https://www.postgresql.org/docs/current/errcodes-appendix.html). Whatever else happens
passes, or is an operator's to mend: no disk, no rights, no table, read only."""

UNFIT = (ValueError, TypeError, AttributeError, OverflowError, struct.error)
"""What a value that is none of its column's raises before it is sent."""

_CURSORS = """
    SELECT session_id, write_behind.idx, hash, opened_ms, participants, ended,
           question_ids, head
    FROM write_behind LEFT JOIN log_heads USING (session_id)
    WHERE session_id = ANY($1)
"""

# Cursors and heads in one statement, whose result says how many cursors it has moved.
_HEADS = """
    heads AS (
        INSERT INTO log_heads (session_id, idx, head)
        SELECT * FROM unnest($1::text[], $2::bigint[], $3::bytea[])
        ON CONFLICT (session_id) DO UPDATE SET idx = EXCLUDED.idx, head = EXCLUDED.head)
    SELECT count(*) FROM moved
"""

_MOVE = f"""
    WITH moved AS (
        UPDATE write_behind SET idx = new.idx, hash = new.hash,
            opened_ms = new.opened_ms, participants = new.participants,
            ended = new.ended
        FROM unnest($1::text[], $2::bigint[], $4::bytea[], $5::bigint[], $6::int[],
                    $7::bool[], $8::bigint[], $9::bytea[])
            AS new (session_id, idx, hash, opened_ms, participants, ended,
                    old_idx, old_hash)
        WHERE write_behind.session_id = new.session_id
          AND write_behind.idx = new.old_idx AND write_behind.hash = new.old_hash
        RETURNING 1), {_HEADS}
"""  # noqa: S608 - a text of our own

_BEGIN = f"""
    WITH moved AS (
        INSERT INTO write_behind
            (session_id, idx, hash, opened_ms, participants, ended, question_ids)
        SELECT * FROM unnest($1::text[], $2::bigint[], $4::bytea[], $5::bigint[],
                             $6::int[], $7::bool[], $8::jsonb[])
        ON CONFLICT (session_id) DO NOTHING
        RETURNING 1), {_HEADS}
"""  # noqa: S608 - a text of our own

_SET_ASIDE = """
    INSERT INTO rejected_records
        (session_id, idx, participants, at_ms, code, error, tries, batch)
    VALUES ($1, $2, $3, $4, $5, $6, 1, $7)
"""

_AGAIN = """
    UPDATE rejected_records SET tries = tries + 1, code = $2, error = $3 WHERE id = $1
"""

_LOG = """
    SELECT idx, batch FROM session_log WHERE session_id = $1 AND idx > $2
    ORDER BY idx LIMIT $3
"""

_CODERS = {
    name: Coder(metadata.tables[name], columns) for name, columns in INSERTED.items()
}
_LOG_CODER = Coder(
    metadata.tables["session_log"], ("session_id", "idx", "opened_ms", "batch")
)


class PostgresSink(Sink):
    """Writes to the Postgres at *dsn*; a call that takes *timeout_s* has failed."""

    unit_bytes: ClassVar[int] = 2 * 1024 * 1024

    def __init__(self, dsn: str, timeout_s: float = TIMEOUT_S) -> None:
        self._line = Line(dsn, timeout_s, "quizd write-behind")
        self._parts: set[int] = set()

    async def cursors(self, session_ids: Sequence[str]) -> dict[str, Cursor]:
        """Return where sessions stand."""
        rows = await self._line.run(lambda c: c.fetch(_CURSORS, list(session_ids)))
        return {row["session_id"]: _cursor(row) for row in rows}

    async def write(self, unit: Unit, now_ms: int) -> list[Refusal]:
        """Write all of *unit* or nothing."""
        return await self._line.run(lambda c: self._write(c, unit, now_ms))

    async def log(self, session_id: str) -> AsyncIterator[tuple[int, bytes]]:
        """Yield the stored log, in pages."""
        after = 0
        while rows := await self._page(session_id, after):
            for row in rows:
                yield row["idx"], row["batch"]
            after = rows[-1]["idx"]

    async def retry(self, refused_id: int, item: Item) -> Refusal | None:
        """Write the rows of a rejected batch and take it off the list."""
        return await self._line.run(lambda c: self._retry(c, refused_id, item))

    async def disconnect(self) -> None:
        """Cut the connection."""
        self._line.drop()

    # -- one transaction ---------------------------------------------------------

    async def _page(self, session_id: str, after: int) -> list[Any]:
        page: list[Any] = await self._line.run(
            lambda c: c.fetch(_LOG, session_id, after, LOG_PAGE)
        )
        return page

    async def _write(
        self, connection: asyncpg.Connection, unit: Unit, now_ms: int
    ) -> list[Refusal]:
        await self._ensure_parts(connection, unit.openings())
        tried, refused = refused_unread(unit.items)
        try:
            async with connection.transaction():
                await _move(connection, unit.moves)
                await _add_log(connection, unit)
                refused += await self._insert(connection, tried)
                for refusal in refused:
                    await _set_aside(connection, refusal, now_ms)
        except (asyncpg.PostgresError, *UNFIT) as error:
            self._raise_passing(error)
            raise UnitRefused(str(error)) from error
        return refused

    async def _insert(
        self, connection: asyncpg.Connection, items: list[Item]
    ) -> list[Refusal]:
        """Insert the rows of *items*, all at once if possible, else by halves."""
        if not items:
            return []
        try:
            async with connection.transaction():
                await _insert_all(connection, items)
        except (asyncpg.PostgresError, NoRow, *UNFIT) as error:
            self._raise_passing(error)
            if len(items) == 1:
                return [_refusal(items[0], error)]
        else:
            return []
        half = len(items) // 2
        first = await self._insert(connection, items[:half])
        return first + await self._insert(connection, items[half:])

    async def _retry(
        self, connection: asyncpg.Connection, refused_id: int, item: Item
    ) -> Refusal | None:
        await self._ensure_parts(connection, [item.opened_ms])
        async with connection.transaction():
            there = "SELECT 1 FROM rejected_records WHERE id = $1 FOR UPDATE"
            if await connection.fetchval(there, refused_id) is None:
                return None
            refusals = await self._insert(connection, [item])
            if refusals:
                (refusal,) = refusals
                again = (refused_id, refusal.code, refusal.error)
                await connection.execute(_AGAIN, *again)
                return refusal
            done = "DELETE FROM rejected_records WHERE id = $1"
            await connection.execute(done, refused_id)
        return None

    # -- parts of the large tables -----------------------------------------------

    async def _ensure_parts(
        self, connection: asyncpg.Connection, openings_ms: Iterable[int]
    ) -> None:
        """Make the parts that upkeep has not made ahead, such as for old sessions."""
        missing = {start_of(at_ms) for at_ms in openings_ms} - self._parts
        for start_ms in sorted(missing):
            async with connection.transaction():
                await connection.execute(f"SELECT pg_advisory_xact_lock({LOCK})")
                for parent in PARTED:
                    await _ensure_part(connection, parent, start_ms)
            self._parts.add(start_ms)

    def _raise_passing(self, error: Exception) -> None:
        """Raise *error* again where it is not the data that is wrong."""
        if isinstance(error, asyncpg.CheckViolationError) and not error.constraint_name:
            self._parts.clear()  # a part was dropped: there is none for the row
            raise SinkUnavailable(str(error)) from error
        if not _is_refusal(error):
            raise error


def _is_refusal(error: Exception) -> bool:
    if isinstance(error, asyncpg.PostgresError):
        return (error.sqlstate or "")[:2] in REFUSED_CLASSES
    return isinstance(error, (NoRow, *UNFIT))


def _refusal(item: Item, error: Exception) -> Refusal:
    code = getattr(error, "sqlstate", None) or MISSING.get(type(error), "unfit")
    return Refusal(item, code, str(error) or type(error).__name__)


async def _ensure_part(
    connection: asyncpg.Connection, parent: str, start_ms: int
) -> None:
    name = name_of(parent, start_ms)
    if await connection.fetchval("SELECT to_regclass($1)", name) is None:
        for statement in making(parent, start_ms):
            await connection.execute(statement)


async def _insert_all(connection: asyncpg.Connection, items: list[Item]) -> None:
    finished = everything(items, "finished")
    if finished:
        drop = "DELETE FROM results WHERE session_id = ANY($1)"
        await connection.execute(drop, finished)
    for name, coder in _CODERS.items():
        await _copy(connection, coder, everything(items, name))
    answers = [record for item in items for record in item.rows.answers]
    if answers:
        await connection.copy_to_table(
            "answers",
            source=stream_answers(answers),
            columns=COLUMN_NAMES,
            format="binary",
        )
    for name, change in CHANGED.items():
        await _change(connection, change, everything(items, name))


async def _copy(
    connection: asyncpg.Connection,
    coder: Coder,
    rows: list[tuple[object, ...]],
) -> None:
    if rows:
        await connection.copy_to_table(
            coder.table,
            source=stream(coder, rows),
            columns=coder.columns,
            format="binary",
        )


async def _change(
    connection: asyncpg.Connection, change: Change, rows: list[tuple[object, ...]]
) -> None:
    if not rows:
        return
    status = await connection.execute(_change_text(change), *_columns(rows))
    if _rows_of(status) != len(rows):
        raise NoRow(f"a row of {change.table} to be changed is not there")


def _change_text(change: Change) -> str:
    """Return an update of all rows at once, its values as one array per column."""
    names = (*change.by, *change.sets)
    table = metadata.tables[change.table]
    arrays = ", ".join(
        f"${place}::{type_name(table, name)}[]" for place, name in enumerate(names, 1)
    )
    sets = ", ".join(f"{name} = new.{name}" for name in change.sets)
    same = " AND ".join(f"{change.table}.{name} = new.{name}" for name in change.by)
    listed = ", ".join(names)
    return (
        f"UPDATE {change.table} SET {sets} "  # noqa: S608 - names of our own
        f"FROM unnest({arrays}) AS new ({listed}) WHERE {same}"
    )


async def _move(connection: asyncpg.Connection, moves: dict[str, Move]) -> None:
    """Move all cursors, in the same order whoever does it, or none."""
    ordered = sorted(moves.items())
    going = [(sid, move) for sid, move in ordered if move.before.index]
    fresh = [(sid, move) for sid, move in ordered if not move.before.index]
    if going:
        rows = [(*_marks(sid, m), m.before.index, m.before.hash) for sid, m in going]
        await _expect(connection, _MOVE, rows)
    if fresh:
        rows = [(*_marks(sid, m), _ids(m.after)) for sid, m in fresh]
        await _expect(connection, _BEGIN, rows)


async def _expect(
    connection: asyncpg.Connection, statement: str, rows: Sequence[Sequence[object]]
) -> None:
    if await connection.fetchval(statement, *_columns(rows)) != len(rows):
        raise CursorMoved


def _columns(rows: Iterable[Sequence[object]]) -> list[list[object]]:
    """Return the columns of *rows*, each an array for ``unnest``."""
    return [list(column) for column in zip(*rows, strict=True)]


def _marks(session_id: str, move: Move) -> tuple[object, ...]:
    """Return what the row of a moved cursor holds, but for the questions' ids."""
    after, context = move.after, move.after.context
    marks = (context.opened_ms, context.participants, context.ended)
    return session_id, after.index, after.head, after.hash, *marks


def _ids(cursor: Cursor) -> str:
    return orjson.dumps(cursor.context.question_ids).decode()


def _rows_of(status: str) -> int:
    """Return the rows that a command's status, such as ``UPDATE 3``, speaks of."""
    return int(status.rpartition(" ")[2])


async def _add_log(connection: asyncpg.Connection, unit: Unit) -> None:
    rows: list[tuple[object, ...]] = [
        (item.session_id, item.index, item.opened_ms, item.log) for item in unit.items
    ]
    await _copy(connection, _LOG_CODER, rows)


async def _set_aside(
    connection: asyncpg.Connection, refusal: Refusal, now_ms: int
) -> None:
    item = refusal.item
    await connection.execute(
        _SET_ASIDE,
        item.session_id,
        item.index,
        item.before.participants,
        now_ms,
        refusal.code,
        refusal.error,
        item.batch,
    )


def _cursor(row: asyncpg.Record) -> Cursor:
    context = Context(
        opened_ms=row["opened_ms"],
        participants=row["participants"],
        ended=row["ended"],
        question_ids=tuple(orjson.loads(row["question_ids"])),
    )
    return Cursor(row["idx"], row["hash"], context, row["head"] or START)
