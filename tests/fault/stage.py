"""What fault tests share: a cluster on a Redis, a game on it, and how long to go on.

With ``QUIZD_TEST_KILLS`` set the rounds are many (``make test-faults``), else few.
"""

import os
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path

from tests.support.cluster import ShardServers
from tests.support.cluster_game import ClusterGame, Plan
from tests.support.redis_server import RedisServer

LONG = "QUIZD_TEST_KILLS" in os.environ
KILLS = int(os.environ.get("QUIZD_TEST_KILLS", "3"))

DURABLE = {"appendonly": "yes", "appendfsync": "always"}
"""Redis as the configuration that we ship has it."""

AS_SHIPPED = {
    "cluster.lease_ms": 1500,
    "cluster.renew_ms": 500,
    "play.lead_min_ms": 100,
    "timeouts.drain_s": 0.5,
}


def rounds(short: int, long: int) -> range:
    """Return the seeds of a random test."""
    return range(1, (long if LONG else short) + 1)


@asynccontextmanager
async def playing(
    shards: ShardServers, redis_url: str, plan: Plan, seed: int
) -> AsyncIterator[ClusterGame]:
    """Begin a game; print its seed, and in the end what has happened in it."""
    print(f"seed {seed}")
    game = ClusterGame(shards, redis_url, plan, seed)
    try:
        await game.begin()
        yield game
    finally:
        await game.abort()
        print(game.report())


@asynccontextmanager
async def shards_at(
    redis_url: str,
    data_dir: Path,
    options: Mapping[str, object] | None = None,
) -> AsyncIterator[ShardServers]:
    """Start three shards; hold them to no error."""
    every = {**AS_SHIPPED, **(options or {})}
    async with ShardServers(data_dir, redis_url, 3, every) as shards:
        try:
            yield shards
        finally:
            print(shards.story())
    assert not shards.errors(), shards.errors()


@asynccontextmanager
async def three_shards(
    data_dir: Path,
    options: Mapping[str, object] | None = None,
    redis_options: Mapping[str, object] | None = None,
) -> AsyncIterator[tuple[ShardServers, RedisServer]]:
    """Start a Redis, and three shards on it."""
    async with (
        RedisServer({**DURABLE, **(redis_options or {})}) as redis,
        shards_at(redis.url, data_dir, options) as shards,
    ):
        yield shards, redis
