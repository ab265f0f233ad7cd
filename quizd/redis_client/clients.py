"""Clients of redis-py, made to quizd's manners."""

from typing import Any

from redis.asyncio import BlockingConnectionPool, Redis, RedisCluster, Sentinel
from redis.asyncio.cluster import ClusterNode
from redis.asyncio.connection import (
    Connection,
    SSLConnection,
    UnixDomainSocketConnection,
)
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff

from quizd.redis_client.options import Mode, RedisOptions, Target, resolve

Client = Redis | RedisCluster
"""What `connect` returns; commands are methods of the same names on both."""

HEALTH_CHECK_S = 15
"""A pooled connection idle for longer is tried by PING before it is used."""


def connect(options: RedisOptions, shard: str) -> Client:
    """Return a client that shows itself as ``quizd-<shard>``; nothing is sent yet.

    Replies are bytes (RESP2). One server's pool lets callers wait ``timeout_s`` for a
    connection; those of Sentinel and Cluster raise ``MaxConnectionsError`` at once.
    Raises `RedisMisconfigured`; every command may raise ``redis.RedisError``.
    """
    target = resolve(options)
    common = {
        "client_name": f"quizd-{shard}",
        "username": target.login.username or None,
        "password": target.login.password or None,
        **_manners(target),
    }
    make = {
        Mode.SINGLE: _single,
        Mode.SENTINEL: _sentinel,
        Mode.CLUSTER: _cluster,
    }[target.mode]
    return make(target, options, common)


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


def _single(target: Target, options: RedisOptions, common: dict[str, Any]) -> Client:
    kind: type[Connection | UnixDomainSocketConnection]
    if target.path:
        kind, common = UnixDomainSocketConnection, common | {"path": target.path}
    else:
        kind, (host, port) = Connection, target.hosts[0]
        common |= {"host": host, "port": port, "socket_keepalive": True}
    if target.tls:
        kind, common = SSLConnection, common | _verified(options)
    return Redis.from_pool(
        BlockingConnectionPool(
            max_connections=options.connections,
            timeout=target.timeout_s,
            connection_class=kind,
            db=target.db,
            **common,
        )
    )


class _SentinelClient(Redis):
    """A client of the master that closes its Sentinels with itself."""

    sentinels: Sentinel

    async def aclose(self, *arguments: bool | None) -> None:
        """Close pool and Sentinels."""
        await super().aclose(*arguments)
        await self.sentinels.aclose()


def _sentinel(target: Target, options: RedisOptions, common: dict[str, Any]) -> Client:
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
        max_connections=options.connections,
        db=target.db,
        check_connection=True,
        **common,
        **tls,
    )
    client.sentinels = sentinels
    return client


def _cluster(target: Target, options: RedisOptions, common: dict[str, Any]) -> Client:
    tls = {"ssl": True, **_verified(options)} if target.tls else {}
    return RedisCluster(
        startup_nodes=[ClusterNode(host, port) for host, port in target.hosts],
        max_connections=options.connections,
        **common,
        **tls,
    )
