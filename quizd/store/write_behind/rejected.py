"""Batches that the database has refused: to be looked at, tried again or dropped.

A batch is refused for its rows only; it is in the session's log all the same. Most are
accepted once what was in their way is mended. Those of a session that this version
could not read are tried in order: each says what the next one's rows need to know.
"""

from collections.abc import AsyncIterator
from dataclasses import dataclass, replace
from typing import Any

from sqlalchemy import Row, delete, func, select, update
from sqlalchemy.ext.asyncio import AsyncEngine

from quizd.session import records as rec
from quizd.store.tables import rejected_records, write_behind
from quizd.store.transaction import transaction
from quizd.store.write_behind.results import replay, results_in
from quizd.store.write_behind.rows import UNKNOWN, UNREADABLE, Context, translate
from quizd.store.write_behind.sink import UNREADABLE as UNREADABLE_CODE
from quizd.store.write_behind.sink import Refusal, Sink
from quizd.store.write_behind.unit import Item

_LISTED = (
    rejected_records.c.id,
    rejected_records.c.session_id,
    rejected_records.c.idx,
    rejected_records.c.at_ms,
    rejected_records.c.code,
    rejected_records.c.error,
    rejected_records.c.tries,
    func.length(rejected_records.c.batch).label("size_bytes"),
)


@dataclass(frozen=True, slots=True)
class Rejected:
    """A batch on the list: which one, when and why it was refused, how often tried."""

    id: int
    session_id: str
    index: int
    at_ms: int
    code: str
    error: str
    tries: int
    size_bytes: int


async def listed(
    engine: AsyncEngine, limit: int = 100, after_id: int = 0
) -> list[Rejected]:
    """Return up to *limit* batches behind *after_id*, in the order of being refused.

    Raises ``StoreUnavailable``, as all of these do.
    """
    query = select(*_LISTED).where(rejected_records.c.id > after_id)
    async with transaction(engine) as connection:
        rows = await connection.execute(query.order_by("id").limit(limit))
        return [Rejected(*row) for row in rows]


async def show(engine: AsyncEngine, rejected_id: int) -> tuple[Rejected, bytes] | None:
    """Return one batch with its bytes, ``None`` where it is not on the list."""
    query = select(*_LISTED, rejected_records.c.batch)
    async with transaction(engine) as connection:
        rows = await connection.execute(
            query.where(rejected_records.c.id == rejected_id)
        )
        row = rows.one_or_none()
    return None if row is None else (Rejected(*row[:-1]), row[-1])


def records_in(batch: bytes) -> list[rec.Record] | None:
    """Return what *batch* holds, ``None`` where this version can't read it."""
    try:
        return list(rec.unpack(batch))
    except UNREADABLE:
        return None


async def drop(engine: AsyncEngine, rejected_id: int) -> bool:
    """Take a batch off the list for good; return whether it was there."""
    there = rejected_records.c.id == rejected_id
    async with transaction(engine) as connection:
        done = await connection.execute(delete(rejected_records).where(there))
    return done.rowcount > 0


async def retry(
    engine: AsyncEngine, sink: Sink, session_id: str
) -> AsyncIterator[tuple[int, Refusal | None]]:
    """Try the rejected batches of a session again, in their order.

    Yields the id of each, and why it was refused again; ``None``: it is written. Raises
    what *sink* raises, too.
    """
    cursor = await _cursor(engine, session_id)
    if cursor is None:
        return
    index, context = 0, Context()
    batches = await _batches_of(engine, session_id)
    raw = {row.idx: row.batch for row in batches}
    for row in batches:
        if row.participants != UNKNOWN or index != row.idx - 1:
            context = _before(cursor, row.participants)
        item, after = _item(row, context)
        if item.error:
            yield row.id, Refusal(item, UNREADABLE_CODE, item.error)
            return
        if item.rows.finished:
            session = await replay(_whole(sink.log(session_id), raw), row.idx)
            item.rows.add_results(session_id, results_in(session))
        index, context = row.idx, after
        yield row.id, await sink.retry(row.id, item)
    if cursor.participants == UNKNOWN and index == cursor.idx:
        await _know_again(engine, cursor, context)


async def _cursor(engine: AsyncEngine, session_id: str) -> Row[Any] | None:
    query = select(write_behind).where(write_behind.c.session_id == session_id)
    async with transaction(engine) as connection:
        return (await connection.execute(query)).one_or_none()


async def _batches_of(engine: AsyncEngine, session_id: str) -> list[Row[Any]]:
    query = (
        select(rejected_records)
        .where(rejected_records.c.session_id == session_id)
        .order_by(rejected_records.c.idx)
    )
    async with transaction(engine) as connection:
        return list(await connection.execute(query))


def _before(cursor: Row[Any], participants: int) -> Context:
    """Return what is known before a batch; of the end only the batch itself tells."""
    return Context(
        opened_ms=cursor.opened_ms,
        participants=participants,
        question_ids=tuple(cursor.question_ids),
    )


def _item(row: Row[Any], before: Context) -> tuple[Item, Context]:
    item = Item(
        session_id=row.session_id,
        index=row.idx,
        batch=row.batch,
        before=before,
        opened_ms=before.opened_ms,
        at_ms=0,
        log=b"",
    )
    try:
        translation = translate(row.session_id, row.batch, before)
    except UNREADABLE as error:
        return replace(item, error=f"{type(error).__name__}: {error}"), before
    after = translation.context
    return replace(item, rows=translation.rows, opened_ms=after.opened_ms), after


async def _whole(
    log: AsyncIterator[tuple[int, bytes]], raw: dict[int, bytes]
) -> AsyncIterator[tuple[int, bytes]]:
    """Yield the stored log with the batches that it has only the hash of."""
    async for index, batch in log:
        yield index, raw.get(index, batch)


async def _know_again(engine: AsyncEngine, cursor: Row[Any], context: Context) -> None:
    """Let the queue go on behind batches that could not be read and now are."""
    unchanged = (write_behind.c.session_id == cursor.session_id) & (
        write_behind.c.idx == cursor.idx
    )
    async with transaction(engine) as connection:
        await connection.execute(
            update(write_behind)
            .where(unchanged)
            .values(
                opened_ms=context.opened_ms,
                participants=context.participants,
                ended=context.ended,
                question_ids=list(context.question_ids),
            )
        )
