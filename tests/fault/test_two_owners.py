"""An owner that is stopped past its lease writes nothing when it goes on."""

import asyncio
import os
import signal
from pathlib import Path

import pytest

from tests.fault.stage import LONG, playing, rounds, three_shards
from tests.support.cluster_game import Plan
from tests.support.redis_server import needs_redis
from tests.support.survivor import Temper

PLAN = Plan(20, 5 if LONG else 3, 1.5, temper=Temper(think_s=(0.0, 1.3)))
"""No player gives a silent server up: all wait for it."""

pytestmark = [needs_redis, pytest.mark.timeout(180)]


@pytest.mark.parametrize("seed", rounds(1, 20))
async def test_an_owner_that_wakes_up_late_follows(seed: int, tmp_path: Path) -> None:
    """Its terms end where the new owner's begin; its players miss nothing."""
    async with (
        three_shards(tmp_path) as (shards, redis),
        playing(shards, redis.url, PLAN, seed) as game,
    ):
        await asyncio.sleep(game.rng.uniform(0.5, 2))
        owner, term = await game.owner(), await game.term()
        os.kill(owner.pid, signal.SIGSTOP)
        try:
            later = await game.later_term(term)
            await asyncio.sleep(game.rng.uniform(0, 1.5))
        finally:
            os.kill(owner.pid, signal.SIGCONT)
        await game.end()
        await game.hold()
        terms = await game.terms()
        assert terms == sorted(terms)
        assert set(terms) == {term, later}
        assert await game.owner() is not owner
        assert all(player.anew == 0 for player in game.players)
        assert not any(player.closes for player in game.players)
