"""Round trips on a connection that is kept, for those who make many small ones.

A client takes a connection from its pool for each call, tries it, bounds each reply by
a timer and gives it back, which is most of what a small call costs. Here that is done
once. Replies are those that the client would give for the bare command.
"""

import asyncio
import math
from abc import ABC, abstractmethod
from collections import deque
from collections.abc import Callable, Generator, Iterable, Sequence
from dataclasses import dataclass
from typing import Any, cast

import hiredis
from redis.asyncio import Redis, RedisCluster
from redis.exceptions import ResponseError

from quizd.redis_client.clients import Client, ClusterClient, Word
from quizd.redis_client.master import MasterPool

Command = Sequence[Word]
Reply = Any
"""What the client returns, or a ``redis.ResponseError`` as a value."""

TOGETHER = 500
"""Commands of one round trip, about, where several people ask."""

WAITING_MAX = 10_000
"""Callers who wait for a round trip that others share; one more is told at once."""

RESTARTS = 8
"""The timer of a reply is started again after this part of it: not for each reply."""


class Trips(ABC):
    """Asks a server, for one who waits for each answer. Nothing is sent again."""

    @abstractmethod
    async def ask(self, commands: Sequence[Command]) -> list[Reply]:
        """Return the replies to *commands*, refusals of single ones among them.

        Raises `quizd.redis_client.TROUBLE` where it is unknown what came of
        them.
        """

    async def demand(self, commands: Sequence[Command]) -> list[Reply]:
        """Return the replies to *commands*; raise the first refusal, and as `ask`."""
        replies = await self.ask(commands)
        for reply in replies:
            if isinstance(reply, ResponseError):
                raise reply
        return replies

    @abstractmethod
    async def close(self) -> None:
        """Hang up; harmless where nothing is connected."""


def trips(client: Client) -> Trips:
    """Return a way to the server of *client*, for one at a time, or to a Cluster."""
    if isinstance(client, RedisCluster):
        return _Cluster(cast("ClusterClient", client))
    return _Server(client)


def shared_trips(client: Client) -> Trips:
    """Return the same for many: what comes meanwhile goes with the next round trip."""
    if isinstance(client, RedisCluster):
        return _Cluster(cast("ClusterClient", client))
    return _Shared(client)


class _Cluster(Trips):
    """Asks the nodes that have the keys, on connections of the client.

    Each call is on its own: a node that hangs holds up nobody who asks another one.
    """

    def __init__(self, client: ClusterClient) -> None:
        self._client = client

    async def ask(self, commands: Sequence[Command]) -> list[Reply]:
        """See `Trips.ask`."""
        replies = await self._client.execute_all(commands)
        for reply in replies:
            if isinstance(reply, Exception) and not isinstance(reply, ResponseError):
                raise reply
        return replies

    async def close(self) -> None:
        """See `Trips.close`."""


class _Server(Trips):
    """Asks one server, or the master that Sentinels name."""

    def __init__(self, client: Redis) -> None:
        pool: Any = client.connection_pool
        self._callbacks = client.response_callbacks
        self._pool = pool if isinstance(pool, MasterPool) else None
        self._connection = pool.make_connection()
        self._timeout_s = self._connection.socket_timeout
        self._loop = asyncio.get_running_loop()

    async def ask(self, commands: Sequence[Command]) -> list[Reply]:
        """See `Trips.ask`."""
        replies: list[Reply] = []
        await self.exchange(commands, replies.append)
        return replies

    async def exchange(
        self, commands: Sequence[Command], take: Callable[[Reply], object]
    ) -> None:
        """Give the replies to *take*, one by one; raises as `ask` does."""
        connection = self._connection
        try:
            await self._connect()
            async with asyncio.timeout(self._timeout_s) as limit:
                await connection.send_packed_command(
                    [hiredis.pack_command(cast("Any", each)) for each in commands],
                    check_health=False,
                )
                for command in commands:
                    take(await self._reply(command))
                    self._go_on(limit)
        except BaseException:
            await connection.disconnect(nowait=True)
            raise

    async def close(self) -> None:
        """See `Trips.close`."""
        await self._connection.disconnect(nowait=True)

    async def _connect(self) -> None:
        """Connect, unless the connection is there and as it was left."""
        connection = self._connection
        if self._pool is not None:
            await self._pool.leave_former(connection)
        if connection.is_connected and not await connection.can_read():
            return
        await connection.disconnect(nowait=True)  # the server may have hung up
        connection.socket_timeout = self._timeout_s  # of each step of logging in
        await connection.connect()
        if self._pool is not None:
            await self._pool.confirm(connection)
        connection.socket_timeout = None  # one timer for what is asked, not for each

    def _go_on(self, limit: asyncio.Timeout) -> None:
        """Give the next reply the time that each may take, or a little less."""
        until_s = self._loop.time() + self._timeout_s
        if until_s - (limit.when() or 0) > self._timeout_s / RESTARTS:
            limit.reschedule(until_s)

    async def _reply(self, command: Command) -> Reply:
        try:
            reply = await self._connection.read_response(
                timeout=math.inf, disconnect_on_error=False
            )
        except ResponseError as error:
            return error
        callback = self._callbacks.get(cast("str", command[0]))
        return reply if callback is None else callback(reply)


@dataclass(frozen=True, slots=True)
class _Asked:
    """Commands that somebody waits for."""

    commands: Sequence[Command]
    replies: asyncio.Future[list[Reply]]


class _Shared(Trips):
    """Asks one server for many, in their order."""

    def __init__(self, client: Redis) -> None:
        self._server = _Server(client)
        self._waiting: deque[_Asked] = deque()
        self._under_way: list[_Asked] = []
        self._task: asyncio.Task[None] | None = None
        self._closed = False

    async def ask(self, commands: Sequence[Command]) -> list[Reply]:
        """See `Trips.ask`; whoever gives up leaves the others alone."""
        if len(self._waiting) >= WAITING_MAX:
            raise ConnectionError("too many wait for its answers")
        loop = asyncio.get_running_loop()
        asked = _Asked(commands, loop.create_future())
        self._waiting.append(asked)
        if self._task is None:
            self._task = loop.create_task(self._run())
        return await asked.replies

    async def close(self) -> None:
        """See `Trips.close`; who still waits is answered, and hung up behind."""
        self._closed = True
        if self._task is None:
            await self._server.close()
            return
        asked = [*self._under_way, *self._waiting]
        if all(each.replies.done() for each in asked):  # by now nobody wants to know
            self._task.cancel()
        await asyncio.wait({self._task})

    async def _run(self) -> None:
        try:
            while self._waiting:
                self._under_way = group = self._group()
                commands = [command for each in group for command in each.commands]
                try:
                    await self._server.exchange(commands, _settling(group).send)
                except Exception as error:  # noqa: BLE001 - theirs who wait
                    _fail(group, error)
        finally:
            _fail([*self._under_way, *self._waiting], ConnectionError("hung up"))
            self._task, self._under_way = None, []
            self._waiting.clear()
            if self._closed:
                await self._server.close()

    def _group(self) -> list[_Asked]:
        group = [self._waiting.popleft()]
        size = len(group[0].commands)
        while self._waiting and size < TOGETHER:
            group.append(self._waiting.popleft())
            size += len(group[-1].commands)
        return group


def _settling(group: Iterable[_Asked]) -> Generator[None, Reply, None]:
    """Take the replies, and give each of *group* its own as soon as it has all."""

    def settling() -> Generator[None, Reply, None]:
        for each in group:
            replies: list[Reply] = []
            while len(replies) < len(each.commands):
                replies.append((yield))
            if not each.replies.done():  # whoever asked has gone away
                each.replies.set_result(replies)
        yield

    taking = settling()
    next(taking)
    return taking


def _fail(group: Iterable[_Asked], error: Exception) -> None:
    for each in group:
        if not each.replies.done():
            each.replies.set_exception(error)
