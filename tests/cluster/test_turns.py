"""A rush on Redis waits for its turn, in each of its forms; nobody is refused."""

import asyncio
import os
import signal
from collections.abc import Iterator

import pytest
from redis.exceptions import MaxConnectionsError

from quizd.redis_client import RedisOptions, connect, hang_up, shared_trips
from quizd.redis_client.turns import Turns
from tests.support.redis_server import RedisServer, needs_redis
from tests.support.redis_topologies import (
    Cluster,
    a_cluster,
    a_sentinel_set,
    ask,
    running,
)

CONNECTIONS = 4
RUSH = range(200)
TIMEOUT_S = 2.0


@pytest.fixture(scope="module")
def cluster() -> Iterator[Cluster]:
    """Three nodes."""
    with a_cluster() as cluster:
        yield cluster


def _ways(request: pytest.FixtureRequest) -> Iterator[tuple[str, list[int]]]:
    """Give a URL, and the ports of the servers behind it, for each form of Redis."""
    if request.param == "single":
        with running(RedisServer()) as server:
            yield f"redis://127.0.0.1:{server.port}", [server.port]
    elif request.param == "sentinel":
        with a_sentinel_set() as sentinels:
            yield sentinels.url, [sentinels.master_port]
    else:
        found: Cluster = request.getfixturevalue("cluster")
        yield found.url, found.ports


way_fixture = pytest.fixture(name="way", params=["single", "sentinel", "cluster"])(
    _ways
)


@needs_redis
async def test_all_of_a_rush_are_answered(way: tuple[str, list[int]]) -> None:
    """Hundreds ask at once, alone and together, over the few connections there are."""
    url, ports = way
    client = connect(RedisOptions(url, connections=CONNECTIONS), "rush")
    trips = shared_trips(client)
    made = await asyncio.gather(*(client.set(f"key:{n}", n) for n in RUSH))
    assert made == [True for _ in RUSH]
    got = await asyncio.gather(*(trips.ask([("GET", f"key:{n}")]) for n in RUSH))
    assert got == [[b"%d" % n] for n in RUSH]
    for port in ports:
        ours = ask(port, "CLIENT", "LIST").count("name=quizd-rush")
        # What is shared has one of its own; where slots are unknown, turns are guessed.
        assert 0 < ours <= 1 + CONNECTIONS * (2 if len(ports) > 1 else 1)
    await trips.close()
    await hang_up(client)


@needs_redis
async def test_a_node_that_hangs_holds_up_nobody_else(cluster: Cluster) -> None:
    """Who asks it is told in time; all the others are answered at once."""
    options = RedisOptions(cluster.url, connections=CONNECTIONS, timeout_s=TIMEOUT_S)
    client = connect(options, "rush")
    await asyncio.gather(*(client.set(f"key:{n}", n) for n in RUSH))
    hung = cluster.servers[0]
    elsewhere = [n for n in RUSH if cluster.primary_of(f"key:{n}") is not hung]
    os.kill(hung.pid, signal.SIGSTOP)
    try:
        asking = {n: asyncio.ensure_future(client.get(f"key:{n}")) for n in RUSH}
        async with asyncio.timeout(TIMEOUT_S / 2):
            for n in elsewhere:
                assert await asking.pop(n) == b"%d" % n
        async with asyncio.timeout(4 * TIMEOUT_S):
            told = await asyncio.gather(*asking.values(), return_exceptions=True)
        assert {type(error).__name__ for error in told} == {
            "MaxConnectionsError",
            "TimeoutError",
        }
    finally:
        os.kill(hung.pid, signal.SIGCONT)
    again = await asyncio.gather(*(client.get(f"key:{n}") for n in RUSH))
    assert again == [b"%d" % n for n in RUSH]
    await hang_up(client)


@needs_redis
async def test_what_has_moved_is_found(cluster: Cluster) -> None:
    """A rush is sent elsewhere, all of it at once, and each is answered."""
    client = connect(RedisOptions(cluster.url, connections=CONNECTIONS), "rush")
    trips = shared_trips(client)
    assert await client.get("{moves}") is None
    slot = ask(cluster.ports[0], "CLUSTER", "KEYSLOT", "{moves}")
    await asyncio.to_thread(cluster.move, slot)
    async with asyncio.timeout(TIMEOUT_S):
        shared = [trips.ask([("GET", f"{{moves}}{n}")]) for n in RUSH]
        assert await asyncio.gather(*shared) == [[None] for _ in RUSH]
        alone = [client.get(f"{{moves}}{n}") for n in RUSH]
        assert await asyncio.gather(*alone) == [None for _ in RUSH]
    await hang_up(client)


class TestTurns:
    """The turns themselves."""

    async def test_as_many_as_there_are_at_each(self) -> None:
        """One who gives up, or fails, has had a turn or none, and leaves no gap."""
        turns = Turns(2, 10.0)
        most = {"a": 0, "b": 0}
        now = dict(most)

        async def take(server: str) -> None:
            async with turns.at(server):
                now[server] += 1
                most[server] = max(most[server], now[server])
                try:
                    await asyncio.sleep(0.001)
                finally:
                    now[server] -= 1

        tasks = [asyncio.create_task(take("ab"[n % 2])) for n in range(60)]
        await asyncio.sleep(0.005)
        for task in tasks[::7]:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        assert most == {"a": 2, "b": 2}
        async with asyncio.timeout(10):
            await asyncio.gather(*(take("a") for _ in range(4)))

    async def test_who_waits_too_long_is_told(self) -> None:
        """As by the pool, and the one who had the turn has it still."""
        turns = Turns(1, 0.01)
        async with turns.at("a"):
            with pytest.raises(MaxConnectionsError, match="too many wait"):
                async with turns.at("a"):
                    pass
        async with turns.at("a"):
            pass
