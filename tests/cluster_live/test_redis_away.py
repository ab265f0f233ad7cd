"""What a cluster does when its Redis is away, or has forgotten everything."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import httpx
import pytest

from tests.cluster_live.test_one_cluster import HOST_LEADS, command, through
from tests.support.cluster import ShardServers
from tests.support.quizzes import quick_quiz
from tests.support.redis_server import RedisServer, needs_redis
from tests.support.socket_player import Player

LEAVE_MOST_S = 15.0
MENDED_S = 30.0
BETWEEN_S = 0.2

pytestmark = [needs_redis, pytest.mark.timeout(120)]


@pytest.fixture(name="redis")
async def _redis() -> AsyncIterator[RedisServer]:
    """Start a Redis as durable as the one that we ship the configuration of."""
    async with RedisServer({"appendonly": "yes", "appendfsync": "always"}) as server:
        yield server


async def test_a_pin_is_found_again_after_redis_has_lost_all(
    redis: RedisServer, tmp_path: Path
) -> None:
    """By shards that had nothing to do with the session; nothing is opened twice."""
    async with ShardServers(tmp_path, redis.url, 3) as shards:
        opened = await shards[0].open_quiz(quick_quiz(1, HOST_LEADS))
        await asyncio.sleep(2)
        await redis.kill()
        redis.wipe()
        await redis.start()
        for shard in shards.servers:
            async with asyncio.timeout(MENDED_S):
                while True:
                    async with shard.api() as api:
                        body = {"participantName": "Ann"}
                        path = f"/quizzes/{opened['pin']}/join"
                        reply = await api.post(path, json=body)
                    if reply.status_code == httpx.codes.OK:
                        break
                    assert reply.status_code == httpx.codes.SERVICE_UNAVAILABLE
                    await asyncio.sleep(BETWEEN_S)
            assert reply.json()["sessionId"] == opened["sessionId"]
        for shard in shards.servers:
            async with shard.api(shards[0].author_token) as api:
                again = await api.post(f"/quizzes/{opened['quizId']}/open")
            assert again.json()["sessionId"] == opened["sessionId"]


async def test_a_shard_leaves_in_time_while_redis_is_away(
    redis: RedisServer, tmp_path: Path
) -> None:
    """It can hand nothing over; the journal has it all when Redis is back."""
    clock = asyncio.get_running_loop().time
    async with ShardServers(tmp_path, redis.url, 2) as shards:
        opened = await shards[0].open_quiz(quick_quiz(2, HOST_LEADS))
        ticket = await shards[0].join(opened["pin"], "Ann")
        await command(shards, 1, opened, "start")
        await command(shards, 0, opened, "next")
        async with Player.of(through(shards, 1, ticket)) as player:
            picture = await player.next("welcome")
            question = picture.get("question") or await player.next("new_question")
            await player.answer(question["questionId"], question["options"][0])
            result = await player.next("answer_result")
        await redis.kill()
        await asyncio.sleep(1)
        began_s = clock()
        await asyncio.gather(*(shard.stop() for shard in shards.servers))
        print(f"left after {clock() - began_s:.1f} s")
        assert clock() - began_s < LEAVE_MOST_S
        await redis.start()
        await asyncio.gather(*(shard.start() for shard in shards.servers))
        async with asyncio.timeout(MENDED_S):
            while not await _has_owner(shards):  # noqa: ASYNC110
                await asyncio.sleep(BETWEEN_S)
        async with Player.of(through(shards, 0, ticket)) as player:
            welcome = await player.next("welcome")
        assert welcome["phase"] == "reveal"  # the only player had answered
        assert welcome["you"]["score"] == result["score"]


async def _has_owner(shards: ShardServers) -> bool:
    owned = "session_recovered"
    return any(line["event"] == owned for s in shards.servers for line in s.log)


async def test_a_session_that_nobody_has_any_more_is_not_found(
    redis: RedisServer, tmp_path: Path
) -> None:
    """Its owner is dead and Redis empty: players are told, and not left waiting."""
    async with ShardServers(tmp_path, redis.url, 2) as shards:
        opened = await shards[0].open_quiz(quick_quiz(1, HOST_LEADS))
        opens = "session_opened"
        (owner,) = [
            s for s in shards.servers if any(line["event"] == opens for line in s.log)
        ]
        (other,) = [n for n, shard in enumerate(shards.servers) if shard is not owner]
        ticket = await shards[other].join(opened["pin"], "Ann")
        async with Player.of(through(shards, other, ticket)) as player:
            await player.next("welcome")
            await owner.kill()
            await redis.kill()
            redis.wipe()
            await redis.start()
            assert await player.closed() == 4004
        async with Player.of(through(shards, other, ticket)) as player:
            assert await player.closed() in (1011, 4004)
