"""Redis is killed, wiped, paused, and throws its listeners out during live games.

While the owner of a session lives, nothing is lost, whatever Redis has forgotten. Where
owner and Redis go down together, what Redis's file had not yet is lost: play goes on
from there, and everybody is shown what there is.
"""

import asyncio
import random
import shutil
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path

import pytest

from tests.fault.stage import (
    AS_SHIPPED,
    DURABLE,
    LONG,
    playing,
    rounds,
    three_shards,
)
from tests.support.cluster import ShardServers
from tests.support.cluster_game import Plan, hold_without_gap, played
from tests.support.recount import Recount
from tests.support.redis_server import RedisServer, needs_redis
from tests.support.survivor import Survivor, Temper

PLAN = Plan(20, 7 if LONG else 5, 1.5, temper=Temper(think_s=(0.0, 1.3)))
SHORT = replace(PLAN, questions=7 if LONG else 3)
SLOW = Plan(20, 4 if LONG else 1, 4.0, temper=Temper(think_s=(0.0, 3.5)))
LONG_PAUSE_S = 10.0 if LONG else 3.0
LINES = ("pubsub", "normal")

pytestmark = [needs_redis, pytest.mark.timeout(180)]


async def kill_and_start(redis: RedisServer, rng: random.Random) -> None:
    """Kill Redis; it comes back with what its file has."""
    await redis.kill()
    await asyncio.sleep(rng.uniform(0, 1.0))
    await redis.start()


async def kill_and_wipe(redis: RedisServer, rng: random.Random) -> None:
    """Kill Redis; it comes back without anything."""
    await redis.kill()
    redis.wipe()
    await asyncio.sleep(rng.uniform(0, 0.5))
    await redis.start()


async def pause(redis: RedisServer, _rng: random.Random) -> None:
    """Let Redis stand still for much longer than a lease."""
    redis.pause()
    await asyncio.sleep(LONG_PAUSE_S)
    redis.resume()


async def overrun(redis: RedisServer, _rng: random.Random) -> None:
    """Let Redis throw out every listener that is behind by a little."""
    name = "client-output-buffer-limit"
    await redis.command("CONFIG", "SET", name, "pubsub 1kb 1kb 0")
    await asyncio.sleep(2)
    await redis.command("CONFIG", "SET", name, "pubsub 32mb 8mb 60")


async def cut_lines(redis: RedisServer, rng: random.Random) -> None:
    """Let Redis drop all listening or all other connections, again and again."""
    for _ in range(8 if LONG else 4):
        await redis.command("CLIENT", "KILL", "TYPE", rng.choice(LINES))
        await asyncio.sleep(rng.uniform(0.05, 0.6))


HARM: dict[str, Callable[[RedisServer, random.Random], Awaitable[None]]] = {
    "kill": kill_and_start,
    "wipe": kill_and_wipe,
    "pause": pause,
    "overrun": overrun,
    "lines": cut_lines,
}


COURSES = [(harm, harm) for harm in HARM] if LONG else [tuple(HARM)]


@pytest.mark.parametrize("seed", rounds(1, 8))
@pytest.mark.parametrize("course", COURSES, ids="-".join)
async def test_nothing_is_lost_while_the_owner_lives(
    course: tuple[str, ...], seed: int, tmp_path: Path
) -> None:
    """Acknowledged answers count once, and no player sees a gap or the past again."""
    async with (
        three_shards(tmp_path) as (shards, redis),
        playing(shards, redis.url, PLAN, seed) as game,
    ):
        for harm in course:
            await asyncio.sleep(game.rng.uniform(0.3, 1.0))
            if game.over:
                break
            await HARM[harm](redis, game.rng)
        await game.end()
        await game.hold()
        assert all(player.anew == 0 for player in game.players)
        assert not any(player.closes for player in game.players)


@pytest.mark.parametrize("seed", rounds(1, 8))
@pytest.mark.parametrize("way", ["dies", "leaves"])
async def test_a_new_owner_gives_back_what_others_wrote(
    way: str, seed: int, tmp_path: Path
) -> None:
    """It has followed the session, and had read none of it when it took over."""
    async with (
        three_shards(tmp_path) as (shards, redis),
        playing(shards, redis.url, SHORT, seed) as game,
    ):
        await asyncio.sleep(game.rng.uniform(0.5, 2.0))
        owner, term = await game.owner(), await game.term()
        await (owner.kill() if way == "dies" else owner.stop())
        await game.later_term(term)
        await game.something_said(asyncio.get_running_loop().time())
        await kill_and_wipe(redis, game.rng)
        await game.end()
        await game.hold()
        assert await game.owner() is not owner
        assert all(player.anew == 0 for player in game.players)


async def lose_the_end(redis: RedisServer, elder: Path) -> None:
    """Bring a Redis that is down back with an elder copy of its file."""
    redis.wipe()
    shutil.copytree(elder, redis.dir, dirs_exist_ok=True)
    await redis.start()


@asynccontextmanager
async def losing_shards(
    data_dir: Path,
) -> AsyncIterator[tuple[ShardServers, RedisServer]]:
    """Start three shards that may say only that the database has what is lost."""
    async with RedisServer(DURABLE) as redis:
        async with ShardServers(data_dir, redis.url, 3, AS_SHIPPED) as shards:
            try:
                yield shards, redis
            finally:
                print(shards.story())
        assert all(line["logger"].startswith("quizd.store") for line in shards.errors())


def hold_the_loss(player: Survivor, recount: Recount) -> int:
    """Return how many results of *player* are void; it was shown anew then."""
    kept = recount.answers_of(player.ticket["participantId"])
    lost = player.acknowledged.keys() - kept.keys()
    assert not lost or player.welcomes > 1, f"{player.name} does not know"
    return len(lost)


@pytest.mark.parametrize("seed", rounds(1, 8))
async def test_what_is_lost_with_owner_and_redis_is_lost_for_all(
    seed: int, tmp_path: Path
) -> None:
    """Play goes on from the elder state; everybody is shown it, and it is counted.

    The window is what Redis had not on the disk: with ``appendfsync always`` nothing,
    with ``everysec`` about a second, here what came after the copy was made.
    """
    elder = tmp_path / "elder"
    async with (
        losing_shards(tmp_path / "data") as (shards, redis),
        playing(shards, redis.url, SLOW, seed) as game,
    ):
        rng = random.Random(seed)
        for player in game.players:
            player.forgives = True
        await asyncio.sleep(rng.uniform(1, 2))
        shutil.copytree(redis.dir, elder)
        _, before, _ = (await game.log())[-1]
        await asyncio.sleep(1.0)
        owner = await game.owner()
        await owner.kill()
        await redis.kill()
        await lose_the_end(redis, elder)
        await owner.start()
        await game.end()
        log = await game.log()
        assert log[-1][1] > before
        hold_without_gap(log)
        await game.hold_the_end()
        recount = Recount(played(await game.records()))
        lost = sum(hold_the_loss(player, recount) for player in game.players)
        assert {player.place[0] for player in game.players} == {2}
        print(f"{lost} answers are lost")
        assert lost
