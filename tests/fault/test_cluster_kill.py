"""``kill -9`` of shards during live games: nothing is lost, and not for long.

The session's owner, shards that follow it, and both are killed at random moments and
started again. Players are on all shards and come back through any. The seeds are
printed, and at the end of the run a table of how long a session was silent.
"""

import asyncio
import math
import random
from collections.abc import Coroutine
from pathlib import Path

import pytest

from tests.fault.stage import KILLS, LONG, playing, three_shards
from tests.support.cluster_game import ClusterGame, Plan
from tests.support.measured import Tell
from tests.support.redis_server import needs_redis
from tests.support.survivor import Temper
from tests.support.takeover import Takeovers

KILLS_A_GAME = 8 if LONG else 3
GAMES = math.ceil(KILLS / KILLS_A_GAME)
SILENT_MOST_S = 3.0
"""A lease of 1.5 s, and as much again."""

QUESTIONS = 16 if LONG else 6
"""Enough that a game lasts for longer than its kills, 4 s each with the outage."""
PLAN = Plan(24, QUESTIONS, 1.5, temper=Temper(think_s=(0.0, 1.3)))
STRICT = Plan(24, QUESTIONS, 1.5, temper=Temper(think_s=(0.0, 1.3), strict=True))
"""Every fourth game holds each message to the published schemas."""

pytestmark = [needs_redis, pytest.mark.timeout(180)]


TAKEOVERS = Takeovers()
HARMS_DONE: list[str] = []


async def first(*instants: Coroutine[None, None, float]) -> float:
    """Return the earliest of some instants; nobody may have anything to hear."""
    tasks = [asyncio.create_task(instant) for instant in instants]
    done, waiting = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
    for task in waiting:
        task.cancel()
    return min(task.result() for task in done)


async def kill_owner(game: ClusterGame) -> None:
    """Kill the owner and start it again; note how long the session was silent."""
    clock = asyncio.get_running_loop().time
    owner, term = await game.owner(), await game.term()
    killed_s = clock()
    await owner.kill()
    await game.later_term(term)
    claimed_s = clock()
    said_s = await first(game.something_said(claimed_s), game.probe())
    TAKEOVERS.note(killed_s, claimed_s, said_s)
    await owner.start()


async def kill_follower(game: ClusterGame) -> None:
    """Kill a shard that only follows and start it again."""
    follower = game.rng.choice(await game.others())
    await follower.kill()
    await asyncio.sleep(game.rng.uniform(0, 1))
    await follower.start()


async def kill_two(game: ClusterGame) -> None:
    """Kill the owner, and its successor as soon as that has taken over."""
    first, term = await game.owner(), await game.term()
    await first.kill()
    await game.later_term(term)
    second = await game.owner()
    await second.kill()
    await first.start()
    await second.start()


HARM = {"owner": kill_owner, "follower": kill_follower, "two": kill_two}


def harms_of(rng: random.Random) -> list[str]:
    """Return what is done in one game, the owner's death first."""
    others = list(HARM)
    if LONG:
        return ["owner", *rng.choices(others, weights=(6, 2, 1), k=KILLS_A_GAME - 1)]
    return rng.sample(others, k=KILLS_A_GAME)


@pytest.mark.parametrize("seed", range(1, GAMES + 1))
async def test_no_acknowledged_answer_is_lost_with_its_shard(
    seed: int, tmp_path: Path
) -> None:
    """Each counts exactly once; ranks equal the recount; numbers have no gap."""
    rng = random.Random(seed)
    harms = harms_of(rng)
    print(harms)
    plan = STRICT if seed % 4 == 1 else PLAN
    async with (
        three_shards(tmp_path) as (shards, redis),
        playing(shards, redis.url, plan, seed) as game,
    ):
        for harm in harms:
            await asyncio.sleep(rng.uniform(0.2, 1.2))
            if game.over:
                break
            await HARM[harm](game)
            HARMS_DONE.append(harm)
        await game.end()
        await game.hold()
        assert all(player.anew == 0 for player in game.players)


def test_a_takeover_takes_no_longer_than_it_may(tell: Tell) -> None:
    """From the kill to the first broadcast, result or refusal by another shard."""
    tell(f"{len(HARMS_DONE)} times something was killed\n{TAKEOVERS.table()}")
    assert TAKEOVERS.times
    most_s = TAKEOVERS.said_s(0.99 if LONG else 1)
    assert most_s <= SILENT_MOST_S
