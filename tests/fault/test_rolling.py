"""All shards are replaced one after the other, and all players come back at once."""

import asyncio
from pathlib import Path

import pytest

from tests.fault.stage import LONG, playing, rounds, three_shards
from tests.support.cluster_game import Plan
from tests.support.redis_server import needs_redis
from tests.support.survivor import Temper
from tests.support.takeover import percentile

BACK_MOST_S = 5.0
ROLLING = Plan(
    players=400 if LONG else 90,
    questions=6 if LONG else 3,
    time_s=6.0 if LONG else 5.0,
    temper=Temper(think_s=(0.0, 3.0), by_rest=0.02),
)
STORM = Plan(
    players=400 if LONG else 90,
    questions=3 if LONG else 2,
    time_s=5.0,
    temper=Temper(think_s=(0.0, 3.0), by_rest=0),
)

pytestmark = [needs_redis, pytest.mark.timeout(300)]


@pytest.mark.parametrize("seed", rounds(1, 4))
async def test_a_rolling_restart_loses_no_answer(seed: int, tmp_path: Path) -> None:
    """Every answer given counts, and every player is back within five seconds."""
    async with (
        three_shards(tmp_path, {"timeouts.drain_s": 2}) as (shards, redis),
        playing(shards, redis, ROLLING, seed) as game,
    ):
        for shard in shards.servers:
            await asyncio.sleep(1)
            await shard.stop()
            await shard.start()
        assert not game.over
        await game.end()
        recount = await game.hold()
        for player in game.players:
            assert not player.refused
            counted = recount.answers_of(player.ticket["participantId"])
            assert counted.keys() == player.gave_s.keys()
            assert player.anew == 0
        breaks_s = [each for player in game.players for each in player.breaks_s]
        print(f"{len(breaks_s)} breaks, p99 {percentile(breaks_s, 0.99):.2f} s")
        assert len(breaks_s) >= len(game.players)
        assert max(breaks_s) <= BACK_MOST_S


@pytest.mark.parametrize("seed", rounds(1, 6))
async def test_all_connections_drop_at_once(seed: int, tmp_path: Path) -> None:
    """All are back through the shards that are left, and numbers go on."""
    async with (
        three_shards(tmp_path) as (shards, redis),
        playing(shards, redis, STORM, seed) as game,
    ):
        for _ in range(3):
            await asyncio.sleep(game.rng.uniform(0.5, 1.5))
            game.drop_all()
        await asyncio.sleep(0.5)
        term = await game.term()
        await asyncio.gather(*(shard.kill() for shard in shards.servers))
        await asyncio.gather(*(shard.start() for shard in shards.servers))
        await game.later_term(term)
        await game.end()
        await game.hold()
        for player in game.players:
            assert player.welcomes >= 4
            assert player.anew == 0
