"""One transaction, whose failures have one name whatever the database is."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import asyncpg  # type: ignore[import-untyped]
from sqlalchemy.exc import DBAPIError, IntegrityError
from sqlalchemy.exc import TimeoutError as NoConnection
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from quizd.store.base import StoreUnavailable

# SQLAlchemy passes on what asyncpg raises while it connects.
_CONNECTING = (OSError, asyncpg.PostgresError, asyncpg.InterfaceError)


@asynccontextmanager
async def named_failures() -> AsyncIterator[None]:
    """Turn whatever says that the database is not there into ``StoreUnavailable``.

    ``sqlalchemy.exc.IntegrityError`` goes through: a row contradicts another.
    """
    try:
        yield
    except IntegrityError:
        raise
    except DBAPIError as error:  # whose own text has the statement and its values
        raise StoreUnavailable(str(error.orig)) from error
    except (NoConnection, *_CONNECTING) as error:
        raise StoreUnavailable(str(error) or type(error).__name__) from error


@asynccontextmanager
async def transaction(engine: AsyncEngine) -> AsyncIterator[AsyncConnection]:
    """Begin a transaction, commit it at the end or roll it back.

    Failures have the names that :func:`named_failures` gives them.
    """
    async with named_failures(), engine.begin() as connection:
        yield connection
