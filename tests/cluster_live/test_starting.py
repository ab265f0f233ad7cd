"""A shard that can't begin says why, and leaves when it is told to."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.support.redis_server import RedisServer, needs_redis
from tests.support.server import Server

pytestmark = [needs_redis, pytest.mark.timeout(60)]

NO_CHANNELS = ("resetchannels", "~*", "+@all")
LEFT_S = 5.0


async def _deaf() -> AsyncIterator[RedisServer]:
    """Return a Redis of which our user may do all but listen."""
    async with RedisServer({"appendonly": "yes"}) as redis:
        words = ("ACL", "SETUSER", "quizd", "on", ">secret", *NO_CHANNELS)
        await redis.command(*words)
        yield redis


deaf_fixture = pytest.fixture(name="deaf")(_deaf)


def shard(folder: Path, redis: RedisServer) -> Server:
    """Return a shard that may not listen."""
    url = redis.url.replace("://", "://quizd:secret@")
    return Server(folder, {"redis.url": url}, ("serve", "--shard-index", "0"))


async def test_what_keeps_the_link_down_is_told(
    deaf: RedisServer, tmp_path: Path
) -> None:
    """It ends, so that whoever keeps it running knows."""
    server = shard(tmp_path, deaf)
    with pytest.raises(RuntimeError, match=r"link to other shards: .*channel"):
        await server.start()
    await server.ended()


async def test_it_leaves_though_it_has_not_begun(
    deaf: RedisServer, tmp_path: Path
) -> None:
    """Told by SIGTERM while it waits."""
    server = shard(tmp_path, deaf)
    starting = asyncio.create_task(server.start())
    while not any(line["event"] == "link_trouble" for line in server.log):  # noqa: ASYNC110 - another process
        await asyncio.sleep(0.05)
    clock = asyncio.get_running_loop().time
    told_s = clock()
    await server.stop()
    assert clock() - told_s < LEFT_S
    with pytest.raises(RuntimeError, match="no start"):
        await starting
