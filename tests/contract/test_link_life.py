"""What every link promises about its queue and its end, held against each of them."""

import asyncio
from collections import Counter

import pytest

from quizd.cluster.link import Link, LinkClosed
from tests.contract.links import (
    Backend,
    Taker,
    backend_fixture,
    channel_fixture,
    pair_fixture,
    servers_fixture,
    taking,
    there_fixture,
)

servers = servers_fixture
there = there_fixture
backend = backend_fixture
pair = pair_fixture
channel = channel_fixture


class TestPublishing:
    """Publishing never waits, never fails, and never takes unbounded memory."""

    async def test_without_a_server_it_queues(
        self, backend: Backend, channel: str
    ) -> None:
        """Nothing is raised and nothing counted as dropped while there is room."""
        async with backend.make_alone() as link:
            for _ in range(10):
                link.publish(channel, b"12345")
            await asyncio.sleep(0.02)
            assert link.waiting == (10, 50)
            assert link.counters.published == 10
            assert link.counters.published_bytes == 50
            assert link.counters.dropped == 0

    async def test_a_full_queue_is_dropped_as_a_whole(
        self, backend: Backend, channel: str
    ) -> None:
        """One message too many costs all that waited, and waits itself."""
        async with backend.make_alone(queue_messages=4) as link:
            for _ in range(5):
                link.publish(channel, b"x")
            assert link.waiting == (1, 1)
            assert (link.counters.dropped, link.counters.overflows) == (4, 1)

    async def test_bytes_are_a_ceiling_as_well(
        self, backend: Backend, channel: str
    ) -> None:
        """What is too large for the queue is dropped alone."""
        async with backend.make_alone(queue_bytes=10) as link:
            link.publish(channel, b"123456")
            link.publish(channel, b"1234")
            assert link.waiting == (2, 10)
            link.publish(channel, b"x" * 11)
            assert link.waiting == (2, 10)
            link.publish(channel, b"1")
            assert link.waiting == (1, 1)
            assert (link.counters.dropped, link.counters.overflows) == (3, 2)

    async def test_what_was_published_before_the_start_goes_out_in_order(
        self, backend: Backend, channel: str
    ) -> None:
        """A link that can't send yet keeps what it has been given."""
        async with backend.make() as other:
            taker = await taking(other, channel)
            link = backend.make()
            sent = [b"%d" % number for number in range(100)]
            for payload in sent:
                link.publish(channel, payload)
            async with link:
                assert await taker.got(100) == sent

    async def test_counts_what_comes_once_for_a_link(
        self, pair: tuple[Link, Link], channel: str
    ) -> None:
        """Two subscriptions share a message that has come once."""
        takers = [await taking(pair[1], channel) for _ in range(2)]
        for payload in (b"1", b"22", b"333"):
            pair[0].publish(channel, payload)
        for taker in takers:
            await taker.got(3)
        assert pair[1].counters.received == 3
        assert pair[1].counters.received_bytes == 6
        assert pair[0].counters.published == 3
        assert pair[0].counters.dropped == 0

    async def test_a_channel_that_is_no_text_is_the_callers_fault(
        self, pair: tuple[Link, Link], channel: str
    ) -> None:
        """It is refused where it is named, and others are not disturbed."""
        taker = await taking(pair[1], channel)
        with pytest.raises(UnicodeEncodeError):
            pair[0].publish("\ud800", b"x")
        with pytest.raises(UnicodeEncodeError):
            Taker(pair[0], "\ud800")
        pair[0].publish(channel, b"x")
        assert await taker.got(1) == [b"x"]


class TestStopping:
    """A link that stops says what it has to say, then nothing."""

    async def test_what_was_just_published_still_goes_out(
        self, backend: Backend, pair: tuple[Link, Link], channel: str
    ) -> None:
        """The last words of a shard that leaves arrive."""
        taker = await taking(pair[0], channel)
        leaving = backend.make()
        async with leaving:
            await (await taking(leaving, channel)).got(0)
            for number in range(200):
                leaving.publish(channel, b"%d" % number)
                if number % 20 == 0:
                    await asyncio.sleep(0)
        await taker.got(200)
        assert Counter(taker.payloads) == Counter(b"%d" % n for n in range(200))

    async def test_subscriptions_end(self, backend: Backend, channel: str) -> None:
        """Nobody is called any more, and nobody waits for ever."""
        link = backend.make_alone()
        async with link:
            taker = Taker(link, channel)
            waiting = asyncio.ensure_future(taker.subscription.ready)
            await asyncio.sleep(0)
        with pytest.raises(LinkClosed):
            await waiting
        assert taker.events == []
        taker.subscription.close()

    async def test_is_no_loss(self, pair: tuple[Link, Link], channel: str) -> None:
        """Stopping is no reason to tell a subscription of a break."""
        taker = await taking(pair[0], channel)
        await pair[0].stop()
        assert taker.events == []
        assert not pair[0].connected

    async def test_afterwards_everything_is_harmless(
        self, backend: Backend, channel: str
    ) -> None:
        """A link may be stopped twice or unstarted, and used by who comes late."""
        link = backend.make()
        await link.stop()
        async with backend.make() as other:
            await other.stop()
            other.publish(channel, b"x")
            assert other.waiting == (0, 0)
            with pytest.raises(LinkClosed):
                await Taker(other, channel).subscription.ready
