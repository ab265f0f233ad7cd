"""The link over a Redis Cluster: slots move, nodes go, old versions have no shards."""

from collections.abc import AsyncIterator, Iterator
from dataclasses import replace

import pytest

from quizd.cluster.link.redis import RedisLink
from quizd.cluster.link.routes import slot
from quizd.redis_client import Description, RedisOptions
from tests.contract.links import QUICK, taking, through
from tests.support.redis_server import has_sharded_pubsub, needs_redis
from tests.support.redis_topologies import Cluster, a_cluster, ask

pytestmark = needs_redis

needs_sharded_pubsub = pytest.mark.skipif(
    not has_sharded_pubsub(), reason="sharded pub/sub came with Redis 7.0"
)

TIMING = replace(QUICK, refresh_s=60.0)
"""Routes are asked for again because of trouble, not because it is time."""


def _cluster() -> Iterator[Cluster]:
    with a_cluster() as cluster:
        yield cluster


async def _link(cluster: Cluster) -> AsyncIterator[RedisLink]:
    async with RedisLink(RedisOptions(cluster.url), "one", timing=TIMING) as link:
        yield link


cluster_fixture = pytest.fixture(name="cluster", scope="module")(_cluster)
link_fixture = pytest.fixture(name="link")(_link)


def _channel_of(cluster: Cluster, port: int) -> str:
    """Return a channel whose slot is at the node on *port*."""
    names = (f"quizd:{{s{number}}}:x" for number in range(1000))
    return next(name for name in names if cluster.owner(slot(name)) == port)


@needs_sharded_pubsub
async def test_every_node_carries_its_own_slots(
    cluster: Cluster, link: RedisLink
) -> None:
    """A channel is subscribed at its slot's primary, as sharded pub/sub wants."""
    for port in cluster.ports:
        channel = _channel_of(cluster, port)
        taker = await taking(link, channel)
        link.publish(channel, b"x")
        assert await taker.got(1) == [b"x"]
        assert channel in ask(port, "PUBSUB", "SHARDCHANNELS")
    assert link.connected


@needs_sharded_pubsub
async def test_a_slot_that_moves_is_followed(cluster: Cluster, link: RedisLink) -> None:
    """The loss is told, and messages come over the new primary."""
    channel = _channel_of(cluster, cluster.ports[0])
    taker = await taking(link, channel)
    cluster.move(slot(channel))
    await taker.lost(2)
    await through(link, channel, taker)
    owner = cluster.owner(slot(channel))
    assert owner != cluster.ports[0]
    assert ask(owner, "PUBSUB", "SHARDNUMSUB", channel) == [channel, 1]


@needs_sharded_pubsub
async def test_a_publisher_finds_a_slot_that_has_moved(
    cluster: Cluster, link: RedisLink
) -> None:
    """What the old primary refuses is counted, what follows goes to the new one."""
    async with RedisLink(RedisOptions(cluster.url), "two", timing=TIMING) as other:
        channel = _channel_of(cluster, cluster.ports[1])
        taker = await taking(link, channel)
        await taking(other, _channel_of(cluster, cluster.ports[2]))
        cluster.move(slot(channel))
        await taker.lost(2)
        await through(other, channel, taker)
        numbers = [b"%d" % number for number in range(20)]
        for payload in numbers:
            other.publish(channel, payload)
        await taker.until(lambda: taker.payloads[-20:] == numbers)


@needs_sharded_pubsub
async def test_a_node_that_dies_takes_only_its_own_channels(
    cluster: Cluster, link: RedisLink
) -> None:
    """Others go on undisturbed; when it is back, so are its channels."""
    server = cluster.servers[2]
    gone, stays = (_channel_of(cluster, port) for port in cluster.ports[2:0:-1])
    taker, witness = await taking(link, gone), await taking(link, stays)
    await server.kill()
    await taker.lost(1)
    await through(link, stays, witness)
    assert not link.connected
    assert witness.losses == 0
    await server.start()
    await taker.lost(2)
    await through(link, gone, taker)


async def test_without_sharded_pubsub_one_node_will_do(
    cluster: Cluster, monkeypatch: pytest.MonkeyPatch
) -> None:
    """On a Cluster before 7.0 links meet over whatever nodes they are at."""
    monkeypatch.setattr(Description, "has_sharded_pubsub", False)
    options = RedisOptions(cluster.url)
    async with (
        RedisLink(options, "one", timing=TIMING) as one,
        RedisLink(options, "two", timing=TIMING) as two,
    ):
        channel = "quizd:{classic}:x"
        taker = await taking(one, channel)
        await through(two, channel, taker)  # nodes that met lately lose some
        sent = [b"%d" % number for number in range(100)]
        for payload in sent:
            two.publish(channel, payload)
        await taker.until(lambda: taker.payloads[-1] == sent[-1])
        assert taker.payloads[-100:] == sent
        assert len(one._nodes) == len(two._nodes) == 1
        if has_sharded_pubsub():
            assert not any(ask(p, "PUBSUB", "SHARDCHANNELS") for p in cluster.ports)


async def test_a_seed_that_is_down_is_passed_over(cluster: Cluster) -> None:
    """Any node that answers will do to find all others."""
    url = f"redis+cluster://127.0.0.1:1,127.0.0.1:{cluster.ports[2]}"
    async with RedisLink(RedisOptions(url), "one", timing=TIMING) as link:
        channel = _channel_of(cluster, cluster.ports[1])
        taker = await taking(link, channel)
        await through(link, channel, taker)


@pytest.mark.parametrize(
    ("channel", "number"),
    [
        ("123456789", 0x31C3),
        ("{123456789}:x", 0x31C3),
        ("a{123456789}{b}", 0x31C3),
        ("{}123", None),
        ("{123", None),
        ("foo{{bar}}zap", None),
        ("ü", None),
    ],
)
def test_slots_are_those_of_the_server(
    cluster: Cluster, channel: str, number: int | None
) -> None:
    """Hash tags included; the specification's check value is 0x31C3."""
    assert slot(channel) == ask(cluster.ports[0], "CLUSTER", "KEYSLOT", channel)
    assert number in {None, slot(channel)}
