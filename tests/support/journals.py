"""Reading all that was played of a session, wherever it is by now.

What the store has, the journal may let go of; so the beginning is in the store then.
"""

from contextlib import suppress
from pathlib import Path

from sqlalchemy.ext.asyncio import AsyncEngine

from quizd.journal.base import Journal, Trimmed
from quizd.journal.sqlite import SqliteJournal
from quizd.session import records as rec
from quizd.store.audit import Audit
from quizd.store.engine import sqlite_engine

DATABASE = "quizd.sqlite3"


async def records_of(data_dir: Path, session_id: str) -> list[rec.Record]:
    """Return all records of a session, in order; the server is gone."""
    async with SqliteJournal(data_dir / DATABASE) as journal:
        return await all_records(journal, data_dir, session_id)


async def all_records(
    journal: Journal, data_dir: Path, session_id: str
) -> list[rec.Record]:
    """Return all records of a session, whose store is the file in *data_dir*."""
    engine = sqlite_engine(data_dir / DATABASE)
    try:
        batches = await _all_batches(journal, engine, session_id)
    finally:
        await engine.dispose()
    return [record for batch in batches for record in rec.unpack(batch)]


async def _all_batches(
    journal: Journal, engine: AsyncEngine, session_id: str
) -> list[bytes]:
    """Read again where the journal lets go of something meanwhile."""
    while True:
        with suppress(Trimmed):
            return await _batches(journal, engine, session_id)


async def _batches(
    journal: Journal, engine: AsyncEngine, session_id: str
) -> list[bytes]:
    forgotten = await _forgotten(journal, session_id)
    stored = Audit(engine, b"").batches(session_id)
    batches = [batch async for index, batch in stored if index <= forgotten]
    assert len(batches) == forgotten, "the journal has let go of what is not stored"
    batches += [batch async for _, batch in journal.read(session_id, forgotten)]
    return batches


async def _forgotten(journal: Journal, session_id: str) -> int:
    """Return the latest batch that the journal has let go of, 0 if none."""
    try:
        await anext(journal.read(session_id))
    except Trimmed as trimmed:
        return trimmed.first_index - 1
    return 0
