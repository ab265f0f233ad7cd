"""What every link promises, held against each of them."""

import asyncio
import random

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
    through,
)

servers = servers_fixture
there = there_fixture
backend = backend_fixture
pair = pair_fixture
channel = channel_fixture


class TestDelivery:
    """A message goes to all who take its channel, and to nobody else."""

    async def test_reaches_every_link_its_own_included(
        self, pair: tuple[Link, Link], channel: str
    ) -> None:
        """Publisher and peer both get what is published."""
        takers = [await taking(link, channel) for link in pair]
        pair[0].publish(channel, b"hello")
        for taker in takers:
            assert await taker.got(1) == [b"hello"]

    @pytest.mark.parametrize(
        "payload",
        [
            b"",
            b"\r\n",
            b"$-1\r\n*3\r\n",
            bytes(range(256)),
            b"PONG",
            "Größe".encode(),
            b"x" * 16_385,
        ],
    )
    async def test_any_bytes_arrive_as_they_are(
        self, pair: tuple[Link, Link], channel: str, payload: bytes
    ) -> None:
        """A payload may hold anything, or nothing."""
        taker = await taking(pair[1], channel)
        pair[0].publish(channel, payload)
        pair[0].publish(channel, b"end")
        assert await taker.got(2) == [payload, b"end"]

    async def test_large_ones_arrive_among_small_ones(
        self, pair: tuple[Link, Link], channel: str
    ) -> None:
        """The size of a payload changes neither order nor content."""
        rng = random.Random(7)
        sizes = (1, 60_000, 3, 16_384, 100_000, 0, 40_000)
        sent = [rng.randbytes(size) for size in sizes]
        taker = await taking(pair[1], channel)
        for payload in sent:
            pair[0].publish(channel, payload)
        assert await taker.got(len(sent)) == sent

    @pytest.mark.parametrize("name", ["a b", "ü", "{", "{}", "*", "a{b}{c}", "[x]?"])
    async def test_a_channel_is_any_text(
        self, pair: tuple[Link, Link], channel: str, name: str
    ) -> None:
        """Names are no patterns, and a hash tag is part of the name."""
        taker = await taking(pair[1], channel + name)
        other = await taking(pair[1], channel)
        pair[0].publish(channel + name, b"this")
        pair[0].publish(channel, b"other")
        assert await taker.got(1) == [b"this"]
        assert await other.got(1) == [b"other"]

    async def test_ready_means_that_nothing_is_missed_from_now_on(
        self, pair: tuple[Link, Link], channel: str
    ) -> None:
        """Whatever is published after ready arrives, on many channels at once."""
        channels = [f"{channel}:{{{number}}}" for number in range(300)]
        takers = [Taker(pair[1], name) for name in channels]
        for taker, name in zip(takers, channels, strict=True):
            await taker.subscription.ready
            pair[0].publish(name, name.encode())
        for taker, name in zip(takers, channels, strict=True):
            assert await taker.got(1) == [name.encode()]
        assert sum(taker.losses for taker in takers) == 0

    @pytest.mark.parametrize("seed", [1, 2])
    async def test_is_in_order_and_once_for_each_publisher_and_channel(
        self, pair: tuple[Link, Link], channel: str, seed: int
    ) -> None:
        """However two links publish on three channels, each stream is as sent."""
        print(f"seed {seed}")
        rng = random.Random(seed)
        channels = [f"{channel}{{{number}}}" for number in range(3)]
        takers = {name: await taking(pair[1], name) for name in channels}
        sent: dict[str, list[bytes]] = {name: [] for name in channels}
        for number in range(600):
            name, who = rng.choice(channels), rng.randrange(2)
            payload = b"%d %d" % (who, number)
            pair[who].publish(name, payload)
            sent[name].append(payload)
            if rng.random() < 0.1:
                await asyncio.sleep(0)
        for name, taker in takers.items():
            came = await taker.got(len(sent[name]))
            for publisher in (b"0 ", b"1 "):
                assert _of(publisher, came) == _of(publisher, sent[name])


def _of(publisher: bytes, messages: list[bytes]) -> list[bytes]:
    return [one for one in messages if one.startswith(publisher)]


class TestSubscriptions:
    """Subscriptions come and go, each for itself."""

    async def test_may_be_made_before_the_start(
        self, backend: Backend, channel: str
    ) -> None:
        """A link that starts later takes what was asked for before."""
        link = backend.make()
        taker = Taker(link, channel)
        async with link:
            await taker.subscription.ready
            link.publish(channel, b"x")
            assert await taker.got(1) == [b"x"]
            assert taker.losses == 0

    async def test_two_of_one_channel_are_told_each(
        self, pair: tuple[Link, Link], channel: str
    ) -> None:
        """Both get a message; closing one leaves the other."""
        first, second = Taker(pair[0], channel), Taker(pair[0], channel)
        await second.subscription.ready
        pair[1].publish(channel, b"1")
        assert await second.got(1) == await first.got(1) == [b"1"]
        first.subscription.close()
        pair[1].publish(channel, b"2")
        assert await second.got(2) == [b"1", b"2"]
        assert first.events == [b"1"]

    async def test_nothing_comes_after_closing(
        self, pair: tuple[Link, Link], channel: str
    ) -> None:
        """A closed one is silent at once, and closing it again is harmless."""
        closed, witness = await taking(pair[0], channel), await taking(pair[1], channel)
        pair[1].publish(channel, b"x")
        closed.subscription.close()
        closed.subscription.close()
        assert await witness.got(1) == [b"x"]
        assert closed.events == []
        assert not closed.subscription.active

    @pytest.mark.parametrize("turns", [0, 1, 5])
    async def test_a_channel_may_be_taken_again_after_closing(
        self, pair: tuple[Link, Link], channel: str, turns: int
    ) -> None:
        """Closing and subscribing in any haste ends with what was asked for last."""
        for _ in range(4):
            taker = Taker(pair[0], channel)
            for _ in range(turns):
                await asyncio.sleep(0)
            taker.subscription.close()
        last = await taking(pair[0], channel)
        pair[1].publish(channel, b"x")
        assert await last.got(1) == [b"x"]
        assert last.losses == 0

    async def test_closing_before_ready_lets_nobody_wait(
        self, backend: Backend, channel: str
    ) -> None:
        """Who waits for a subscription that is closed is told so."""
        link = backend.make_alone()
        async with link:
            taker = Taker(link, channel)
            waiting = asyncio.ensure_future(taker.subscription.ready)
            await asyncio.sleep(0)
            taker.subscription.close()
            with pytest.raises(LinkClosed):
                await waiting

    async def test_a_waiter_that_gives_up_spoils_nothing(
        self, backend: Backend, channel: str
    ) -> None:
        """Cancelling one who waits for ready leaves the subscription."""
        link = backend.make()
        taker = Taker(link, channel)
        waiting = asyncio.ensure_future(taker.subscription.ready)
        await asyncio.sleep(0)
        waiting.cancel()
        async with link:
            await taker.subscription.ready
            link.publish(channel, b"x")
            assert await taker.got(1) == [b"x"]

    async def test_a_taker_may_publish_and_close(
        self, pair: tuple[Link, Link], channel: str
    ) -> None:
        """What is called may use the link, also to end itself."""
        done = await taking(pair[0], f"{channel}:done")

        def count_down(payload: bytes) -> None:
            left = int(payload) - 1
            pair[0].publish(channel if left else f"{channel}:done", b"%d" % left)
            if not left:
                subscription.close()

        subscription = pair[0].subscribe(channel, count_down, lambda: None)
        await subscription.ready
        pair[1].publish(channel, b"5")
        assert await done.got(1) == [b"0"]

    async def test_a_taker_may_close_its_neighbour(
        self, pair: tuple[Link, Link], channel: str
    ) -> None:
        """Closed means silent, even for the message that is being handed out."""
        neighbours: list[Taker] = []
        pair[0].subscribe(
            channel, lambda _: neighbours[0].subscription.close(), lambda: None
        )
        neighbours.append(await taking(pair[0], channel))
        witness = await taking(pair[0], channel)
        pair[1].publish(channel, b"x")
        assert await witness.got(1) == [b"x"]
        assert neighbours[0].events == []

    async def test_a_taker_that_fails_concerns_nobody_else(
        self, pair: tuple[Link, Link], channel: str
    ) -> None:
        """An exception is counted; others, and it itself, get what follows."""
        failed = []

        def fail(payload: bytes) -> None:
            failed.append(payload)
            raise RuntimeError("on purpose")

        pair[0].subscribe(channel, fail, lambda: None)
        taker = await taking(pair[0], channel)
        pair[1].publish(channel, b"1")
        pair[1].publish(channel, b"2")
        assert await taker.got(2) == failed == [b"1", b"2"]
        assert pair[0].counters.failures == 2


class TestLosses:
    """Whoever may have missed something is told."""

    async def test_a_break_is_told_at_once_and_when_all_is_well_again(
        self, backend: Backend, pair: tuple[Link, Link], channel: str
    ) -> None:
        """Lost is called while inactive, then once more before messages follow."""
        link = pair[0]
        seen: list[bool] = []
        taker = await taking(link, channel)
        probe = link.subscribe(
            channel, lambda _: None, lambda: seen.append(probe.active)
        )
        await probe.ready
        await backend.interrupt()
        await taker.lost(2)
        assert seen[:2] == [False, True]
        await through(pair[1], channel, taker)
        assert link.counters.reconnects > 0

    async def test_a_gap_is_told_before_the_message_after_it(
        self, backend: Backend, pair: tuple[Link, Link], channel: str
    ) -> None:
        """In a numbered stream with breaks nothing comes twice or unannounced."""
        taker = await taking(pair[1], channel)
        number = 0
        for _ in range(3):
            losses = taker.losses
            for _ in range(50):
                number += 1
                pair[0].publish(channel, b"%d" % number)
                await asyncio.sleep(0)
            await backend.interrupt()
            await taker.lost(losses + 2)
            broke_at = number
            while not taker.payloads or int(taker.payloads[-1]) <= broke_at:
                number += 1
                pair[0].publish(channel, b"%d" % number)
                await asyncio.sleep(0.005)
        _assert_no_silent_gap(taker.events)

    async def test_one_that_was_not_ready_has_lost_nothing(
        self, backend: Backend, channel: str
    ) -> None:
        """Before ready nothing is promised, so nothing is told."""
        async with backend.make_alone() as link:
            taker = Taker(link, channel)
            await asyncio.sleep(0.05)
            assert taker.events == []
            assert not link.connected


def _assert_no_silent_gap(events: list[bytes | None]) -> None:
    """Hold that numbers grow, and by more than one only after a loss."""
    last, told = 0, False
    for event in events:
        if event is None:
            told = True
            continue
        number = int(event)
        assert number > last, "came twice, or out of order"
        assert told or number == last + 1, f"no word about the gap before {number}"
        last, told = number, False
