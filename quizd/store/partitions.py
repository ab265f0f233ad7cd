"""The parts of the large tables: made ahead of time, and dropped when they are old.

A part holds the sessions that were opened in seven days, counted from a Thursday, the
first day of the epoch; its name ends in its first day. Dropping a part costs nothing,
whatever it holds, and never leaves half a session. A part is made beside its table and
then attached, since attaching hinders nobody who writes to the others.

SQLite has no parts. There what is old is deleted, a part's worth of it and in slices,
so that the journal, whose file it is too, never waits for long.
"""

import re
from dataclasses import dataclass
from datetime import UTC, datetime

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from quizd.settings import RETENTION_MIN_DAYS
from quizd.store.migrations import lock

DAY_MS = 24 * 3600 * 1000
PART_MS = 7 * DAY_MS
PARTS_AHEAD = 2
PARTED = ("answers", "session_log")
LOCK_WAIT_MS = 2_000
SLICE_ROWS = 500

_NAME = re.compile(rf"(?:{'|'.join(PARTED)})_p(\d{{8}})")


@dataclass(frozen=True, slots=True)
class Upkeep:
    """What :func:`maintain` has done: parts by name, rows where there are no parts."""

    made: tuple[str, ...] = ()
    dropped: tuple[str, ...] = ()
    deleted_rows: int = 0


def start_of(opened_ms: int) -> int:
    """Return the first instant of the part of a session opened at *opened_ms*."""
    return opened_ms - opened_ms % PART_MS


def name_of(parent: str, start_ms: int) -> str:
    """Return what the part of *parent* that begins at *start_ms* is called."""
    return f"{parent}_p{datetime.fromtimestamp(start_ms / 1000, UTC):%Y%m%d}"


def making(parent: str, start_ms: int) -> tuple[str, ...]:
    """Return the statements that make one part of *parent* and attach it."""
    name = name_of(parent, start_ms)
    bounds = f"FROM ({start_ms}) TO ({start_ms + PART_MS})"
    return (
        f"CREATE TABLE {name} (LIKE {parent} INCLUDING STORAGE)",
        f"ALTER TABLE {parent} ATTACH PARTITION {name} FOR VALUES {bounds}",
    )


async def maintain(engine: AsyncEngine, now_ms: int, retention_days: int) -> Upkeep:
    """Make the parts of now and of the next weeks; drop those of before the retention.

    *retention_days* counts from a session's opening, 0: everything is kept. Safe to be
    run by several at once. Raises what the database raises; what was not done then is
    done by the next run.
    """
    if 0 < retention_days < RETENTION_MIN_DAYS:
        raise ValueError(f"retention_days must be 0 or at least {RETENTION_MIN_DAYS}")
    before_ms = now_ms - retention_days * DAY_MS if retention_days else 0
    if engine.dialect.name == "sqlite":
        return Upkeep(deleted_rows=await _delete_old(engine, start_of(before_ms)))
    wanted = [start_of(now_ms) + n * PART_MS for n in range(PARTS_AHEAD + 1)]
    async with engine.begin() as connection:
        await _prepare(connection)
        made = await _make(connection, wanted)
    async with engine.begin() as connection:
        await _prepare(connection)
        dropped = await _drop_old(connection, before_ms)
    return Upkeep(made=made, dropped=dropped)


async def _make(connection: AsyncConnection, starts_ms: list[int]) -> tuple[str, ...]:
    there = await _parts(connection)
    made = []
    for parent in PARTED:
        for start_ms in starts_ms:
            if (name := name_of(parent, start_ms)) not in there:
                for statement in making(parent, start_ms):
                    await connection.execute(text(statement))
                made.append(name)
    return tuple(made)


async def _prepare(connection: AsyncConnection) -> None:
    await lock(connection)
    await connection.execute(text(f"SET LOCAL lock_timeout = {LOCK_WAIT_MS}"))


async def _parts(connection: AsyncConnection) -> set[str]:
    """Return the names of all parts that are attached."""
    query = """
        SELECT child.relname FROM pg_inherits
        JOIN pg_class child ON child.oid = inhrelid
        JOIN pg_class parent ON parent.oid = inhparent
        WHERE parent.relname = ANY(:parents)
          AND parent.relnamespace = current_schema()::regnamespace
    """
    rows = await connection.execute(text(query), {"parents": list(PARTED)})
    return set(rows.scalars())


async def _drop_old(connection: AsyncConnection, before_ms: int) -> tuple[str, ...]:
    dropped = []
    for name in sorted(await _parts(connection)):
        found = _NAME.fullmatch(name)
        if found is None:  # an operator's own
            continue
        day = datetime.strptime(found[1], "%Y%m%d").replace(tzinfo=UTC)
        if day.timestamp() * 1000 + PART_MS <= before_ms:
            await connection.execute(text(f"DROP TABLE {name}"))
            dropped.append(name)
    return tuple(dropped)


async def _delete_old(engine: AsyncEngine, before_ms: int) -> int:
    return sum([await _delete_from(engine, each, before_ms) for each in PARTED])


async def _delete_from(engine: AsyncEngine, parted: str, before_ms: int) -> int:
    """Find the rows by their sessions, of which there are few, by an index."""
    statement = text(f"""
        DELETE FROM {parted} WHERE rowid IN (
            SELECT old.rowid FROM sessions JOIN {parted} old USING (session_id)
            WHERE sessions.opened_ms < :before_ms LIMIT {SLICE_ROWS})
    """)  # noqa: S608 - names of our own
    deleted = 0
    while True:
        async with engine.begin() as connection:
            done = await connection.execute(statement, {"before_ms": before_ms})
        deleted += done.rowcount
        if done.rowcount < SLICE_ROWS:
            return deleted
