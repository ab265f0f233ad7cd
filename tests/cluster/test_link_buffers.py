"""How near the server is to closing a listener."""

from collections.abc import Iterator
from dataclasses import replace

import pytest

from quizd.cluster.link.buffers import ListenerBuffers, listener_buffers
from quizd.cluster.link.redis import RedisLink
from quizd.redis_client import RedisOptions, connect
from tests.contract.links import QUICK, guarded_options, taking
from tests.support.fault_proxy import FaultProxy
from tests.support.redis_server import needs_redis
from tests.support.redis_topologies import (
    LINK_ACL,
    LOOK_ACL,
    Cluster,
    GuardedServer,
    a_cluster,
    a_guarded_server,
    ask,
)

pytestmark = needs_redis


def _guarded() -> Iterator[GuardedServer]:
    with a_guarded_server() as server:
        yield server


guarded_fixture = pytest.fixture(name="guarded", scope="module")(_guarded)


async def test_tells_limit_and_use(guarded: GuardedServer) -> None:
    """A listener that reads nothing makes the number grow."""
    port = guarded.server.port
    options = RedisOptions(f"redis://127.0.0.1:{port}")
    client = connect(options, "a1")
    async with FaultProxy(port) as proxy:
        far = RedisOptions(f"redis://127.0.0.1:{proxy.port}")
        patient = replace(QUICK, heartbeat_s=30.0)
        async with RedisLink(far, "far", timing=patient) as link:
            await taking(link, "quizd:x")
            idle = await listener_buffers(client, "far")
            assert idle == ListenerBuffers(33_554_432, 8_388_608, 60, 0)
            assert not idle.is_high
            proxy.black_hole()
            for _ in range(130):
                await client.publish("quizd:x", b"x" * 100_000)
            full = await listener_buffers(client)
            assert full.used_bytes is not None
            assert full.used_bytes > 4_194_304
            assert full.is_high
            other = await listener_buffers(client, "another")
            assert other.used_bytes == 0
    await client.aclose()


async def test_a_user_who_may_not_look_learns_nothing(
    guarded: GuardedServer,
) -> None:
    """The link's own rights do not suffice; that is no error."""
    client = connect(guarded_options(guarded), "a1")
    assert await listener_buffers(client) == ListenerBuffers(None, None, None, None)
    await client.aclose()


async def test_two_more_rights_are_enough(guarded: GuardedServer) -> None:
    """What has to be added to the ACL for the numbers to be seen."""
    port = guarded.server.port
    ask(port, "ACL", "SETUSER", "looker", "on", "nopass", *LINK_ACL.split())
    ask(port, "ACL", "SETUSER", "looker", *LOOK_ACL.split())
    client = connect(RedisOptions(f"redis://looker:x@127.0.0.1:{port}"), "a1")
    found = await listener_buffers(client)
    assert (found.hard_bytes, found.used_bytes) == (33_554_432, 0)
    await client.aclose()


def _cluster() -> Iterator[Cluster]:
    with a_cluster() as cluster:
        yield cluster


cluster_fixture = pytest.fixture(name="cluster", scope="module")(_cluster)


async def test_a_cluster_is_asked_node_by_node(cluster: Cluster) -> None:
    """The tightest limit and the fullest buffer of all primaries count."""
    limit = "client-output-buffer-limit"
    ask(cluster.ports[1], "CONFIG", "SET", limit, "pubsub 1000000 0 0")
    client = connect(RedisOptions(cluster.url), "a1")
    found = await listener_buffers(client)
    assert found == ListenerBuffers(1_000_000, 0, 0, 0)
    await client.aclose()
