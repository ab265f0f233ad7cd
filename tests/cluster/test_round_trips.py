"""Round trips on a kept connection, to one server and to a Cluster of one node."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

import pytest
from redis.asyncio.connection import Connection
from redis.exceptions import ResponseError

from quizd.redis_client import (
    TROUBLE,
    Client,
    RedisOptions,
    Trips,
    connect,
    hang_up,
    shared_trips,
    trips,
)
from quizd.redis_client.round_trips import TOGETHER
from tests.support.fault_proxy import FaultProxy, Faults
from tests.support.redis_server import RedisServer, needs_redis

pytestmark = needs_redis

TIMEOUT_S = 0.5
SEEN_SOON_S = 5.0

Make = Callable[[Client], Trips]


@pytest.fixture
async def redis(request: pytest.FixtureRequest) -> AsyncIterator[RedisServer]:
    """Return a Redis that keeps what it has when it starts again."""
    is_cluster = getattr(request, "param", False)
    async with RedisServer({"appendonly": "yes"}, cluster=is_cluster) as server:
        yield server


@asynccontextmanager
async def way(redis: RedisServer, make: Make) -> AsyncIterator[Trips]:
    """Give a way to *redis*, and hang up."""
    scheme = "redis+cluster" if redis.cluster else "redis"
    options = RedisOptions(f"{scheme}://127.0.0.1:{redis.port}", timeout_s=TIMEOUT_S)
    client = connect(options, "trips")
    made = make(client)
    try:
        yield made
    finally:
        await made.close()
        await client.aclose()


EACH = pytest.mark.parametrize(
    ("redis", "make"),
    [(False, trips), (False, shared_trips), (True, trips)],
    indirect=["redis"],
    ids=["alone", "shared", "cluster"],
)
EITHER = pytest.mark.parametrize("redis", [False, True], indirect=True)


@EACH
async def test_replies_come_in_order(redis: RedisServer, make: Make) -> None:
    """As the client gives them: a map as a map, and what is refused as a value."""
    async with way(redis, make) as asking:
        replies = await asking.ask(
            [
                ("SET", "text", "é"),
                ("INCR", "text"),
                ("HSET", "map", "a", 1, b"b", b"\0\r\n"),
                ("HGETALL", "map"),
                ("GET", "none"),
            ]
        )
        refused = replies.pop(1)
        assert isinstance(refused, ResponseError)
        assert "not an integer" in str(refused)
        assert replies == [True, 2, {b"a": b"1", b"b": b"\0\r\n"}, None]


@EACH
async def test_more_than_fits_into_one_round(redis: RedisServer, make: Make) -> None:
    """Thousands of commands of one caller, with replies of some size."""
    async with way(redis, make) as asking:
        numbers = range(2 * TOGETHER + 1)
        await asking.ask([("SET", f"k{n}", b"%d" % n * 100) for n in numbers])
        found = await asking.ask([("GET", f"k{n}") for n in numbers])
        assert found == [b"%d" % n * 100 for n in numbers]


@EITHER
async def test_many_share_a_connection(redis: RedisServer) -> None:
    """Each gets its own replies; who gives up meanwhile costs nobody anything."""
    async with way(redis, shared_trips) as asking:

        async def own(number: int) -> list[Any]:
            commands = [("INCRBY", f"{number}", number)] * (1 + number % 3)
            return await asking.ask(commands)

        # A Cluster's client has a bound on its connections, and is asked by each.
        numbers = range(1, 15 if redis.cluster else 200)
        tasks = [asyncio.create_task(own(number)) for number in numbers]
        await asyncio.sleep(0)
        for task in tasks[::7]:
            task.cancel()
        done = await asyncio.gather(*tasks, return_exceptions=True)
        for number, replies in enumerate(done, start=1):
            if number % 7 == 1:
                assert isinstance(replies, asyncio.CancelledError)
            else:
                counts = range(1, 2 + number % 3)
                assert replies == [number * count for count in counts]
        if not redis.cluster:
            (clients,) = await asking.ask([("CLIENT", "LIST")])
            assert clients.count(b"name=quizd-trips") == 1


@EACH
async def test_a_server_that_starts_again_is_met_again(
    redis: RedisServer, make: Make
) -> None:
    """The first one who asks after that is served, if it has been noticed."""
    async with way(redis, make) as asking:
        await asking.ask([("SET", "a", "b")])
        await redis.kill()
        with pytest.raises(TROUBLE):
            await asking.ask([("GET", "a")])
        await redis.start()
        async with asyncio.timeout(SEEN_SOON_S):
            while True:
                try:
                    assert await asking.ask([("GET", "a")]) == [b"b"]
                except TROUBLE:
                    assert redis.cluster  # its client takes the slots' word for a while
                else:
                    return


async def test_a_restart_between_two_calls_is_noticed(redis: RedisServer) -> None:
    """The connection of before is not tried: no call is lost to it."""
    async with way(redis, trips) as asking:
        await asking.ask([("SET", "a", "b")])
        await redis.restart()
        await asyncio.sleep(0.01)
        assert await asking.ask([("GET", "a")]) == [b"b"]


@EACH
async def test_a_reply_that_comes_too_late_is_nobody_elses(
    redis: RedisServer, make: Make
) -> None:
    """Who waits is told in time; the next one gets the next one's reply."""
    async with way(redis, make) as asking:
        await asking.ask([("SET", "a", "b"), ("SET", "c", "d")])
        redis.pause()
        with pytest.raises(TROUBLE):
            async with asyncio.timeout(4 * TIMEOUT_S):
                await asking.ask([("GET", "a")])
        redis.resume()
        async with asyncio.timeout(SEEN_SOON_S):
            while True:
                try:
                    assert await asking.ask([("GET", "c")]) == [b"d"]
                except TROUBLE:
                    await asyncio.sleep(0.01)
                else:
                    return


async def test_who_waits_at_the_end_is_answered(redis: RedisServer) -> None:
    """And what is asked behind it as well; then nothing is left."""
    async with way(redis, shared_trips) as asking:
        first = asyncio.create_task(asking.ask([("SET", "a", "b")]))
        await asyncio.sleep(0)
        await asking.close()
        assert await first == [True]
        assert await asking.ask([("GET", "a")]) == [b"b"]
        assert await asking.ask([("GET", "a")]) == [b"b"]


async def test_too_many_who_wait_are_told_at_once(
    redis: RedisServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Those who came before are served."""
    monkeypatch.setattr("quizd.redis_client.round_trips.WAITING_MAX", 3)
    async with way(redis, shared_trips) as asking:
        asked = [asking.ask([("INCR", "n")]) for _ in range(5)]
        done = await asyncio.gather(*asked, return_exceptions=True)
        assert done[:3] == [[1], [2], [3]]
        assert [str(each) for each in done[3:]] == ["too many wait for its answers"] * 2
        assert await asking.ask([("INCR", "n")]) == [4]


async def test_what_takes_long_gets_through(redis: RedisServer) -> None:
    """Replies that come one after the other have their time each, not all together."""
    size, count = 50_000, 60
    async with FaultProxy(redis.port) as proxy:
        options = RedisOptions(
            f"redis://127.0.0.1:{proxy.port}", timeout_s=TIMEOUT_S, connections=1
        )
        client = connect(options, "trips")
        asking = shared_trips(client)
        try:
            await asking.ask([("SET", f"{n}", bytes(size)) for n in range(count)])
            proxy.faults = Faults(bytes_per_s=size * count / (4 * TIMEOUT_S))
            asked = [asking.ask([("GET", f"{n}")]) for n in range(count)]
            assert await asyncio.gather(*asked) == [[bytes(size)]] * count
        finally:
            await asking.close()
            await client.aclose()


async def test_who_is_answered_before_the_line_breaks_has_the_answer(
    redis: RedisServer,
) -> None:
    """The others are told that it broke, and what they asked is not sent again."""
    async with way(redis, shared_trips) as asking:
        await asking.ask([("SET", "a", "b"), ("LPUSH", "list", "1")])
        early = asyncio.create_task(asking.ask([("GET", "a")]))
        late = asyncio.create_task(asking.ask([("BLPOP", "none", f"{2 * TIMEOUT_S}")]))
        last = asyncio.create_task(asking.ask([("LPUSH", "list", "2")]))
        assert await early == [b"b"]
        with pytest.raises(TROUBLE):
            await late
        with pytest.raises(TROUBLE):
            await last
        assert await asking.ask([("LLEN", "list")]) in ([1], [2])


@EITHER
@pytest.mark.parametrize("kind", [AttributeError, TypeError, RuntimeError])
async def test_a_connection_that_is_closed_in_use_is_trouble(
    redis: RedisServer, kind: type[Exception], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Servers close idle ones, redis-py those of a node that fails: writing fails."""
    scheme = "redis+cluster" if redis.cluster else "redis"
    client = connect(RedisOptions(f"{scheme}://127.0.0.1:{redis.port}"), "closed")
    assert await client.set("a", "b")

    async def fail(*_: object, **__: object) -> None:
        raise kind("closed")

    with monkeypatch.context() as patch:
        patch.setattr(Connection, "send_packed_command", fail)
        with pytest.raises(TROUBLE, match="closed while in use"):
            await client.get("a")
        if redis.cluster:
            with pytest.raises(TROUBLE, match="closed while in use"):
                await trips(client).ask([("GET", "a")])
    assert await client.get("a") == b"b"
    await hang_up(client)
    with monkeypatch.context() as patch:
        patch.setattr(client, "aclose", fail)
        await hang_up(client)
