"""Clients of redis-py, made to quizd's manners."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from typing import Any, cast

from redis.asyncio import ConnectionPool, Redis, RedisCluster, Sentinel
from redis.asyncio.cluster import ClusterNode
from redis.asyncio.connection import (
    Connection,
    SSLConnection,
    UnixDomainSocketConnection,
)
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from redis.exceptions import (
    AskError,
    MovedError,
    RedisClusterException,
    RedisError,
    TryAgainError,
)
from redis.exceptions import ConnectionError as RedisConnectionError

from quizd.redis_client.master import MasterPool
from quizd.redis_client.options import Mode, RedisOptions, Target, resolve
from quizd.redis_client.turns import Turns

Client = Redis | RedisCluster
"""What `connect` returns; commands are methods of the same names on both."""

Word = bytes | str | int

TROUBLE = (RedisError, RedisClusterException, OSError, TimeoutError)
"""What a client's methods raise; one of redis-py's own is no `RedisError`."""

ELSEWHERE = (MovedError, AskError, TryAgainError)
"""What a Cluster's node replies to keys that it does not have, or not all of."""

SLACK = 4
"""So many times the turns is what a node's pool has: some ask elsewhere than they took
their turn, because the slots are not known yet or have moved."""

HEALTH_CHECK_S = 15
"""A pooled connection idle for longer is tried by PING before it is used."""


@contextmanager
def closed_in_use() -> Iterator[None]:
    """Raise ``redis.ConnectionError`` where a connection was closed under a call.

    Servers close idle ones, and redis-py all of a Cluster's node that fails, whoever
    writes to them: which then fails as the transport's insides do (redis-py #4287).
    """
    try:
        yield
    except (AttributeError, TypeError, RuntimeError) as error:
        raise RedisConnectionError(f"was closed while in use ({error!r})") from error


class _Client(Redis):
    """A client of one server: callers take turns, and what fails is `TROUBLE`."""

    turns: Turns

    async def execute_command(self, *args: Any, **options: Any) -> Any:  # noqa: ANN401 - any reply
        """See ``Redis.execute_command``."""
        async with self.turns.at(""):
            with closed_in_use():
                return await super().execute_command(*args, **options)  # type: ignore[no-untyped-call]


class ClusterClient(RedisCluster):
    """A client of a Cluster, in the same way."""

    turns: Turns

    async def execute_command(self, *args: Any, **options: Any) -> Any:  # noqa: ANN401 - any reply
        """See ``RedisCluster.execute_command``."""
        async with self.turns.at(self.server_of(args)):
            with closed_in_use():
                return await super().execute_command(*args, **options)

    async def execute_all(self, commands: Sequence[Sequence[Word]]) -> list[Any]:
        """Return the replies to *commands* on keys of one node, errors among them.

        What the node sends elsewhere is sent there, each by a turn of its own.
        """
        pipeline = self.pipeline(transaction=False)
        for command in commands:
            pipeline.execute_command(*command)
        async with self.turns.at(self.server_of(commands[0])):
            with closed_in_use():
                replies = list(
                    await pipeline.execute(
                        raise_on_error=False, allow_redirections=False
                    )
                )
        for number, reply in enumerate(replies):
            if isinstance(reply, ELSEWHERE):
                replies[number] = await self._elsewhere(commands[number])
        return replies

    async def _elsewhere(self, command: Sequence[Word]) -> Any:  # noqa: ANN401 - any reply
        try:
            return await self.execute_command(*command)
        except TROUBLE as error:
            return error

    def server_of(self, command: Sequence[Word]) -> str:
        """Return the name of the node that *command* goes to, empty where unknown."""
        place = 3 if command[0] in {"EVAL", "EVALSHA"} else 1
        try:
            node = self.get_node_from_key(cast("str", command[place]))
        except (IndexError, RedisClusterException):
            return ""
        return str(node.name) if node else ""


class _SentinelClient(_Client):
    """A client of the master that closes its Sentinels with itself."""

    sentinels: Sentinel

    async def aclose(self, *arguments: bool | None) -> None:
        """Close pool and Sentinels."""
        await super().aclose(*arguments)
        await self.sentinels.aclose()


def connect(options: RedisOptions, shard: str) -> Client:
    """Return a client that shows itself as ``quizd-<shard>``; nothing is sent yet.

    Replies are bytes (RESP2). Callers wait ``timeout_s`` for one of ``connections`` to
    the server that they ask. Raises `RedisMisconfigured`; commands raise `TROUBLE`.
    """
    target = resolve(options)
    common = {
        "client_name": f"quizd-{shard}",
        "username": target.login.username or None,
        "password": target.login.password or None,
        **_manners(target),
    }
    makers: dict[Mode, Callable[..., _Client | ClusterClient]] = {
        Mode.SINGLE: _single,
        Mode.SENTINEL: _sentinel,
        Mode.CLUSTER: _cluster,
    }
    client = makers[target.mode](target, options, common)
    client.turns = Turns(options.connections, options.timeout_s)
    return client


async def hang_up(client: Client) -> None:
    """Close all connections of *client*; where one fails, it is closed already."""
    with suppress(*TROUBLE), closed_in_use():
        await client.aclose()


def _manners(target: Target) -> dict[str, Any]:
    """Return how connections behave that are no pool's business."""
    return {
        "protocol": 2,
        "socket_timeout": target.timeout_s,
        "socket_connect_timeout": target.timeout_s,
        "health_check_interval": HEALTH_CHECK_S,
        "retry": Retry(NoBackoff(), 0),
    }


def _verified(options: RedisOptions) -> dict[str, Any]:
    """Return TLS as redis-py takes it; `resolve` has tried the files."""
    return {
        "ssl_ca_certs": options.tls_ca or None,
        "ssl_certfile": options.tls_certificate or None,
        "ssl_keyfile": options.tls_key or None,
        "ssl_cert_reqs": "required",
        "ssl_check_hostname": True,
    }


def _single(target: Target, options: RedisOptions, common: dict[str, Any]) -> _Client:
    kind: type[Connection | UnixDomainSocketConnection]
    if target.path:
        kind, common = UnixDomainSocketConnection, common | {"path": target.path}
    else:
        kind, (host, port) = Connection, target.hosts[0]
        common |= {"host": host, "port": port, "socket_keepalive": True}
    if target.tls:
        kind, common = SSLConnection, common | _verified(options)
    pool = ConnectionPool(
        max_connections=options.connections,
        connection_class=kind,
        db=target.db,
        **common,
    )
    return cast("_Client", _Client.from_pool(pool))


def _sentinel(target: Target, options: RedisOptions, common: dict[str, Any]) -> _Client:
    tls = {"ssl": True, **_verified(options)} if target.tls else {}
    sentinels = Sentinel(  # type: ignore[no-untyped-call]
        target.hosts,
        sentinel_kwargs={
            "username": target.sentinel_login.username or None,
            "password": target.sentinel_login.password or None,
            **_manners(target),
            **tls,
        },
    )
    client: _SentinelClient = sentinels.master_for(
        target.service,
        redis_class=_SentinelClient,
        connection_pool_class=MasterPool,
        max_connections=options.connections,
        db=target.db,
        check_connection=True,
        **common,
        **tls,
    )
    client.sentinels = sentinels
    return client


def _cluster(
    target: Target, options: RedisOptions, common: dict[str, Any]
) -> ClusterClient:
    tls = {"ssl": True, **_verified(options)} if target.tls else {}
    return ClusterClient(
        startup_nodes=[ClusterNode(host, port) for host, port in target.hosts],
        max_connections=SLACK * options.connections,
        reinitialize_steps=0,  # what has moved is noted; else every fifth closes all
        **common,
        **tls,
    )
