"""What operators do with the database by hand: ``quizd db`` and ``quizd queue``.

Each function opens the database, does one thing, says lines of it and closes it. They
may be used while shards serve. All raise ``StoreUnavailable``, which says why not.
"""

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import asdict

import orjson
from sqlalchemy.ext.asyncio import AsyncEngine

from quizd.clock import iso
from quizd.session import records as rec
from quizd.store.base import StoreUnavailable
from quizd.store.migrations import check, current, head, revisions, upgrade
from quizd.store.place import Place
from quizd.store.transaction import named_failures
from quizd.store.write_behind import rejected
from quizd.store.write_behind.rejected import Rejected, records_in
from quizd.store.write_behind.results import Incomplete
from quizd.store.write_behind.sink import SinkUnavailable

UPGRADE_S = 3600.0
"""A step may have to look at every row."""

PAGE = 100
Say = Callable[[str], None]


@asynccontextmanager
async def _engine(place: Place, statement_s: float) -> AsyncIterator[AsyncEngine]:
    engine = place.engine(statement_s)
    try:
        async with named_failures():
            yield engine
    finally:
        await engine.dispose()


@asynccontextmanager
async def _ready(place: Place) -> AsyncIterator[AsyncEngine]:
    """Give an engine on a database that has this program's tables."""
    _there(place)
    async with _engine(place, place.timeout_s) as engine:
        await check(engine)
        yield engine


def _there(place: Place) -> None:
    if place.file is not None and not place.file.exists():
        raise StoreUnavailable(f"there is no database: {place.file}")


# -- quizd db ------------------------------------------------------------------------


async def upgrade_database(place: Place, say: Say) -> None:
    """Bring the database to the tables of this program; harmless where it has them."""
    async with _engine(place, UPGRADE_S) as engine:
        found = await current(engine)
        await upgrade(engine)
    if found == head():
        say(f"revision {found}, nothing to do")
    else:
        say(f"revision {found or 'none'} -> {head()}")


async def tell_revision(place: Place, say: Say) -> bool:
    """Say where the database is; tell whether this program can use it as it is."""
    _there(place)
    async with _engine(place, place.timeout_s) as engine:
        found = await current(engine)
    if found == head():
        say(f"revision {found}, as this quizd needs")
    elif found in {None, *revisions()}:
        say(f'revision {found or "none"}, behind {head()}: run "quizd db upgrade"')
    else:
        say(f"revision {found}, ahead of {head()}: a newer quizd has upgraded it")
    return found == head()


# -- quizd queue ---------------------------------------------------------------------


async def list_rejected(place: Place, say: Say) -> None:
    """Say a line for each batch that the database has refused, in that order."""
    after = 0
    async with _ready(place) as engine:
        while page := await rejected.listed(engine, PAGE, after):
            for each in page:
                say(_line(each))
            after = page[-1].id


async def show_rejected(place: Place, rejected_id: int, say: Say) -> bool:
    """Say what is in one batch, a record a line; tell whether it is on the list."""
    async with _ready(place) as engine:
        found = await rejected.show(engine, rejected_id)
    if found is None:
        return False
    listed, batch = found
    say(_line(listed))
    records = records_in(batch)
    if records is None:
        say(f"this version can't read it: {batch.hex()}")
    for record in records or []:
        say(_record(record))
    return True


async def retry_rejected(place: Place, session_id: str, say: Say) -> bool:
    """Try a session's refused batches again; tell whether all are written now.

    Raises ``ValueError`` where its results can't be worked out any more.
    """
    done, sink = True, place.sink()
    try:
        async with _ready(place) as engine:
            async for rejected_id, again in rejected.retry(engine, sink, session_id):
                done = done and again is None
                why = "written" if again is None else _why(again.code, again.error)
                say(f"{rejected_id}  {why}")
    except SinkUnavailable as error:
        raise StoreUnavailable(str(error)) from error
    except Incomplete as error:
        raise ValueError(f"no results: {error}") from error
    finally:
        await sink.disconnect()
    return done


async def drop_rejected(place: Place, rejected_id: int) -> bool:
    """Give a batch up for good; return whether it was on the list."""
    async with _ready(place) as engine:
        return await rejected.drop(engine, rejected_id)


def _line(each: Rejected) -> str:
    return (
        f"{each.id}  session {each.session_id}  batch {each.index}  "
        f"{iso(each.at_ms)}  {each.size_bytes} bytes  tried {each.tries}  "
        f"{_why(each.code, each.error)}"
    )


def _why(code: str, error: str) -> str:
    """Return both in one line; the database's own text may have several."""
    return f"{code}: {' '.join(error.split())}"


def _record(record: rec.Record) -> str:
    fields = orjson.dumps(asdict(record), default=_hex).decode()
    return f"{type(record).__name__} {fields}"


def _hex(value: object) -> str:
    if isinstance(value, bytes):
        return value.hex()
    raise TypeError
