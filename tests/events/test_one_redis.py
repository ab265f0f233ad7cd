"""Journal and streams on the same Redis, as they are in a cluster."""

import asyncio
import random

import pytest

from quizd.redis_client import Client
from tests.events.complete import assert_all_told
from tests.events.stage import Game, Shard, shard
from tests.journal.redis_stage import process
from tests.session.play import multiple, quiz, single
from tests.support.redis_server import RedisServer, needs_redis

pytestmark = [needs_redis, pytest.mark.asyncio(loop_scope="module")]

RULES = quiz(single(), multiple("red", "blue"), single("blue"), advance="host")


@pytest.mark.parametrize("forgets", [False, True])
async def test_redis_dies_and_comes_back_under_a_game(
    server: RedisServer,
    client: Client,
    forgets: bool,
) -> None:
    """Play waits for its journal; what it has decided is told once that is back.

    Where Redis has lost all, the owner gives the journal back; all is told again.
    """
    async with process(server) as journal, shard(journal, client) as one:
        game = Game(one, await one.open("s1", RULES), random.Random(1))
        await game.join(9)
        await game.start()
        await game.answer_all()
        await one.told()
        await server.kill()
        if forgets:
            server.wipe()
        closing = asyncio.create_task(game.close())
        await server.start()
        await closing
        await game.ask()
        await game.play_on()
        await one.told()
        assert one.metric("gaps_total") == 0
        await assert_all_told(journal, client)


async def test_another_shard_takes_over(server: RedisServer, client: Client) -> None:
    """An owner that was paused tells no more than its journal took from it."""
    async with process(server, "a") as first, process(server, "b") as second:
        one = Shard(first, client)
        one.owner.on_fenced = lambda _: None
        one.events.start()
        game = Game(one, await one.open("s1", RULES), random.Random(2))
        await game.join(9)
        await game.start()
        await game.answer_all()
        async with shard(second, client, clock=one.clock) as two:
            await two.owner.recover()
            late = asyncio.create_task(game.close())
            await asyncio.wait([late])
            assert late.exception() is not None
            game = Game(two, two.owner.runners()[0], random.Random(3))
            await game.play_on()
            await two.told()
            await one.die()
        await assert_all_told(second, client)
