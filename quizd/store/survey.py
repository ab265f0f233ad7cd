"""What an operator should know of the database before anybody relies on it."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import TypeVar

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from quizd.store.migrations import current, head, revisions
from quizd.store.place import Place
from quizd.store.transaction import named_failures

T = TypeVar("T")

VERSION_MIN = 13
VERSION_UNIT = 10_000
"""What Postgres multiplies its major version by (``server_version_num``)."""


@dataclass(frozen=True, slots=True)
class Survey:
    """What was found, and a sentence for each thing to be put right."""

    detail: str
    warnings: tuple[str, ...] = ()


async def survey(place: Place) -> Survey:
    """Look at the database of *place*, and at its replica, and change nothing.

    Raises ``StoreUnavailable`` where one of them can't be reached.
    """
    if place.dsn:
        return await _survey_postgres(place)
    if place.file is None:
        return Survey("none: what is played is gone when quizd stops")
    if not place.file.exists():
        return Survey(f"SQLite, {place.file} will be made")
    found = await _with(place.engine(), current)
    behind = () if found in {None, *revisions()} else (_ahead(found),)
    return Survey(f"SQLite, {place.file}, revision {found or 'none'}", behind)


async def _survey_postgres(place: Place) -> Survey:
    engine = place.engine()
    try:
        async with named_failures():
            found = await current(engine)
            async with engine.connect() as connection:
                detail, warnings = await _look(connection)
    finally:
        await engine.dispose()
    if place.replica_dsn:
        warnings += await _with(place.reading(), _look_at_replica)
        detail += ", with a replica"
    return Survey(f"{detail}, revision {found or 'none'}", (*_due(found), *warnings))


async def _look(connection: AsyncConnection) -> tuple[str, tuple[str, ...]]:
    row = (await connection.execute(text(_ASK))).one()
    warnings = []
    if row.number < VERSION_MIN * VERSION_UNIT:
        warnings.append(f"upgrade Postgres: {VERSION_MIN} is the oldest that will do")
    if row.standby:
        warnings.append("database.url leads to a standby: it takes no writes")
    elif not row.creates:
        warnings.append("grant CREATE on the schema: parts of tables are made weekly")
    if "off" in (row.fsync, row.synchronous_commit):
        warnings.append(
            "set fsync and synchronous_commit to on: what is written leaves the journal"
        )
    return f"Postgres {row.version}", tuple(warnings)


_ASK = """
    SELECT current_setting('server_version_num')::int AS number,
           split_part(current_setting('server_version'), ' ', 1) AS version,
           pg_is_in_recovery() AS standby,
           has_schema_privilege(current_schema(), 'CREATE') AS creates,
           current_setting('fsync') AS fsync,
           current_setting('synchronous_commit') AS synchronous_commit
"""


async def _look_at_replica(engine: AsyncEngine) -> tuple[str, ...]:
    async with engine.connect() as connection:
        query = text("SELECT pg_is_in_recovery()")
        standby = (await connection.execute(query)).scalar_one()
    if standby:
        return ()
    return ("database.replica_url leads to no standby: reports may miss what is new",)


async def _with(engine: AsyncEngine, look: Callable[[AsyncEngine], Awaitable[T]]) -> T:
    try:
        async with named_failures():
            return await look(engine)
    finally:
        await engine.dispose()


def _due(found: str | None) -> tuple[str, ...]:
    if found == head():
        return ()
    if found in {None, *revisions()}:
        return ("run: quizd db upgrade",)
    return (_ahead(found),)


def _ahead(found: str | None) -> str:
    return f"a newer quizd has upgraded it to {found}: install that one"
