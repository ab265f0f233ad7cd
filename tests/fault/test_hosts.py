"""Shards on several hosts, whose cables are pulled; and regions that know no other."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from tests.fault.stage import AS_SHIPPED, DURABLE, LONG, playing, rounds
from tests.support.cluster import ShardServers
from tests.support.cluster_game import ClusterGame, Plan
from tests.support.hosts import Host, HostedRedis, HostedServer, Network, why_not
from tests.support.redis_server import RedisServer, needs_redis
from tests.support.survivor import Temper

WHY_NOT = why_not()
PATIENT = Plan(
    players=16,
    questions=5 if LONG else 3,
    time_s=3.0 if LONG else 2.5,
    temper=Temper(think_s=(0.0, 2.0), by_rest=0, ping_s=1.0),
)
PLAN = Plan(10, 2, 1.5, temper=Temper(think_s=(0.0, 1.2)))

pytestmark = [needs_redis, pytest.mark.timeout(240)]


@asynccontextmanager
async def two_hosts(
    data_dir: Path,
) -> AsyncIterator[tuple[ShardServers, HostedRedis, list[Host]]]:
    """Two hosts with a shard each, and one with Redis."""
    with Network(3) as network:
        *fronts, back = network.hosts
        async with HostedRedis(back) as redis:
            options = {**AS_SHIPPED, "redis.url": redis.url}
            shards = ShardServers(data_dir, redis.url, 0)
            shards.servers = [
                HostedServer(
                    host,
                    data_dir,
                    {**options, "cluster.name": f"host{index}"},
                    ("serve", "--shard-index", str(index)),
                )
                for index, host in enumerate(fronts)
            ]
            async with shards:
                try:
                    yield shards, redis, fronts
                finally:
                    for host in network.hosts:
                        host.calm()
                        host.plug()
                    print(shards.story())
            assert not shards.errors()


def host_of(game: ClusterGame, hosts: list[Host], owner: object) -> Host:
    """Return where the session's owner is."""
    (index,) = [i for i, s in enumerate(game.shards.servers) if s is owner]
    return hosts[index]


@pytest.mark.skipif(bool(WHY_NOT), reason=WHY_NOT)
@pytest.mark.parametrize("seed", rounds(1, 6))
async def test_a_host_whose_cable_is_pulled_loses_its_sessions(
    seed: int, tmp_path: Path
) -> None:
    """The other host plays on; nothing is lost, and the first one follows later."""
    async with (
        two_hosts(tmp_path) as (shards, redis, hosts),
        playing(shards, redis.url, PATIENT, seed) as game,
    ):
        await asyncio.sleep(game.rng.uniform(0.5, 2))
        owner, term = await game.owner(), await game.term()
        cut = host_of(game, hosts, owner)
        cut.unplug()
        await game.later_term(term)
        assert await game.owner() is not owner
        await asyncio.sleep(3)
        cut.plug()
        disturbed = cut.disturb("delay", "30ms", "20ms", "loss", "2%")
        print(f"netem: {disturbed}")
        await game.end(120)
        cut.calm()
        await game.hold()
        assert all(player.anew == 0 for player in game.players)
        terms = await game.terms()
        assert terms == sorted(terms)
        assert terms[0] == term


async def test_a_region_that_is_lost_leaves_the_other_alone(tmp_path: Path) -> None:
    """Shards and Redis of one region die; the players of the other notice nothing."""
    async with (
        RedisServer(DURABLE) as one,
        RedisServer(DURABLE) as two,
        ShardServers(
            tmp_path / "eu", one.url, 1, {**AS_SHIPPED, "cluster.region": "eu"}
        ) as eu,
        ShardServers(
            tmp_path / "us", two.url, 1, {**AS_SHIPPED, "cluster.region": "us"}
        ) as us,
        playing(us, two.url, PLAN, 1) as lasting,
        playing(eu, one.url, PLAN, 2) as lost,
    ):
        await asyncio.sleep(1)
        await asyncio.gather(*(shard.kill() for shard in eu.servers))
        await one.kill()
        await lost.abort()
        await lasting.end()
        await lasting.hold()
        for player in lasting.players:
            assert not player.closes
            assert not player.breaks_s
        assert not us.errors()
