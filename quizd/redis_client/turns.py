"""Bounds how many ask a server at once, so that a rush waits instead of failing.

The pools of redis-py refuse whoever comes when all connections are in use. Each server
has turns of its own: one that hangs holds up those who ask it, and nobody else.
"""

import asyncio
from collections import defaultdict
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import partial

from redis.exceptions import MaxConnectionsError


class Turns:
    """At most *count* at each server; others wait, up to *wait_s* seconds."""

    def __init__(self, count: int, wait_s: float) -> None:
        self._wait_s = wait_s
        self._free = defaultdict[str, asyncio.Semaphore](
            partial(asyncio.Semaphore, count)
        )

    @asynccontextmanager
    async def at(self, server: str) -> AsyncIterator[None]:
        """Have a turn meanwhile; raise ``MaxConnectionsError`` where none gets free."""
        free = self._free[server]
        try:
            async with asyncio.timeout(self._wait_s if free.locked() else None):
                await free.acquire()
        except TimeoutError as error:
            raise MaxConnectionsError("too many wait for its answers") from error
        try:
            yield
        finally:
            free.release()
