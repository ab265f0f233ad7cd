"""The parts of the link by themselves: queue, pauses, what is written in one turn."""

import asyncio
from collections.abc import Callable

import hiredis
import pytest

from quizd.cluster.link import Counters
from quizd.cluster.link.base import Channel
from quizd.cluster.link.halves import Listener, Speaker
from quizd.cluster.link.line import Backoff, Setup, Timing
from quizd.cluster.link.outbox import GROUP_BYTES, Outbox
from quizd.cluster.link.wire import Reply, Wire


class TestOutbox:
    """A queue that is emptied in groups, and at once when it overflows."""

    def test_groups_end_at_their_size(self) -> None:
        """No group is much larger than a group should be, and order is kept."""
        box = Outbox(Counters())
        sent = [("c", b"%d" % n + b"x" * (GROUP_BYTES // 3)) for n in range(7)]
        for channel, payload in sent:
            box.put(channel, payload)
        groups = []
        while group := box.group():
            groups.append(group)
            assert sum(len(payload) for _, payload in group) <= GROUP_BYTES
        assert [message for group in groups for message in group] == sent
        assert (len(box), box.queued_bytes) == (0, 0)

    def test_a_message_larger_than_a_group_goes_alone(self) -> None:
        """It holds up nobody for longer than itself."""
        box = Outbox(Counters())
        sizes = [1, GROUP_BYTES + 1, 2]
        for size in sizes:
            box.put("c", b"x" * size)
        assert [[len(p) for _, p in box.group()] for _ in sizes] == [
            [1],
            [GROUP_BYTES + 1],
            [2],
        ]


class TestBackoff:
    """Pauses grow to a ceiling, and no two shards keep step."""

    @pytest.fixture
    def pauses(self, monkeypatch: pytest.MonkeyPatch) -> list[float]:
        """Return the pauses that are asked for, none of which takes any time."""
        asked: list[float] = []

        async def note(pause_s: float) -> None:
            asked.append(pause_s)

        monkeypatch.setattr("quizd.cluster.link.line.asyncio.sleep", note)
        return asked

    async def test_doubles_up_to_the_most(self, pauses: list[float]) -> None:
        """Each lies between half of its step and the whole of it."""
        backoff = Backoff(Timing(backoff_first_s=1.0, backoff_most_s=5.0))
        for _ in range(5):
            await backoff.pause()
        for pause_s, step_s in zip(pauses, (1, 2, 4, 5, 5), strict=True):
            assert step_s / 2 <= pause_s <= step_s

    async def test_begins_again_when_all_is_well(self, pauses: list[float]) -> None:
        """After a good connection the first pause is short again."""
        backoff = Backoff(Timing(backoff_first_s=1.0, backoff_most_s=50.0))
        for _ in range(4):
            await backoff.pause()
        backoff.reset()
        await backoff.pause()
        assert pauses[4] <= 1 < pauses[3]


class FakeWire(Wire):
    """A wire to nobody: it keeps what is written, and says what the test says."""

    def __init__(self) -> None:
        super().__init__()
        self.written: list[bytes] = []

    def write(self, data: bytes) -> None:
        """Keep it."""
        if data and not data.endswith(b"PING\r\n"):
            self.written.append(data)

    def write_parts(self, parts: list[bytes]) -> None:
        """Keep them as one."""
        self.write(b"".join(parts))

    def abort(self, reason: Exception | None = None) -> None:
        """End."""
        super().abort(reason)
        self.connection_lost(None)

    def commands(self) -> list[list[list[bytes]]]:
        """Return the commands of each write, as a server reads them."""
        return [_parsed(data) for data in self.written]


def _parsed(data: bytes) -> list[list[bytes]]:
    reader = hiredis.Reader(notEnoughData=None)
    reader.feed(data)
    commands = []
    while (command := reader.gets()) is not None:
        commands.append(command)
    return commands


def _setup(wire: Wire, troubled: Callable[[], None] = lambda: None) -> Setup:
    async def dial() -> Wire:
        if not wire.alive:
            raise ConnectionRefusedError
        return wire

    return Setup("fake", dial, Counters(), Timing(heartbeat_s=30.0), troubled)


async def _turns(count: int = 4) -> None:
    for _ in range(count):
        await asyncio.sleep(0)


class TestSpeaker:
    """One write a turn, and one at a time."""

    async def test_a_turn_is_one_write(self) -> None:
        """What is published within one turn goes out together, in order."""
        wire = FakeWire()
        speaker = Speaker(_setup(wire), Outbox(Counters()), sharded=False)
        speaker.start()
        await _turns()
        for number in range(3):
            speaker.publish("c", b"%d" % number)
        assert wire.written == []
        await _turns()
        assert wire.commands() == [
            [
                [b"PUBLISH", b"c", b"0"],
                [b"PUBLISH", b"c", b"1"],
                [b"PUBLISH", b"c", b"2"],
            ]
        ]
        await speaker.stop()

    async def test_the_next_group_waits_for_every_answer(self) -> None:
        """While two are under way others gather, and go out with one write."""
        wire = FakeWire()
        speaker = Speaker(_setup(wire), Outbox(Counters()), sharded=True)
        speaker.start()
        await _turns()
        speaker.publish("c", b"1")
        speaker.publish("c", b"2")
        for payload in (b"3", b"4", b"5"):
            await _turns()
            speaker.publish("c", payload)
        wire.replied(b"PONG")
        wire.replied(0)
        assert len(wire.written) == 1
        wire.replied(7)
        assert [len(group) for group in wire.commands()] == [2, 3]
        assert wire.commands()[1][0] == [b"SPUBLISH", b"c", b"3"]
        await speaker.stop()

    async def test_a_server_that_is_busy_confuses_no_count(self) -> None:
        """A heartbeat may be answered by an error; it is no message's answer."""
        wire = FakeWire()
        setup = _setup(wire)
        speaker = Speaker(setup, Outbox(Counters()), sharded=False)
        speaker.start()
        await _turns()
        wire.replied(hiredis.ReplyError("LOADING Redis is loading the dataset"))
        for payload in (b"1", b"2"):
            speaker.publish("c", payload)
            await _turns()
        assert len(wire.written) == 1
        wire.replied(1)
        assert len(wire.written) == 2
        assert setup.counters.dropped == 0
        await speaker.stop()

    async def test_draining_sends_one_group_after_the_other(self) -> None:
        """It ends when everything is answered, also what gathered meanwhile."""
        wire = FakeWire()
        speaker = Speaker(_setup(wire), Outbox(Counters()), sharded=False)
        speaker.start()
        await _turns()
        speaker.publish("c", b"1")
        await _turns()
        speaker.publish("c", b"2")
        draining = asyncio.ensure_future(speaker.drain())
        await _turns()
        assert len(wire.written) == 1
        wire.replied(b"PONG")
        wire.replied(1)
        await _turns()
        assert (len(wire.written), draining.done()) == (2, False)
        wire.replied(1)
        await draining
        await speaker.stop()

    @pytest.mark.parametrize("size", [0, 1, 16_384, 16_385, 300_000])
    async def test_small_and_large_payloads_read_the_same(self, size: int) -> None:
        """However a payload is written, the server reads the same command."""
        wire = FakeWire()
        speaker = Speaker(_setup(wire), Outbox(Counters()), sharded=False)
        speaker.start()
        await _turns()
        payload = b"x" * size
        speaker.publish("ü", payload)
        await _turns()
        assert wire.commands() == [[[b"PUBLISH", "ü".encode(), payload]]]
        await speaker.stop()

    async def test_what_breaks_off_is_counted(self) -> None:
        """A refusal is one, and all that was not answered when the line broke."""
        wire = FakeWire()
        told: list[int] = []
        setup = _setup(wire, lambda: told.append(1))
        speaker = Speaker(setup, Outbox(Counters()), sharded=False)
        speaker.start()
        await _turns()
        for number in range(5):
            speaker.publish("c", b"%d" % number)
        await _turns()
        wire.replied(b"PONG")
        wire.replied(hiredis.ReplyError("MOVED 1 127.0.0.1:1"))
        wire.replied(1)
        assert setup.counters.dropped == 1
        assert told
        assert "MOVED" in speaker.problem
        wire.abort()
        await _turns()
        assert setup.counters.dropped == 4
        await speaker.stop()


class TestListener:
    """What the server is asked for is what is wanted, with few words."""

    async def _running(self, *, sharded: bool = False) -> tuple[Listener, FakeWire]:
        wire = FakeWire()
        listener = Listener(_setup(wire), sharded=sharded)
        listener.start()
        await _turns()
        return listener, wire

    async def test_a_turn_is_one_command(self) -> None:
        """Channels of one turn are asked for together; what cancels out is not."""
        listener, wire = await self._running()
        channels = [Channel(name) for name in "abc"]
        for channel in channels:
            listener.want(channel)
        listener.drop(channels[1])
        await _turns()
        assert wire.commands() == [[[b"SUBSCRIBE", b"a", b"c"]]]
        await listener.stop()

    async def test_shards_are_asked_for_one_by_one(self) -> None:
        """Channels of different slots can't be named in one command."""
        listener, wire = await self._running(sharded=True)
        for name in "ab":
            listener.want(Channel(name))
        await _turns()
        assert wire.commands() == [[[b"SSUBSCRIBE", b"a"], [b"SSUBSCRIBE", b"b"]]]
        await listener.stop()

    async def test_only_the_last_confirmation_counts(self) -> None:
        """An answer to an earlier subscription does not make a later one active."""
        listener, wire = await self._running()
        first, second = Channel("a"), Channel("a")
        listener.want(first)
        await _turns()
        listener.drop(first)
        await _turns()
        listener.want(second)
        await _turns()
        replies: list[Reply] = [
            [b"subscribe", b"a", 1],
            [b"unsubscribe", b"a", 0],
            [b"subscribe", b"a", 1],
        ]
        states = []
        for reply in replies:
            wire.replied(reply)
            states.append(second.active)
        assert states == [False, False, True]
        assert not first.active
        await listener.stop()

    async def test_a_refusal_ends_the_connection_and_is_named(self) -> None:
        """An ACL that forbids a channel, or a slot that is elsewhere."""
        listener, wire = await self._running()
        listener.want(Channel("a"))
        await _turns()
        wire.replied(hiredis.ReplyError("NOPERM this user has no permissions"))
        assert not wire.alive
        await _turns()
        assert "NOPERM" in listener.problem
        await listener.stop()

    async def test_an_unasked_end_of_a_channel_ends_the_connection(self) -> None:
        """A slot that moves takes its channels along; dialling again finds them."""
        told: list[int] = []
        wire = FakeWire()
        listener = Listener(_setup(wire, lambda: told.append(1)), sharded=True)
        channel = Channel("a")
        listener.want(channel)
        listener.start()
        await _turns()
        wire.replied([b"ssubscribe", b"a", 1])
        states = [(channel.active, wire.alive)]
        wire.replied([b"sunsubscribe", b"a", 0])
        await _turns()
        states.append((channel.active, wire.alive))
        assert states == [(True, True), (False, False)]
        assert told
        await listener.stop()


class TestWire:
    """Whatever the pieces, replies come whole and in order."""

    @pytest.mark.parametrize("size", [1, 2, 5, 1000])
    async def test_replies_do_not_depend_on_the_pieces(self, size: int) -> None:
        """A stream cut anywhere gives the same replies."""
        message = b"*3\r\n$7\r\nmessage\r\n$1\r\nc\r\n$4\r\n\r\n\r\n\r\n"
        stream = b":1\r\n" + message + b"+PONG\r\n-ERR x\r\n"
        wire = FakeWire()
        got: list[Reply] = []
        wire.replied = got.append
        for at in range(0, len(stream), size):
            wire.data_received(stream[at : at + size])
        assert got[:3] == [1, [b"message", b"c", b"\r\n\r\n"], b"PONG"]
        assert isinstance(got[3], hiredis.ReplyError)
        assert len(got) == 4

    async def test_what_is_no_redis_ends_the_connection(self) -> None:
        """Bytes that can't be replies are a reason to hang up."""
        wire = FakeWire()
        wire.data_received(b"HTTP/1.1 400 Bad Request\r\n\r\n")
        assert not wire.alive
        assert isinstance(wire.ended.result(), hiredis.ProtocolError)
