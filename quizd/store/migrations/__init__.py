"""Bringing a database to the tables that this program knows.

Every step has a revision, ``0001``, ``0002`` and so on, and the database remembers the
one it is at. A database that nobody has numbered is new, or was made by the first
quizd, whose tables the first step adopts. Whoever upgrades holds a lock meanwhile, so
that programs which start together do it once; all steps are one transaction.
"""

from functools import cache
from importlib.resources import files

from sqlalchemy import Connection, inspect, select, table, text
from sqlalchemy import column as named
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from quizd.store.base import StoreUnavailable

VERSION_TABLE = "quizd_schema"
LOCK = 0x71_75_69_7A_64
"""Postgres' advisory lock of those who change tables: ``quizd`` in ASCII."""

_VERSION = table(VERSION_TABLE, named("version_num"))


class WrongSchema(StoreUnavailable):
    """The database's tables are not those of this program; says what to do."""


@cache
def revisions() -> tuple[str, ...]:
    """Return every revision that this program knows, oldest first."""
    names = (entry.name for entry in files(f"{__name__}.versions").iterdir())
    return tuple(sorted(name[1:5] for name in names if name.startswith("v")))


def head() -> str:
    """Return the revision whose tables this program uses."""
    return revisions()[-1]


async def current(engine: AsyncEngine) -> str | None:
    """Return the database's revision, ``None`` where it has no numbered tables."""
    async with engine.connect() as connection:
        return await connection.run_sync(_current)


async def check(engine: AsyncEngine) -> None:
    """Raise :class:`WrongSchema` unless the database is at :func:`head`."""
    found = await current(engine)
    _refuse_ahead(found)
    if found != head():
        raise WrongSchema(
            f"the database is at revision {found or 'none'}, this quizd needs "
            f'{head()}: run "quizd db upgrade"'
        )


async def upgrade(engine: AsyncEngine) -> None:
    """Bring the database to :func:`head`; harmless where it is there already.

    Raises :class:`WrongSchema` for a database that a newer quizd has upgraded.
    """
    if await current(engine) == head():
        return
    async with engine.begin() as connection:
        await lock(connection)
        found = await connection.run_sync(_current)
        _refuse_ahead(found)
        if found != head():
            await connection.run_sync(_run)


async def lock(connection: AsyncConnection) -> None:
    """Keep others from changing tables until the end of the transaction."""
    if connection.dialect.name == "sqlite":
        await connection.exec_driver_sql("BEGIN IMMEDIATE")
    else:
        await connection.execute(text(f"SELECT pg_advisory_xact_lock({LOCK})"))


def _refuse_ahead(found: str | None) -> None:
    if found is not None and found not in revisions():
        raise WrongSchema(
            f"the database is at revision {found}, this quizd knows only those up to "
            f"{head()}: a newer quizd has upgraded it"
        )


def _current(connection: Connection) -> str | None:
    if not inspect(connection).has_table(VERSION_TABLE):
        return None
    return connection.execute(select(_VERSION.c.version_num)).scalar_one_or_none()


def _run(connection: Connection) -> None:
    """Run the missing steps; Alembic takes long to import, and is seldom needed."""
    from alembic import command  # noqa: PLC0415 - see above
    from alembic.config import Config  # noqa: PLC0415 - see above

    config = Config()
    config.set_main_option("script_location", str(files(__name__)))
    config.attributes["connection"] = connection
    command.upgrade(config, "head")
