"""One connection to Postgres that can't keep its user waiting for ever.

The driver's COPY waits without end for room in the buffer of a connection that is gone.
So the work is a task of its own here, ended when the connection is lost or the time is
up. After a failure the connection is dropped, and the next work makes a new one.

The server is told the same limit: somebody who was frozen, or cut off, in the middle of
a transaction must not keep the rows locked that the next owner has to move.
"""

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any, TypeVar

import asyncpg  # type: ignore[import-untyped]

from quizd.store.engine import letting_go
from quizd.store.write_behind.sink import SinkTimeout, SinkUnavailable

T = TypeVar("T")

CONNECT_S = 5.0
GRACE_S = 0.1
"""For work to notice by itself that its connection is lost."""

FAILURES = (
    asyncpg.PostgresError,
    asyncpg.InterfaceError,
    asyncpg.InternalClientError,
    OSError,
)
"""The third is the driver's own confusion, where a COPY is refused while it is sent."""


class Line:
    """A connection to *dsn*, for one task at a time; work may take *timeout_s*."""

    def __init__(self, dsn: str, timeout_s: float, name: str) -> None:
        self._dsn = dsn
        self._timeout_s = timeout_s
        self._settings = {
            "application_name": name,
            "statement_timeout": str(round(timeout_s * 1000)),
            **letting_go(timeout_s),
        }
        self._connection: Any = None
        self._task: asyncio.Task[Any] | None = None

    async def run(self, work: Callable[[Any], Coroutine[Any, Any, T]]) -> T:
        """Return what *work* returns, which is called with the connection.

        Raises ``SinkUnavailable`` for whatever the database or the way to it says, and
        what else *work* raises; the connection survives the latter.
        """
        self._task = task = asyncio.create_task(self._do(work))
        try:
            done, _ = await asyncio.wait({task}, timeout=self._timeout_s)
        finally:
            if not task.done():
                await self._give_up(task)
        if not done:
            raise SinkTimeout(f"no answer within {self._timeout_s:g} s")
        return self._result(task)

    def drop(self) -> None:
        """Cut the connection where there is one."""
        connection, self._connection = self._connection, None
        if connection is not None:
            connection.terminate()

    async def _do(self, work: Callable[[Any], Coroutine[Any, Any, T]]) -> T:
        if self._connection is None or self._connection.is_closed():
            self._connection = await asyncpg.connect(
                self._dsn,
                timeout=CONNECT_S,
                server_settings=self._settings,
            )
            self._connection.add_termination_listener(self._on_lost)
        return await work(self._connection)

    def _on_lost(self, _: object) -> None:
        if self._task is not None and not self._task.done():
            asyncio.get_running_loop().call_later(GRACE_S, self._task.cancel)

    async def _give_up(self, task: asyncio.Task[Any]) -> None:
        self.drop()
        task.cancel()
        await asyncio.wait({task})
        if not task.cancelled():
            task.exception()

    def _result(self, task: asyncio.Task[T]) -> T:
        if task.cancelled():
            self.drop()
            raise SinkUnavailable("the connection is lost")
        try:
            return task.result()
        except (*FAILURES, TimeoutError) as error:
            self.drop()
            raise SinkUnavailable(str(error) or type(error).__name__) from error
