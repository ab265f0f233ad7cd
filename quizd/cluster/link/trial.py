"""Tries the link before shards depend on it: what it may, and whether it is heard."""

import asyncio

from quizd.cluster.link.redis import RedisLink
from quizd.redis_client import RedisOptions, RedisUnusable

_CHANNEL = "quizd:link:doctor"
_AGAIN_S = 0.1


async def try_link(options: RedisOptions, within_s: float) -> None:
    """Say a word over the link and hear it.

    Raises `RedisUnusable` with what is known where that takes longer than *within_s*
    seconds, and `RedisMisconfigured`.
    """
    heard = asyncio.Event()
    async with RedisLink(options, "doctor") as link:
        subscription = link.subscribe(_CHANNEL, lambda _: heard.set(), heard.clear)
        try:
            async with asyncio.timeout(within_s):
                await subscription.ready
                while not heard.is_set():
                    link.publish(_CHANNEL, b"heard?")
                    await asyncio.sleep(_AGAIN_S)
        except TimeoutError:
            why = link.problem or "what is published does not arrive"
            raise RedisUnusable(f"pub/sub: {why}") from None
