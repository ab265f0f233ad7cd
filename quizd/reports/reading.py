"""Reading a page, unless the database is away or is to be left alone."""

from collections.abc import Callable
from typing import Any

from sqlalchemy import Select
from sqlalchemy.ext.asyncio import AsyncEngine

from quizd.store.base import StoreUnavailable
from quizd.store.transaction import transaction


class Reader:
    """Reads what *engine* leads to; *busy* tells when that would do harm."""

    def __init__(self, engine: AsyncEngine, busy: Callable[[], bool]) -> None:
        self._engine = engine
        self._busy = busy

    async def rows(self, query: Select[Any]) -> list[tuple[Any, ...]]:
        """Return the rows of *query*; raise ``StoreUnavailable``."""
        if self._busy():
            raise StoreUnavailable("the database is slow and reports have to wait")
        async with transaction(self._engine) as connection:
            return [tuple(row) for row in await connection.execute(query)]
