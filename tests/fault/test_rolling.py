"""All shards are replaced one after the other, and all players come back at once."""

import asyncio
from pathlib import Path

import pytest

from tests.fault.stage import LONG, playing, rounds, three_shards
from tests.support.cluster_game import LOOK_S, ClusterGame, Plan
from tests.support.measured import Tell
from tests.support.redis_server import needs_redis
from tests.support.survivor import Temper
from tests.support.takeover import percentile

BACK_MOST_S = 5.0
PATIENCE_S = 60.0
SHARDS = 3
ROLLING = Plan(
    players=400 if LONG else 60,
    questions=SHARDS + 1,
    time_s=60.0,
    settings={"advance": "host"},
    temper=Temper(think_s=(0.0, 1.5), by_rest=0.02, silent=0),
)
STORM = Plan(
    players=400 if LONG else 60,
    questions=3 if LONG else 2,
    time_s=4.0,
    temper=Temper(think_s=(0.0, 2.5), by_rest=0),
)

pytestmark = [needs_redis, pytest.mark.timeout(300)]


async def all_have_answered(game: ClusterGame, questions: int) -> None:
    """Wait until everybody has an acknowledgement of so many answers."""
    async with asyncio.timeout(PATIENCE_S):
        while any(len(player.acknowledged) < questions for player in game.players):  # noqa: ASYNC110 - players say nothing by themselves
            await asyncio.sleep(LOOK_S)


@pytest.mark.parametrize("seed", rounds(1, 4))
async def test_a_rolling_restart_loses_no_answer(
    seed: int, tmp_path: Path, tell: Tell
) -> None:
    """Every answer given counts, and every player is back within five seconds.

    A shard is replaced in each question, while it is answered.
    """
    async with (
        three_shards(tmp_path, {"timeouts.drain_s": 1}) as (shards, redis),
        playing(shards, redis.url, ROLLING, seed) as game,
    ):
        for done, shard in enumerate(shards.servers, 1):
            await asyncio.sleep(game.rng.uniform(0, 1))
            await shard.stop()
            await shard.start()
            await all_have_answered(game, done)
            await game.command("next", expect={"phase": "reveal"})
        await all_have_answered(game, SHARDS + 1)
        await game.command("next", expect={"phase": "reveal"})
        await game.end()
        recount = await game.hold()
        for player in game.players:
            assert not player.refused
            counted = recount.answers_of(player.ticket["participantId"])
            assert counted.keys() == player.gave_s.keys()
            assert len(counted) == SHARDS + 1
            assert player.anew == 0
        breaks_s = [each for player in game.players for each in player.breaks_s]
        tell(f"{len(breaks_s)} breaks, p99 {percentile(breaks_s, 0.99):.2f} s")
        assert len(breaks_s) >= len(game.players)
        assert max(breaks_s) <= BACK_MOST_S


@pytest.mark.parametrize("seed", rounds(1, 6))
async def test_all_connections_drop_at_once(seed: int, tmp_path: Path) -> None:
    """All are back through the shards that are left, and numbers go on."""
    async with (
        three_shards(tmp_path) as (shards, redis),
        playing(shards, redis.url, STORM, seed) as game,
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
