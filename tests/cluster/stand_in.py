"""A Redis that a test answers for: in virtual time, and as badly as wanted."""

import asyncio
from collections.abc import Awaitable, Callable, Iterable
from typing import Any, cast

import orjson
from redis.exceptions import ConnectionError as RedisConnectionError

from quizd.cluster.base import RedisClient

Script = Callable[[list[str], Iterable[Any]], Awaitable[bytes]]
START_MS = 1_767_225_600_000


class StandIn:
    """Takes the renewals of one member and answers as *behave* says.

    ``ok`` answers at once, ``refuse`` raises, ``hang`` never answers. *before_answer*
    is awaited once Redis has taken note, on the answer's way back. *since_ms* and
    *evicted* are what the member is told of itself, *taken_by* who has its place on
    another machine, *others* whom else it sees.
    """

    def __init__(self) -> None:
        self.behave = "ok"
        self.since_ms = START_MS
        self.evicted = False
        self.taken_by: dict[str, Any] | None = None
        self.others: dict[str, dict[str, Any]] = {}
        self.watched_ms = 10_000
        self.before_answer: Callable[[], Awaitable[None]] = _at_once
        self.sent_s: list[float] = []
        self.removed = 0
        self._scripts = 0

    @property
    def client(self) -> RedisClient:
        """What the member takes for a client."""
        return cast(RedisClient, self)

    def register_script(self, _: str) -> Script:
        """Return the call that renews, then the one that removes."""
        self._scripts += 1
        return self._renew if self._scripts == 1 else self._remove

    async def _renew(self, _: list[str], words: Iterable[Any]) -> bytes:
        _, shard, record, _ = words
        self.sent_s.append(asyncio.get_running_loop().time())
        await self._reach()
        answer = self._answer(shard, orjson.loads(record))
        await self.before_answer()
        return answer

    async def _remove(self, _keys: list[str], _: Iterable[Any]) -> bytes:
        await self._reach()
        self.removed += 1
        return b"1"

    async def _reach(self) -> None:
        if self.behave == "refuse":
            raise RedisConnectionError("refused")
        if self.behave == "hang":
            await asyncio.Event().wait()

    def _answer(self, shard: str, record: dict[str, Any]) -> bytes:
        now_ms = START_MS + round(asyncio.get_running_loop().time() * 1000)
        own = record | {"since_ms": self.since_ms, "alive_ms": now_ms}
        own["born_ms"] = record["born_ms"] or START_MS
        if self.taken_by is not None:
            own |= self.taken_by
        return orjson.dumps(
            {
                "now_ms": now_ms,
                "since_ms": now_ms - self.watched_ms,
                "evicted": self.evicted,
                "taken": self.taken_by is not None,
                "members": self.others | {shard: own},
            }
        )


async def _at_once() -> None:
    """Let the answer arrive at once."""
