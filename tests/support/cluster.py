"""Several shards as processes of their own, on a Redis that the test started."""

import asyncio
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import orjson

from tests.support.server import Server

FAST = {"cluster.lease_ms": 900, "cluster.renew_ms": 200}


class ShardServers:
    """Shards ``host-0``, ``host-1`` … that share a data directory, each on a port.

    *options* are settings by ``section.key``, beside a lease that is short for tests.
    *redis_urls* are ways to one Redis, the shards' in turn.
    """

    def __init__(
        self,
        data_dir: Path,
        redis_urls: str | Sequence[str],
        count: int,
        options: Mapping[str, object] | None = None,
    ) -> None:
        urls = [redis_urls] if isinstance(redis_urls, str) else redis_urls
        common = {"cluster.name": "host", **FAST, **(options or {})}
        self.servers = [
            Server(
                data_dir,
                {**common, "redis.url": urls[index % len(urls)]},
                ("serve", "--shard-index", str(index)),
            )
            for index in range(count)
        ]

    def __getitem__(self, index: int) -> Server:
        return self.servers[index]

    def errors(self) -> list[dict[str, Any]]:
        """Return what the shards have logged as errors."""
        return [line for s in self.servers for line in s.log if _is_error(line)]

    def story(self) -> str:
        """Return what the shards have logged but for their starting, in one text."""
        lines = [
            (line["time"], s.command[-1], line)
            for s in self.servers
            for line in s.log
            if line.get("logger", "").startswith("quizd.") or _is_error(line)
        ]
        ordered = sorted(lines, key=lambda each: each[:2])
        return "\n".join(
            f"{index} {orjson.dumps(e).decode()}" for _, index, e in ordered
        )

    async def __aenter__(self) -> Self:
        """Start the first, which makes what all share, then the others."""
        await self.servers[0].start()
        await asyncio.gather(*(server.start() for server in self.servers[1:]))
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Stop them, however the test ended."""
        stops = [server.stop() for server in self.servers]
        outcomes = await asyncio.gather(*stops, return_exceptions=True)
        for outcome in outcomes:
            if isinstance(outcome, BaseException) and error is None:
                raise outcome


def _is_error(line: Mapping[str, Any]) -> bool:
    return line["level"] in ("error", "critical") or "exception" in line
