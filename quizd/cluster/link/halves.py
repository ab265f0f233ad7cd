"""The two halves of a link to one server: one connection speaks, the other listens.

They are two because a server that throws out a slow listener (its output buffer is
over the limit) must not take with it what we are just saying.
"""

import asyncio
from collections.abc import Iterable, Iterator
from itertools import islice

import hiredis

from quizd.cluster.link.base import Channel
from quizd.cluster.link.line import Line, Setup
from quizd.cluster.link.outbox import Outbox
from quizd.cluster.link.wire import Reply, Wire, packed
from quizd.redis_client import RedisUnusable

COPIED_BYTES = 16 * 1024
"""Payloads that are larger on average are not copied into one piece for writing."""

CHANNELS_PER_COMMAND = 500
"""Channels named in one SUBSCRIBE, so that the server is not held up."""


class Speaker(Line):
    """Sends what is in its outbox, one group at a time.

    The next group goes out when all of the last one is answered. What was under way
    when the connection broke is counted as dropped: nobody knows.
    """

    def __init__(self, setup: Setup, outbox: Outbox, *, sharded: bool) -> None:
        super().__init__(setup)
        self.outbox = outbox
        self._verb = b"SPUBLISH" if sharded else b"PUBLISH"
        self._under_way = 0
        self._pongs = 0
        self._scheduled = False
        self._idle: asyncio.Future[None] | None = None

    def publish(self, channel: str, payload: bytes) -> None:
        """Queue a message; it goes out at the end of this loop turn if it can."""
        self.outbox.put(channel, payload)
        if self.wire is not None and not self._scheduled and not self._under_way:
            self._scheduled = True
            asyncio.get_running_loop().call_soon(self._send)

    async def drain(self) -> None:
        """Wait until nothing waits, but not long, and not for a server to come back."""
        self._send()
        if self._under_way:
            self._idle = asyncio.get_running_loop().create_future()
            await asyncio.wait({self._idle}, timeout=self._timing.drain_s)

    def _send(self) -> None:
        self._scheduled = False
        if self.wire is None or self._under_way:
            return
        group = self.outbox.group()
        if not group:
            return
        self._under_way = len(group)
        if len(group) * COPIED_BYTES <= sum(len(payload) for _, payload in group):
            self.wire.write_parts(self._in_parts(group))
            return
        pack, verb = packed, self._verb
        self.wire.write(
            b"".join([pack((verb, channel, payload)) for channel, payload in group])
        )

    def _in_parts(self, group: list[tuple[str, bytes]]) -> list[bytes]:
        """Return the commands of *group* without a copy of any payload."""
        parts: list[bytes] = []
        for channel, payload in group:
            head = packed((self._verb, channel, b""))[: -len(b"$0\r\n\r\n")]
            parts += (b"%b$%d\r\n" % (head, len(payload)), payload, b"\r\n")
        return parts

    def _begin(self, wire: Wire) -> None:
        wire.replied = self._replied
        self._send()

    def _end(self) -> None:
        self._counters.dropped += self._under_way
        self._under_way = 0
        self._pongs = 0
        self._now_idle()

    def _replied(self, reply: Reply) -> None:
        if self._pongs:
            self._pongs -= 1  # a server that is loading or busy says so instead
            return
        self._under_way -= 1
        if isinstance(reply, hiredis.ReplyError):
            self._counters.dropped += 1
            self.trouble(f"refuses a message: {reply}")
        if not self._under_way:
            self._send()
            self._now_idle()

    def _beat(self, wire: Wire) -> None:
        """Ask for a sign of life; where answers are due, they are one.

        So those of pings come before those of messages, whatever they say.
        """
        if not self._under_way:
            self._pongs += 1
            wire.ping()

    def _now_idle(self) -> None:
        if self._idle is not None and not self._under_way and not self._idle.done():
            self._idle.set_result(None)


class Listener(Line):
    """Takes messages of the channels that are wanted.

    A channel is active from the server's confirmation on. Any refusal, and an
    unsubscription that nobody asked for (the channel's slot has moved), ends the
    connection: dialling again is the one way in which all is put right.
    """

    def __init__(self, setup: Setup, *, sharded: bool) -> None:
        super().__init__(setup)
        self._prefix = b"s" if sharded else b""
        self._message = self._prefix + b"message"
        self._wanted: dict[bytes, Channel] = {}
        self._asked: set[bytes] = set()
        self._coming: dict[bytes, int] = {}
        self._going: dict[bytes, int] = {}
        self._changed: dict[bytes, None] = {}

    def want(self, channel: Channel) -> None:
        """Take messages of *channel* from now on."""
        raw = channel.raw
        self._wanted[raw] = channel
        self._change(raw)

    def drop(self, channel: Channel) -> None:
        """Take no more of them."""
        raw = channel.raw
        if self._wanted.pop(raw, None) is not None:
            self._change(raw)

    def _change(self, raw: bytes) -> None:
        if self.wire is None:
            return
        if not self._changed:
            asyncio.get_running_loop().call_soon(self._tell)
        self._changed[raw] = None

    def _tell(self) -> None:
        """Tell the server of what this loop turn has changed, all at once."""
        changed, self._changed = self._changed, {}
        if self.wire is None:
            return
        wanted = [raw for raw in changed if raw in self._wanted]
        self._unsubscribe(self.wire, [*self._asked & (changed.keys() - set(wanted))])
        self._subscribe(self.wire, [raw for raw in wanted if raw not in self._asked])
        for raw in wanted:  # closed and taken again within one turn
            if raw not in self._coming:
                self._wanted[raw].begin()

    def _subscribe(self, wire: Wire, channels: list[bytes]) -> None:
        self._asked.update(channels)
        for raw in channels:
            self._coming[raw] = self._coming.get(raw, 0) + 1
        wire.write(self._packed(b"SUBSCRIBE", channels))

    def _unsubscribe(self, wire: Wire, channels: list[bytes]) -> None:
        self._asked.difference_update(channels)
        for raw in channels:
            self._going[raw] = self._going.get(raw, 0) + 1
        wire.write(self._packed(b"UNSUBSCRIBE", channels))

    def _packed(self, verb: bytes, channels: list[bytes]) -> bytes:
        """Return the commands; those of shards name one channel, since slots differ."""
        size = 1 if self._prefix else CHANNELS_PER_COMMAND
        verb = self._prefix.upper() + verb
        return b"".join(packed((verb, *some)) for some in _batches(channels, size))

    def _begin(self, wire: Wire) -> None:
        wire.replied = self._replied
        self._subscribe(wire, list(self._wanted))

    def _end(self) -> None:
        for state in (self._asked, self._coming, self._going, self._changed):
            state.clear()
        for channel in tuple(self._wanted.values()):
            channel.break_off()

    def _replied(self, reply: Reply) -> None:
        if type(reply) is not list:
            if isinstance(reply, hiredis.ReplyError):
                self._give_up(f"refuses a channel: {reply}")
        elif reply[0] == self._message:
            channel = self._wanted.get(reply[1])
            if channel is not None and channel.active:
                payload = reply[2]
                self._counters.received += 1
                self._counters.received_bytes += len(payload)
                channel.deliver(payload)
        else:
            self._noticed(reply[0], reply[1])

    def _noticed(self, kind: bytes, raw: bytes) -> None:
        if kind == self._prefix + b"subscribe":
            if _one_less(self._coming, raw) and raw in self._wanted:
                self._wanted[raw].begin()
        elif kind == self._prefix + b"unsubscribe":
            if raw not in self._going:
                self._give_up("has moved a channel elsewhere")
            _one_less(self._going, raw)

    def _give_up(self, problem: str) -> None:
        if self.wire is not None:
            self.wire.abort(RedisUnusable(problem))


def _one_less(counts: dict[bytes, int], raw: bytes) -> bool:
    """Count one down; tell whether none is left."""
    left = counts.get(raw, 0) - 1
    if left > 0:
        counts[raw] = left
    else:
        counts.pop(raw, None)
    return left == 0


def _batches(items: Iterable[bytes], size: int) -> Iterator[list[bytes]]:
    iterator = iter(items)
    while batch := list(islice(iterator, size)):
        yield batch
