"""Connections that stay with the master, where Sentinels say who that is.

After a failover that an operator asks for, Sentinels leave the old master as it is for
eight seconds and more: it takes writes that are gone once it is told what it is now.
redis-py asks who the master is when it connects, and a connection may last for days.
So who is about to use one knows the master as of a moment ago.

All who may meet must hear the same, so the question is the one that Sentinels answer
alike at the end of a failover; by ``SENTINEL MASTERS``, which redis-py asks, the one
that leads it goes on to name the old master for a while.
"""

import asyncio
from asyncio.staggered import staggered_race
from collections.abc import Sequence
from functools import partial
from typing import Any, cast

from redis.asyncio import Redis
from redis.asyncio.connection import AbstractConnection
from redis.asyncio.sentinel import MasterNotFoundError, SentinelConnectionPool
from redis.exceptions import ResponseError

Address = tuple[str, int]

WHO = "SENTINEL GET-MASTER-ADDR-BY-NAME"
NO_SENTINEL = "No Sentinel answers"
NO_MASTER = "No master found"

OLD_S = 0.25
"""An answer that is older is waited for: much less than a lease is."""

AHEAD_S = OLD_S / 2
"""One that is older is asked for anew, so that nobody waits while many come."""

PATIENCE_S = 0.1
"""For so long it is waited for; then the next Sentinel is asked, too."""


class MasterPool(SentinelConnectionPool):
    """A pool whose connections are used only at the master of the latest answer.

    Where no Sentinel answers the master that is known is kept.
    """

    def __init__(self, *args: Any, **options: Any) -> None:  # noqa: ANN401 - redis-py's
        super().__init__(*args, **options)  # type: ignore[no-untyped-call]
        self._sentinels: list[Redis] = list(self.sentinel_manager.sentinels)
        self._asking: asyncio.Task[None] | None = None
        self._asked_s = self._known_s = float("-inf")
        self._closed = False

    async def ensure_connection(self, connection: AbstractConnection) -> None:
        """Connect it to the master, unless it is there; raises as connecting does."""
        await self.leave_former(connection)
        await super().ensure_connection(connection)
        await self.confirm(connection)

    async def leave_former(self, connection: Any) -> bool:  # noqa: ANN401 - redis-py's
        """Hang up where *connection* is at a master that was replaced; tell whether."""
        await self._look()
        there = (connection.host, connection.port)
        if not connection.is_connected or there == self.master_address:
            return False
        await connection.disconnect(nowait=True)
        return True

    async def confirm(self, connection: AbstractConnection) -> None:
        """Raise ``ConnectionError`` where *connection* was made to a former master."""
        if await self.leave_former(connection):
            raise ConnectionError("the master was replaced meanwhile")

    async def get_master_address(self) -> Address:
        """Return host and port of the latest answer; the first one is waited for.

        Where none was ever named, raises what a Sentinel said instead, or
        ``MasterNotFoundError``.
        """
        await self._look()
        if self.master_address is None and self._asking is not None:
            await asyncio.wait({self._asking})
        if self.master_address is None:
            await self._ask()
        return cast("Address", self.master_address)

    async def aclose(self) -> None:
        """Hang up everywhere, and ask no more."""
        self._closed = True
        if self._asking is not None:
            self._asking.cancel()
        await super().aclose()

    # -- who it is -----------------------------------------------------------------

    async def _look(self) -> None:
        """See that the master is known as of a moment ago, if Sentinels tell."""
        now_s = asyncio.get_running_loop().time()
        if now_s - self._known_s < AHEAD_S or self._closed:
            return
        if self._asking is None and now_s - self._asked_s >= AHEAD_S:
            self._asked_s = now_s
            self._asking = asyncio.create_task(self._ask_again())
        left_s = self._asked_s + PATIENCE_S - now_s
        if now_s - self._known_s >= OLD_S and self._asking is not None and left_s > 0:
            await asyncio.wait({self._asking}, timeout=left_s)

    async def _ask_again(self) -> None:
        try:
            await self._ask()
        except Exception:  # noqa: BLE001, S110 - whoever connects will hear of it
            pass
        finally:
            self._asking = None

    async def _ask(self) -> None:
        """Take the answer of the Sentinel that is first; ask it first from now on."""
        began_s = asyncio.get_running_loop().time()
        asks = [partial(self._said_by, one) for one in self._sentinels]
        answer, first, errors = await staggered_race(asks, PATIENCE_S)
        if first is None:
            raise _telling(errors)
        self._sentinels.insert(0, self._sentinels.pop(first))
        self.master_address, self._known_s = answer, began_s

    async def _said_by(self, sentinel: Redis) -> Address:
        found = await sentinel.execute_command(WHO, self.service_name)  # type: ignore[no-untyped-call]
        if found is None:
            raise ResponseError(NO_MASTER)
        host, port = found
        return host.decode(), port


def _telling(errors: Sequence[Exception | None]) -> Exception:
    """Return what the first Sentinel said that said anything."""
    said = (error for error in errors if isinstance(error, ResponseError))
    return next(said, MasterNotFoundError(NO_SENTINEL))
