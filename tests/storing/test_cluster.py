"""Two shards write behind what they own, and live with a journal that is trimmed.

A shard that takes a session over, or begins to follow it, finds the beginning of its
log gone and goes by the snapshot instead.
"""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from quizd.events import stream_key
from quizd.journal.redis_keys import Keys
from quizd.store.place import FILE
from tests.contract.stores import SqliteBackend
from tests.fault.stage import AS_SHIPPED, DURABLE, playing, rounds
from tests.storing.stage import LOOK_S, PATIENCE_S, ask, until
from tests.support.cluster import ShardServers
from tests.support.cluster_game import ClusterGame, Plan
from tests.support.redis_server import RedisServer, needs_redis
from tests.support.survivor import Temper

PLAN = Plan(players=24, questions=6, time_s=1.2, temper=Temper(think_s=(0.0, 0.9)))
OPTIONS = {**AS_SHIPPED, "database.linger_ms": 10, "journal.keep_ended_s": 1}

pytestmark = [needs_redis, pytest.mark.timeout(180)]


@asynccontextmanager
async def two_shards(data_dir: Path) -> AsyncIterator[tuple[ShardServers, RedisServer]]:
    """Start a Redis and two shards; hold them to no error of their own."""
    async with RedisServer(DURABLE) as redis:
        async with ShardServers(data_dir, redis.url, 2, OPTIONS) as shards:
            try:
                yield shards, redis
            finally:
                print(shards.story())
        assert not shards.errors()


async def trimmed(game: ClusterGame) -> int:
    """Return the latest batch that the journal has let go of."""
    key = Keys("quizd").meta(game.session_id)
    [index] = await game._ask("HMGET", key, "trimmed")
    return int(index or 0)


async def until_trimmed(game: ClusterGame, above: int = 0) -> int:
    """Wait until the journal has let go of more; return how much."""
    async with asyncio.timeout(PATIENCE_S):
        while (index := await trimmed(game)) <= above:  # noqa: ASYNC110
            await asyncio.sleep(LOOK_S)
    return index


async def hold_the_store(game: ClusterGame, data_dir: Path) -> None:
    """Hold the database to having all of the game, once, and nothing aside."""
    backend = SqliteBackend(data_dir)
    assert backend.path.name == FILE
    await until(backend, "SELECT ended FROM write_behind", [(1,)])
    recount = await game.hold()
    for table, wanted in (
        ("answers", len(recount.game.answers)),
        ("results", len(game.players)),
        ("participants", len(game.players)),
        ("rejected_records", 0),
    ):
        found = await ask(backend, f"SELECT count(*) FROM {table}")  # noqa: S608
        assert found == [(wanted,)], table


@pytest.mark.parametrize("seed", rounds(1, 20))
@pytest.mark.parametrize("way", ["dies", "leaves"])
async def test_a_trimmed_session_changes_hands(
    way: str, seed: int, tmp_path: Path
) -> None:
    """Its owner goes; all play on, and all is written, once."""
    async with (
        two_shards(tmp_path) as (shards, redis),
        playing(shards, redis.url, PLAN, seed) as game,
    ):
        await until_trimmed(game)
        owner, term = await game.owner(), await game.term()
        await (owner.kill() if way == "dies" else owner.stop())
        await game.later_term(term)
        await game.end()
        await hold_the_store(game, tmp_path)
        await told_to_others(game)
        await gone_from_redis(game)


async def told_to_others(game: ClusterGame) -> None:
    """Wait until other programs can read the results."""
    async with asyncio.timeout(PATIENCE_S):
        while not await game._ask("XLEN", stream_key("results")):  # noqa: ASYNC110
            await asyncio.sleep(LOOK_S)


async def gone_from_redis(game: ClusterGame) -> None:
    """Wait until Redis has nothing of the session any more but that it is gone."""
    keys = Keys("quizd").of(game.session_id)[:3]
    async with asyncio.timeout(PATIENCE_S):
        while await game._ask("EXISTS", *keys):  # noqa: ASYNC110
            await asyncio.sleep(LOOK_S)


async def test_a_session_that_ended_with_its_shard_is_written_by_another(
    tmp_path: Path,
) -> None:
    """The other one looks around, and needs nobody who tells it."""
    async with RedisServer(DURABLE) as redis:
        slow = {**OPTIONS, "database.linger_ms": 60_000}
        async with ShardServers(tmp_path, redis.url, 1, slow) as alone:
            plan = Plan(players=3, questions=2, time_s=1, temper=PLAN.temper)
            async with playing(alone, redis.url, plan, 1) as game:
                await game.end()
                await alone[0].kill()
        async with ShardServers(tmp_path, redis.url, 2, OPTIONS) as shards:
            game.shards = shards
            await hold_the_store(game, tmp_path)
            await gone_from_redis(game)
