"""Bad lines between shards and Redis: no two owners, nothing lost.

Every shard has a line of its own, through a proxy that delays, slices, throttles, cuts
and swallows.
"""

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path

import pytest

from tests.fault.stage import AS_SHIPPED, DURABLE, LONG, playing, rounds
from tests.support.cluster import ShardServers
from tests.support.cluster_game import ClusterGame, Plan
from tests.support.fault_proxy import FaultProxy, Faults
from tests.support.redis_server import RedisServer, needs_redis
from tests.support.server import Server
from tests.support.survivor import Temper

PLAN = Plan(18, 5 if LONG else 3, 2.0, temper=Temper(think_s=(0.0, 1.4)))
SHARDS = 3
ANOTHER_S = 20.0

BAD = {
    "slow": Faults(latency_s=0.04, jitter_s=0.1),
    "sliced": Faults(slice_bytes=11),
    "narrow": Faults(bytes_per_s=60_000, latency_s=0.01),
}

pytestmark = [needs_redis, pytest.mark.timeout(180)]


class Lines:
    """The shards, their proxies, and the Redis behind these."""

    def __init__(
        self, shards: ShardServers, proxies: list[FaultProxy], redis: RedisServer
    ) -> None:
        self.shards = shards
        self.proxies = proxies
        self.redis = redis

    def of(self, shard: Server) -> FaultProxy:
        """Return the line of a shard."""
        return self.proxies[self.shards.servers.index(shard)]


@asynccontextmanager
async def lines(data_dir: Path) -> AsyncIterator[Lines]:
    """Start a Redis, a proxy per shard, and the shards."""
    async with AsyncExitStack() as stack:
        redis = await stack.enter_async_context(RedisServer(DURABLE))
        proxies = [
            await stack.enter_async_context(FaultProxy(redis.port, seed=number))
            for number in range(SHARDS)
        ]
        urls = [f"redis://127.0.0.1:{proxy.port}/0" for proxy in proxies]
        shards = ShardServers(data_dir, urls, SHARDS, AS_SHIPPED)
        await stack.enter_async_context(shards)
        try:
            yield Lines(shards, proxies, redis)
        finally:
            print(shards.story())
            for proxy in proxies:
                proxy.faults = Faults()
                proxy.recover()
    assert not shards.errors()


async def hold(game: ClusterGame) -> None:
    """Hold the game to its log, and players to having seen one history."""
    await game.end(90)
    await game.hold()
    assert all(player.anew == 0 for player in game.players)


@pytest.mark.parametrize("seed", rounds(1, 4))
@pytest.mark.parametrize("kind", BAD if LONG else ["slow"])
async def test_play_goes_on_over_a_bad_line(
    kind: str, seed: int, tmp_path: Path
) -> None:
    """All lines are bad, some are cut, then one shard's is dead for a while."""
    async with (
        lines(tmp_path) as net,
        playing(net.shards, net.redis.url, PLAN, seed) as game,
    ):
        for proxy in net.proxies:
            proxy.faults = BAD[kind]
        for _ in range(12 if LONG else 4):
            await asyncio.sleep(game.rng.uniform(0.2, 1.2))
            game.rng.choice(net.proxies).reset()
        for proxy in net.proxies:
            proxy.faults = Faults()
        follower = game.rng.choice(await game.others())
        net.of(follower).black_hole()
        await asyncio.sleep(2)
        net.of(follower).recover()
        await hold(game)
        assert not any(player.closes for player in game.players)


@pytest.mark.parametrize("seed", rounds(1, 20))
async def test_an_owner_that_is_cut_off_is_followed_by_another(
    seed: int, tmp_path: Path
) -> None:
    """Its lease ends before anybody takes over; back again, it follows."""
    async with (
        lines(tmp_path) as net,
        playing(net.shards, net.redis.url, PLAN, seed) as game,
    ):
        await asyncio.sleep(game.rng.uniform(0.3, 1.5))
        owner, term = await game.owner(), await game.term()
        net.of(owner).black_hole()
        async with asyncio.timeout(ANOTHER_S):
            await game.later_term(term)
        assert await game.owner() is not owner
        assert any(line["event"] == "lease_lost" for line in owner.log)
        await asyncio.sleep(game.rng.uniform(0, 1))
        net.of(owner).recover()
        await hold(game)
        assert len(await game.terms()) == 2
        assert await game.owner() is not owner
        assert not any(player.closes for player in game.players)
