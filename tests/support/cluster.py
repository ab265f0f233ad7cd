"""Several shards as processes of their own, on a Redis that the test started."""

import asyncio
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from typing import Self

from tests.support.server import Server

FAST = {"cluster.lease_ms": 900, "cluster.renew_ms": 200}


class ShardServers:
    """Shards ``host-0``, ``host-1`` … that share a data directory, each on a port.

    *options* are settings by ``section.key``, beside a lease that is short for tests.
    """

    def __init__(
        self,
        data_dir: Path,
        redis_url: str,
        count: int,
        options: Mapping[str, object] | None = None,
    ) -> None:
        common = {"redis.url": redis_url, "cluster.name": "host", **FAST}
        self.servers = [
            Server(
                data_dir,
                {**common, **(options or {})},
                ("serve", "--shard-index", str(index)),
            )
            for index in range(count)
        ]

    def __getitem__(self, index: int) -> Server:
        return self.servers[index]

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
        await asyncio.gather(*(server.stop() for server in self.servers))
