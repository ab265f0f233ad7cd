"""What redis-py leaves to the loop is no error of ours; everything else is reported."""

import asyncio
import gc
import warnings
from collections.abc import AsyncIterator

import pytest
from redis.asyncio.cluster import ClusterNode
from redis.asyncio.connection import Connection

from quizd.redis_client import overlook_dropped
from tests.support.redis_server import RedisServer, needs_redis, redis_fixture

redis = redis_fixture

TROUBLE = RuntimeError("the handler is closed")


class _HungUp(Connection):
    """A connection whose server hung up: uvloop refuses to close it again."""

    async def disconnect(self, *_: object, **__: object) -> None:
        raise TROUBLE


@pytest.fixture(autouse=True)
async def overlooking() -> AsyncIterator[None]:
    """Have the test's loop overlook what it should."""
    loop = asyncio.get_running_loop()
    overlook_dropped(loop)
    yield
    loop.set_exception_handler(None)


async def left_alone(task: asyncio.Task[None]) -> None:
    """Let *task* end without anybody asking how."""
    await asyncio.wait([task])
    del task
    gc.collect()


async def test_a_node_that_had_hung_up(loop_errors: list[str]) -> None:
    """Neither the closing of the node nor of its connections is reported."""
    node = ClusterNode("127.0.0.1", 1)
    node._connections.append(_HungUp())
    await left_alone(asyncio.create_task(node.disconnect()))
    assert not loop_errors


@needs_redis
async def test_a_node_left_open(redis: RedisServer, loop_errors: list[str]) -> None:
    """Its connections are closed when it is collected."""
    node = ClusterNode("127.0.0.1", redis.port)
    assert await node.execute_command("ECHO", "here") == b"here"
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ResourceWarning)
        del node
        gc.collect()
    assert not loop_errors


async def test_what_is_ours(loop_errors: list[str]) -> None:
    """A task that fails, and whatever else the loop is told, is reported."""

    async def fail() -> None:
        raise TROUBLE

    await left_alone(asyncio.create_task(fail()))
    asyncio.get_running_loop().call_exception_handler({"message": "odd"})
    reports = "\n".join(loop_errors)
    loop_errors.clear()
    assert "the handler is closed" in reports
    assert "odd" in reports
