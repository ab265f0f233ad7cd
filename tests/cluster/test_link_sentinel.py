"""The link under Sentinels: it is where the master is, and nowhere else."""

import asyncio
from collections.abc import AsyncIterator, Iterator

import pytest

from quizd.cluster.link.redis import RedisLink
from quizd.cluster.link.routes import SentinelMaster
from quizd.redis_client import RedisOptions, RedisUnusable
from tests.contract.links import QUICK, eventually, taking, through
from tests.support.redis_server import needs_redis
from tests.support.redis_topologies import SentinelSet, a_sentinel_set, ask

pytestmark = needs_redis

NOBODY = ("127.0.0.1", 1)
CHANNEL = "quizd:{s}:x"


def _sentinels() -> Iterator[SentinelSet]:
    with a_sentinel_set() as sentinels:
        yield sentinels


async def _link(sentinels: SentinelSet) -> AsyncIterator[RedisLink]:
    async with RedisLink(RedisOptions(sentinels.url), "one", timing=QUICK) as link:
        yield link


sentinels_fixture = pytest.fixture(name="sentinels", scope="module")(_sentinels)
link_fixture = pytest.fixture(name="link")(_link)


async def test_a_failover_is_followed(sentinels: SentinelSet, link: RedisLink) -> None:
    """The loss is told; afterwards both halves are at the new master."""
    taker = await taking(link, CHANNEL)
    before = sentinels.master_port
    await asyncio.to_thread(sentinels.failover)
    await taker.lost(2)
    after = sentinels.master_port
    assert after != before
    await eventually(lambda: link._routes.addresses() == {("127.0.0.1", after)})
    await through(link, CHANNEL, taker)
    clients = ask(after, "CLIENT", "LIST")
    assert "name=quizd-one-pub" in clients
    assert "name=quizd-one-sub" in clients


async def test_a_sentinel_that_is_down_is_passed_over(sentinels: SentinelSet) -> None:
    """The others are asked."""
    url = sentinels.url.replace("://", "://127.0.0.1:1,")
    async with RedisLink(RedisOptions(url), "one", timing=QUICK) as link:
        await through(link, CHANNEL, await taking(link, CHANNEL))
        assert not link.problem
        routes = link._routes
        assert isinstance(routes, SentinelMaster)
        assert routes._sentinels == [("127.0.0.1", sentinels.ports[0]), NOBODY]


async def test_a_service_that_nobody_knows_is_named(sentinels: SentinelSet) -> None:
    """The problem says what is missing; nothing is raised."""
    options = RedisOptions(sentinels.url, sentinel_service="other")
    async with RedisLink(options, "one", timing=QUICK) as link:
        await eventually(lambda: "'other'" in link.problem)
        assert not link.connected


async def test_a_replica_is_not_taken_for_the_master(
    sentinels: SentinelSet, link: RedisLink
) -> None:
    """A server that has been made a replica is no place for messages."""
    await taking(link, CHANNEL)
    master = sentinels.master_port
    replica = next(one.port for one in sentinels.servers if one.port != master)
    ask(replica, "REPLICAOF", "127.0.0.1", master)
    with pytest.raises(RedisUnusable, match="not the master"):
        await link._routes.dial(("127.0.0.1", replica), "pub")
