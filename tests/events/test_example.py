"""The example program, on a whole game."""

import asyncio
import random
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Any

import orjson
import pytest
from redis.exceptions import ResponseError

from quizd.events import stream_key
from quizd.journal.memory import MemoryJournal
from quizd.redis_client import Client
from tests.events.stage import LOOK_S, Game, journalled, played, shard
from tests.oracle.game import recount
from tests.session.play import multiple, quiz, single, true_false
from tests.support.redis_server import RedisServer, needs_redis

pytestmark = [needs_redis, pytest.mark.asyncio(loop_scope="module")]

PROGRAM = Path(__file__).parents[2] / "examples" / "event_scores.py"
PATIENCE_S = 20.0
QUESTIONS = (single(), multiple("red", "blue"), true_false(), single("blue"))


class Program:
    """The example, running."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self._process = process

    async def line(self) -> dict[str, Any]:
        """Return the next line that it prints."""
        assert self._process.stdout is not None
        async with asyncio.timeout(PATIENCE_S):
            line: dict[str, Any] = orjson.loads(await self._process.stdout.readline())
        return line


@asynccontextmanager
async def program(server: RedisServer) -> AsyncIterator[Program]:
    """Start the example on *server*; kill it at the end."""
    process = await asyncio.create_subprocess_exec(
        sys.executable, str(PROGRAM), server.url, stdout=asyncio.subprocess.PIPE
    )
    try:
        yield Program(process)
    finally:
        process.kill()
        await process.communicate()


async def by_the_rules(journal: MemoryJournal, session_id: str) -> dict[str, int]:
    """Return what those who were in at the end have, counted from the journal."""
    counted = recount(await journalled(journal, session_id))
    ids = [f"p{number}" for number in range(len(counted.standings))]
    standings = zip(ids, counted.standings, strict=True)
    return {name: each.score for name, each in standings if each.rank}


@pytest.mark.parametrize("feedback", ["immediate", "on_close"])
async def test_it_adds_up_what_the_journal_has(
    server: RedisServer, client: Client, feedback: str
) -> None:
    """Its scores are those that the oracle counts from the records."""
    rules = quiz(*QUESTIONS, advance="host", feedback=feedback, streak_bonus=True)
    async with MemoryJournal() as journal, shard(journal, client) as one:
        runner = await one.open("s1", rules)
        async with program(server) as example:
            await played(one, runner, seed=5)
            line = await example.line()
        assert line == {"sessionId": "s1", "scores": await by_the_rules(journal, "s1")}


async def test_it_goes_on_where_it_was_killed(
    server: RedisServer, client: Client
) -> None:
    """What it had read and not finished is given to it again."""
    async with MemoryJournal() as journal, shard(journal, client) as one:
        runner = await one.open("s1", quiz(*QUESTIONS, advance="host"))
        game = Game(one, runner, random.Random(7))
        await game.join(9)
        async with program(server):
            await game.start()
            await game.answer_all()
            await until_given_out(client)
        async with program(server) as example:
            await game.play_on()
            line = await example.line()
        assert line == {"sessionId": "s1", "scores": await by_the_rules(journal, "s1")}


async def until_given_out(client: Client) -> None:
    """Wait until the program has read an answer."""
    async with asyncio.timeout(PATIENCE_S):
        while True:
            with suppress(ResponseError):  # there is no such stream yet
                groups = await client.xinfo_groups(stream_key("answers"))
                if any(group["pending"] for group in groups):
                    return
            await asyncio.sleep(LOOK_S)
