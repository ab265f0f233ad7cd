"""Redis servers that contract tests share: no test uses the keys of another one."""

import asyncio
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager

import pytest

from tests.support.redis_server import RedisServer


@contextmanager
def _running(server: RedisServer) -> Iterator[RedisServer]:
    """Run *server* from a thread: here is the loop of the first test that asks for it.

    The thread must live as long as the server, which would be killed with it.
    """
    with ThreadPoolExecutor(1) as thread:
        thread.submit(asyncio.run, server.start()).result()
        try:
            yield server
        finally:
            thread.submit(asyncio.run, server.__aexit__(None, None, None)).result()


@pytest.fixture(scope="session")
def redis_server() -> Iterator[RedisServer]:
    """Return a server."""
    with _running(RedisServer({"appendonly": "yes"})) as server:
        yield server


@pytest.fixture(scope="session")
def redis_cluster() -> Iterator[RedisServer]:
    """Return a Cluster of one node, which takes seconds to start."""
    with _running(RedisServer(cluster=True)) as server:
        yield server
