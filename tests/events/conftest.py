"""One Redis for each file of tests; every test finds it empty."""

from collections.abc import AsyncIterator

import pytest_asyncio

from quizd.redis_client import Client
from tests.journal.redis_stage import client_of
from tests.support.redis_server import RedisServer


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def server() -> AsyncIterator[RedisServer]:
    """Start a Redis that keeps what it has said to keep."""
    options = {"appendonly": "yes", "appendfsync": "always"}
    async with RedisServer(options) as one:
        yield one


@pytest_asyncio.fixture(loop_scope="module")
async def client(server: RedisServer) -> AsyncIterator[Client]:
    """Return a client of the empty server."""
    if not server.running:
        await server.start()
    client = client_of(server)
    await client.flushall()
    yield client
    await client.aclose()
