"""Clients under Sentinels leave a master that is none any more, also a living one."""

import asyncio
from collections.abc import Iterator
from itertools import repeat

import pytest

from quizd.redis_client import Client, RedisOptions, Trips, connect, trips
from quizd.redis_client.master import OLD_S, PATIENCE_S
from tests.support.fault_proxy import FaultProxy
from tests.support.redis_server import needs_redis
from tests.support.redis_topologies import SentinelSet, a_sentinel_set, ask

pytestmark = needs_redis

PORT = ("CONFIG", "GET", "port")
BUSY_S = 4
"""Longer than a failover takes."""
SETTLED_S = 3.0
"""After that every Sentinel has long heard of it."""


def _sentinels() -> Iterator[SentinelSet]:
    with a_sentinel_set() as sentinels:
        yield sentinels


def _three() -> Iterator[SentinelSet]:
    with a_sentinel_set(3, replicas=2) as sentinels:
        yield sentinels


sentinels_fixture = pytest.fixture(name="sentinels")(_sentinels)
three_fixture = pytest.fixture(name="three")(_three)


async def pooled_port(client: Client) -> int:
    """Return the port of the server that a call of *client* goes to."""
    return int((await client.execute_command(*PORT))[1])


async def kept_port(kept: Trips) -> int:
    """Return the same of a connection that is kept."""
    [(_, port)] = await kept.demand([PORT])
    return int(port)


async def blocked(client: Client) -> None:
    """Use a connection of the pool, until its server hangs up or it is time."""
    await client.execute_command("BLPOP", "nothing", BUSY_S)


async def replaced(sentinels: SentinelSet) -> tuple[int, int]:
    """Have the master replaced; return it, which still takes writes, and the new."""
    former = sentinels.master_port
    await asyncio.to_thread(sentinels.failover)
    await asyncio.sleep(OLD_S)
    assert ask(former, "ROLE")[0] == "master", "it would take what is lost"
    return former, sentinels.master_port


async def test_a_pool_leaves_a_master_that_was_replaced(sentinels: SentinelSet) -> None:
    """Also with a connection that was in use meanwhile."""
    options = RedisOptions(sentinels.url, timeout_s=2 * BUSY_S)
    async with connect(options, "one") as client:
        busy = asyncio.create_task(blocked(client))
        assert await pooled_port(client) == sentinels.master_port
        former, after = await replaced(sentinels)
        assert not busy.done()
        assert await pooled_port(client) == after != former
        await busy
        ports = await asyncio.gather(*(pooled_port(one) for one in repeat(client, 4)))
        assert ports == [after] * 4


async def test_connections_that_are_kept_leave_it(sentinels: SentinelSet) -> None:
    """They are in nobody's pool."""
    async with connect(RedisOptions(sentinels.url), "one") as client:
        kept = trips(client)
        assert await kept_port(kept) == sentinels.master_port
        former, after = await replaced(sentinels)
        assert await kept_port(kept) == after != former
        await kept.close()


async def test_all_hear_the_same(three: SentinelSet) -> None:
    """Whichever Sentinel each asks, they part for a moment, not for a lease."""
    clock = asyncio.get_running_loop().time
    hosts = [f"127.0.0.1:{port}" for port in three.ports]
    apart: list[float] = []
    orders = [hosts[turn:] + hosts[:turn] for turn in range(len(hosts))]
    urls = [three.url.replace(",".join(hosts), ",".join(order)) for order in orders]
    clients = [connect(RedisOptions(url), "one") for url in urls]
    over = asyncio.create_task(asyncio.to_thread(three.failover))
    after_s = 0.0
    while after_s < SETTLED_S:
        began_s = clock()
        ports = set(await asyncio.gather(*map(pooled_port, clients)))
        if len(ports) > 1:
            apart.append(began_s)
        await asyncio.sleep(0.01)
        after_s += clock() - began_s if over.done() else 0.0
    assert not apart or apart[-1] - apart[0] < 2 * OLD_S
    for client in clients:
        assert await pooled_port(client) == three.master_port
        await client.aclose()


async def test_sentinels_that_are_away_hold_nobody_up(sentinels: SentinelSet) -> None:
    """The master that is known is kept, also by new connections."""
    async with FaultProxy(sentinels.ports[0]) as proxy:
        url = sentinels.url.replace(str(sentinels.ports[0]), str(proxy.port))
        async with connect(RedisOptions(url), "one") as client:
            kept = trips(client)
            await kept_port(kept)
            proxy.black_hole()
            await asyncio.sleep(OLD_S)
            clock = asyncio.get_running_loop().time
            began_s = clock()
            for _ in range(100):
                await kept_port(kept)
                await pooled_port(client)
            assert clock() - began_s < 50 * PATIENCE_S  # not a wait for each call
            await kept.close()


async def test_a_sentinel_that_hangs_is_passed_over(sentinels: SentinelSet) -> None:
    """From the first call on; afterwards the one that answers is asked first."""
    async with FaultProxy(sentinels.ports[0]) as proxy:
        proxy.black_hole()
        url = sentinels.url.replace("://", f"://127.0.0.1:{proxy.port},")
        async with connect(RedisOptions(url), "one") as client:
            clock = asyncio.get_running_loop().time
            began_s = clock()
            assert await pooled_port(client) == sentinels.master_port
            assert clock() - began_s < 15 * PATIENCE_S  # not until it is given up
            accepted = proxy.accepted
            await asyncio.sleep(OLD_S)
            assert await pooled_port(client) == sentinels.master_port
            assert proxy.accepted == accepted
