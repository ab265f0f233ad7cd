"""Servers in processes of their own, for the tests of this folder."""

import gc
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import AsyncExitStack
from itertools import count
from pathlib import Path

import pytest
import pytest_asyncio

from tests.support.server import Server

Start = Callable[..., Awaitable[Server]]


@pytest.fixture(scope="module", autouse=True)
def _short_collections() -> Iterator[None]:
    """Spare the collector, which runs after each test, all that was there before."""
    gc.collect()
    gc.freeze()
    yield
    gc.unfreeze()


@pytest_asyncio.fixture
async def start(tmp_path: Path) -> AsyncIterator[Start]:
    """Return a way to start a server with settings of one's own.

    They are given as ``limits__connections=5`` and the like; each server is stopped
    when the test ends.
    """
    numbers = count()
    async with AsyncExitStack() as stack:

        async def run(**options: object) -> Server:
            settings = {key.replace("__", "."): value for key, value in options.items()}
            server = Server(tmp_path / f"server-{next(numbers)}", settings)
            return await stack.enter_async_context(server)

        yield run
