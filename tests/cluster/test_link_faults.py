"""The link over one server that is slow, silent, gone, or throws us out."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import replace

import pytest

from quizd.cluster.link.line import Timing
from quizd.cluster.link.redis import RedisLink
from quizd.cluster.link.wire import Wire
from quizd.redis_client import RedisOptions
from tests.contract.links import QUICK, eventually, taking, through
from tests.support.fault_proxy import FaultProxy, Faults
from tests.support.redis_server import RedisServer, needs_redis
from tests.support.redis_topologies import ask

pytestmark = needs_redis

CHANNEL = "quizd:{s}:x"


async def _server() -> AsyncIterator[RedisServer]:
    async with RedisServer() as server:
        yield server


async def _proxy(server: RedisServer) -> AsyncIterator[FaultProxy]:
    async with FaultProxy(server.port) as proxy:
        yield proxy


async def _far(proxy: FaultProxy) -> AsyncIterator[RedisLink]:
    """Return a link that goes through the proxy."""
    url = f"redis://127.0.0.1:{proxy.port}"
    async with RedisLink(RedisOptions(url), "far", timing=QUICK) as link:
        yield link


async def _near(server: RedisServer) -> AsyncIterator[RedisLink]:
    """Return a link that nothing happens to."""
    async with RedisLink(RedisOptions(server.url), "near", timing=QUICK) as link:
        yield link


server_fixture = pytest.fixture(name="server")(_server)
proxy_fixture = pytest.fixture(name="proxy")(_proxy)
far_fixture = pytest.fixture(name="far")(_far)
near_fixture = pytest.fixture(name="near")(_near)


class TestBreaks:
    """A connection that ends is made again, and the loss is told."""

    async def test_a_reset_is_told_and_overcome(
        self, proxy: FaultProxy, far: RedisLink, near: RedisLink
    ) -> None:
        """Both halves come back; the subscription is told twice at most."""
        taker = await taking(far, CHANNEL)
        proxy.reset()
        await taker.lost(2)
        await through(near, CHANNEL, taker)
        await through(far, CHANNEL, taker)
        assert taker.losses == 2
        assert far.counters.reconnects == 2
        assert near.counters.reconnects == 0

    async def test_a_server_that_dies_and_comes_back(
        self, server: RedisServer, far: RedisLink
    ) -> None:
        """While it is away messages wait; then they arrive, in order."""
        taker = await taking(far, CHANNEL)
        await server.kill()
        await taker.lost(1)
        sent = [b"%d" % number for number in range(50)]
        (node,) = far._nodes.values()
        await eventually(lambda: node.speaker.wire is None)
        for payload in sent:
            far.publish(CHANNEL, payload)
        assert far.waiting[0] == 50
        await server.start()
        await taker.lost(2)
        await through(far, CHANNEL, taker)
        arrived = [payload for payload in taker.payloads if payload != b"on"]
        assert arrived == sent[len(sent) - len(arrived) :]

    async def test_a_refusing_server_is_named_and_tried_again(
        self, proxy: FaultProxy, far: RedisLink, near: RedisLink
    ) -> None:
        """The problem is in words while it lasts, and gone with it."""
        taker = await taking(far, CHANNEL)
        proxy.refusing = True
        proxy.reset()
        await taker.lost(1)
        await eventually(lambda: "closes the connection" in far.problem)
        assert not far.connected
        proxy.refusing = False
        await taker.lost(2)
        await through(near, CHANNEL, taker)
        await eventually(lambda: far.connected and not far.problem)

    async def test_a_password_that_is_missing_is_named(
        self, server: RedisServer
    ) -> None:
        """A server that lets nobody in is no connection, and says why."""
        await server.command("CONFIG", "SET", "requirepass", "sesame")
        async with RedisLink(RedisOptions(server.url), "out", timing=QUICK) as link:
            await eventually(lambda: "NOAUTH" in link.problem)
            assert not link.connected
            assert link.counters.reconnects == 0
            link.publish(CHANNEL, b"x")
        assert link.counters.dropped == 0

    async def test_what_was_under_way_is_counted_and_not_sent_again(
        self, proxy: FaultProxy, far: RedisLink, near: RedisLink
    ) -> None:
        """A message whose outcome nobody knows arrives once or never."""
        taker = await taking(near, CHANNEL)
        await taking(far, f"{CHANNEL}:own")
        await eventually(lambda: far.connected)
        proxy.black_hole()
        far.publish(CHANNEL, b"unknown")
        await eventually(lambda: far.waiting == (0, 0))
        proxy.reset()
        proxy.recover()
        await through(far, CHANNEL, taker)
        assert taker.payloads.count(b"unknown") == 0
        assert far.counters.dropped == 1


class TestSilence:
    """A server that says nothing is noticed by heartbeats."""

    async def test_a_black_hole_is_noticed_in_the_time_that_is_stated(
        self, proxy: FaultProxy, far: RedisLink
    ) -> None:
        """(misses + 1) heartbeats after the last byte at the latest."""
        taker = await taking(far, CHANNEL)
        loop = asyncio.get_running_loop()
        began_s = loop.time()
        proxy.black_hole()
        await taker.lost(1)
        took_s = loop.time() - began_s
        most_s = (QUICK.misses + 1) * QUICK.heartbeat_s
        assert QUICK.heartbeat_s < took_s < most_s + 0.6  # for a busy machine
        assert not taker.subscription.active
        proxy.recover()
        await taker.lost(2)
        await through(far, CHANNEL, taker)

    async def test_a_server_that_stands_still_is_noticed(
        self, server: RedisServer, far: RedisLink
    ) -> None:
        """SIGSTOP leaves connections open; it is a loss all the same."""
        taker = await taking(far, CHANNEL)
        server.pause()
        await taker.lost(1)
        server.resume()
        await taker.lost(2)
        await through(far, CHANNEL, taker)

    async def test_nothing_to_say_is_no_silence(
        self, far: RedisLink, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """An idle link lives on, heartbeat after heartbeat."""
        beats = 0
        enough = asyncio.Event()
        ping = Wire.ping

        def counted(wire: Wire) -> None:
            nonlocal beats
            ping(wire)
            beats += 1
            if beats == 2 * 3 * (QUICK.misses + 1):
                enough.set()

        monkeypatch.setattr(Wire, "ping", counted)
        taker = await taking(far, CHANNEL)
        await enough.wait()
        assert taker.events == []
        assert far.counters.reconnects == 0

    def test_the_shipped_times_notice_within_two_seconds(self) -> None:
        """What the documentation says of the defaults."""
        timing = Timing()
        assert (timing.misses + 1) * timing.heartbeat_s == 2.0


class TestSlowness:
    """A bad line costs time, never order."""

    @pytest.mark.parametrize(
        "faults",
        [
            Faults(latency_s=0.01, jitter_s=0.02),
            Faults(bytes_per_s=400_000, slice_bytes=1000),
            Faults(slice_bytes=1),
        ],
        ids=["jitter", "bandwidth", "bytes"],
    )
    async def test_order_and_content_are_kept(
        self, proxy: FaultProxy, far: RedisLink, near: RedisLink, faults: Faults
    ) -> None:
        """All that is sent over a bad line arrives as sent, both ways."""
        proxy.faults = faults
        sent = [b"%d:" % number + b"x" * (number * 7 % 50) for number in range(200)]
        takers = [await taking(link, CHANNEL) for link in (far, near)]
        for payload in sent:
            far.publish(CHANNEL, payload)
        for taker in takers:
            assert await taker.got(200) == sent
        assert far.counters.reconnects == 0

    async def test_messages_gather_while_others_are_under_way(
        self, proxy: FaultProxy, far: RedisLink, near: RedisLink
    ) -> None:
        """Over a line of 20 ms a hundred messages of many turns take few writes."""
        writes = 0
        taker = await taking(near, CHANNEL)
        await eventually(lambda: far.connected)
        (node,) = far._nodes.values()
        wire = node.speaker.wire
        assert wire is not None
        write = wire.write

        def counted(data: bytes) -> None:
            nonlocal writes
            writes += b"PUBLISH" in data
            write(data)

        wire.write = counted  # type: ignore[method-assign]
        proxy.faults = Faults(latency_s=0.02)
        for number in range(100):
            far.publish(CHANNEL, b"%d" % number)
            await asyncio.sleep(0)
        assert await taker.got(100) == [b"%d" % number for number in range(100)]
        assert 1 <= writes <= 3

    async def test_a_reader_that_is_too_slow_is_told_of_its_loss(
        self, server: RedisServer, proxy: FaultProxy, near: RedisLink
    ) -> None:
        """The server closes a listener whose buffer is over the limit."""
        limit = "pubsub 1048576 0 0"
        await server.command("CONFIG", "SET", "client-output-buffer-limit", limit)
        url = f"redis://127.0.0.1:{proxy.port}"
        patient = replace(QUICK, heartbeat_s=30.0)
        async with RedisLink(RedisOptions(url), "far", timing=patient) as far:
            taker = await taking(far, CHANNEL)
            proxy.black_hole()
            while "quizd-far-sub" in ask(server.port, *_LISTENERS):
                near.publish(CHANNEL, b"x" * 100_000)
                await asyncio.sleep(0.001)
            proxy.recover()
            await taker.lost(2)
            await through(near, CHANNEL, taker)


_LISTENERS = ("CLIENT", "LIST", "TYPE", "pubsub")
