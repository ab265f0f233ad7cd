"""How far behind the consumers of each stream are."""

from collections.abc import Iterable
from typing import Any

from redis.exceptions import ResponseError

from quizd.events.options import stream_key
from quizd.events.stream import StreamsAway
from quizd.redis_client import TROUBLE, Client, explain

COUNTED = 1000
"""Where Redis does not count by itself, so many at most: this or more."""

BEHIND = "return #redis.call('XRANGE', KEYS[1], '(' .. ARGV[1], '+', 'COUNT', ARGV[2])"


class Lags:
    """For each of *streams* the events that its slowest group has not finished.

    That is what it was not given yet, and what it has not acknowledged.
    """

    def __init__(self, client: Client, streams: Iterable[str]) -> None:
        self._client = client
        self.events = dict.fromkeys(streams, 0)

    async def read(self) -> None:
        """Ask Redis; raise `StreamsAway`."""
        try:
            for stream in self.events:
                self.events[stream] = await self._slowest(stream_key(stream))
        except TROUBLE as error:
            raise StreamsAway(explain(error)) from error

    async def _slowest(self, key: str) -> int:
        try:
            groups = await self._client.xinfo_groups(key)
        except ResponseError as error:
            if "no such key" in str(error):
                return 0
            raise
        return max([await self._behind(key, group) for group in groups], default=0)

    async def _behind(self, key: str, group: dict[str, Any]) -> int:
        """Return how far a group is behind; Redis counts since 7.0, if it can."""
        lag = group.get("lag")
        if lag is None:
            last = group["last-delivered-id"]
            lag = await self._client.eval(BEHIND, 1, key, last, COUNTED)
        return int(lag) + int(group["pending"])
