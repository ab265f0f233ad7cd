"""How close the server is to throwing our listeners out.

Redis keeps what a subscriber has not read yet, and closes the connection of one that
is over ``client-output-buffer-limit pubsub`` (32 MiB, or 8 MiB for 60 s, unless
configured): https://redis.io/docs/latest/develop/reference/clients/
"""

from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Any

from redis.asyncio import RedisCluster
from redis.exceptions import NoPermissionError, ResponseError

from quizd.redis_client import Client

WARN_SHARE = 0.5
"""Of the limit, from which on a warning is due."""


@dataclass(frozen=True, slots=True)
class ListenerBuffers:
    """Bytes that the server keeps for a listener, and how many it would.

    ``hard_bytes`` closes at once, ``soft_bytes`` after ``soft_s`` seconds; 0 is no
    limit. ``used_bytes`` is the fullest of ours, on any node. A number is None where
    the server, or its ACL, does not let us look.
    """

    hard_bytes: int | None
    soft_bytes: int | None
    soft_s: int | None
    used_bytes: int | None

    @property
    def is_high(self) -> bool:
        """Whether the fullest is at `WARN_SHARE` of the lower limit, or more."""
        limits = [limit for limit in (self.hard_bytes, self.soft_bytes) if limit]
        return bool(limits) and (self.used_bytes or 0) >= WARN_SHARE * min(limits)


async def listener_buffers(client: Client, shard: str = "") -> ListenerBuffers:
    """Look at the listeners of *shard*, or of all shards. Raises ``RedisError``."""
    ours = f"quizd-{shard}-sub" if shard else ""
    limits = [_limit(reply) async for reply in _each(client, "CONFIG GET", _OPTION)]
    used = [
        _used(reply, ours) async for reply in _each(client, "CLIENT LIST", *_PUBSUB)
    ]
    known = [limit for limit in limits if limit is not None]
    hard, soft, soft_s = min(known, key=_strictness) if known else (None, None, None)
    return ListenerBuffers(hard, soft, soft_s, max(used) if used else None)


_OPTION = "client-output-buffer-limit"
_PUBSUB = ("TYPE", "pubsub")


async def _each(client: Client, *command: str) -> AsyncIterator[Any]:
    """Yield the reply of every primary that gives one."""
    targets: list[dict[str, Any]] = [{}]
    if isinstance(client, RedisCluster):
        await client.initialize()
        targets = [{"target_nodes": node} for node in client.get_primaries()]
    for target in targets:
        try:
            yield await client.execute_command(*command, **target)
        except (NoPermissionError, ResponseError):
            continue


def _limit(reply: dict[object, object]) -> tuple[int, int, int] | None:
    """Return the class ``pubsub`` of ``normal 0 0 0 slave … pubsub 33554432 …``."""
    values = [_text(value) for pair in reply.items() for value in pair]
    words = values[-1].split() if values else []
    if "pubsub" not in words:
        return None
    at = words.index("pubsub")
    hard, soft, soft_s = map(int, words[at + 1 : at + 4])
    return hard, soft, soft_s


def _strictness(limit: tuple[int, int, int]) -> float:
    return min(x or float("inf") for x in limit[:2])


def _used(clients: list[dict[str, str]], ours: str) -> int:
    """Return the largest buffer in a reply to CLIENT LIST; *ours* empty: any shard."""
    return max(
        (
            int(one["omem"])
            for one in clients
            if one["name"] == ours or (not ours and _is_listener(one["name"]))
        ),
        default=0,
    )


def _is_listener(name: str) -> bool:
    return name.startswith("quizd-") and name.endswith("-sub")


def _text(value: object) -> str:
    return value.decode() if isinstance(value, bytes) else str(value)
