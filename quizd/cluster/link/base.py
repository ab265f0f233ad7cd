"""The link: how shards tell each other things, at most once.

A message goes to every subscription of its channel that is active at that moment, on
whatever shard. What is promised, and held by ``tests/contract/test_link.py``:

*At most once.* A message arrives once or never. Nothing is sent again.

*In order.* What one link publishes on one channel arrives in the order of publishing,
perhaps with gaps. Nothing is said about the order of two publishers or two channels.

*Losses are told.* Wherever a subscription may have missed something, its ``lost`` is
called: when the connection breaks and, since more is missed until then, once more when
the subscription is active again, before the first message that follows. It may be
called without need and has to be cheap to repeat. Losses on the side of the publisher
can't be told: that is what the numbers in messages are for.

*Publishing never waits and never fails.* What can't go out yet is queued. When the
queue is full it is dropped as a whole and counted: what is left of a stream with holes
helps nobody, and what comes next is fresher.

Everything happens on the event loop; ``take`` and ``lost`` are called there, one at a
time. They may publish, subscribe and close; an exception of theirs is logged and
concerns nobody else.
"""

import asyncio
from abc import ABC, abstractmethod
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from types import TracebackType
from typing import Self

from quizd.log import get_logger

Take = Callable[[bytes], None]
"""Told of each message."""

Lost = Callable[[], None]
"""Told that messages may have been missed."""

QUEUE_MESSAGES = 50_000
"""Messages that may wait for a server unless told otherwise."""

QUEUE_BYTES = 32 * 1024 * 1024
"""Bytes of payload that may wait for a server unless told otherwise."""

_log = get_logger(__name__)


class LinkClosed(Exception):  # noqa: N818 - names the state
    """The subscription or its link was closed before it became active."""


@dataclass(slots=True)
class Counters:
    """What a link has done since it was made; every number only grows.

    ``received`` and its bytes count messages once, however many subscriptions they are
    for. ``dropped`` messages did not reach the server for all that is known: the
    ``overflows`` of a queue, refusals, and what was under way when a connection broke.
    ``reconnects`` are connections made again; a server has two from every link.
    ``failures`` are exceptions out of ``take`` and ``lost``.
    """

    published: int = 0
    published_bytes: int = 0
    received: int = 0
    received_bytes: int = 0
    dropped: int = 0
    overflows: int = 0
    reconnects: int = 0
    failures: int = 0


class Subscription:
    """One taker of one channel's messages, until :meth:`close`."""

    __slots__ = ("_closer", "_counters", "_ready", "active", "channel", "lost", "take")

    def __init__(
        self,
        channel: str,
        take: Take,
        lost: Lost,
        closer: Callable[["Subscription"], None],
        counters: Counters,
    ) -> None:
        self.channel = channel
        self.take = take
        self.lost = lost
        self.active = False
        self._closer: Callable[[Subscription], None] | None = closer
        self._counters = counters
        self._ready = asyncio.get_running_loop().create_future()

    @property
    def ready(self) -> Awaitable[None]:
        """Done as soon as messages arrive for the first time.

        Raises `LinkClosed` if it was closed before. Many may wait.
        """
        return asyncio.shield(self._ready)

    def close(self) -> None:
        """Take nothing from now on; harmless when closed."""
        closer, self._closer = self._closer, None
        if closer is not None:
            self.end()
            closer(self)

    # -- for links -----------------------------------------------------------------

    def begin(self) -> None:
        """Become active; from the second time on, tell of the loss."""
        if self.active or self._closer is None:
            return
        self.active = True
        if self._ready.done():
            self._tell()
        else:
            self._ready.set_result(None)

    def break_off(self) -> None:
        """Stop being active, and tell of it."""
        if self.active:
            self.active = False
            self._tell()

    def given(self, payload: bytes) -> None:
        """Call ``take``, unless closed meanwhile."""
        if not self.active:
            return
        try:
            self.take(payload)
        except Exception:  # noqa: BLE001 - whatever it is, it is logged
            self._failed()

    def end(self) -> None:
        """Give up: nobody is called any more, and nobody waits any longer."""
        self.active = False
        if not self._ready.done():
            self._ready.set_exception(LinkClosed(self.channel))
            self._ready.exception()  # nobody has to look at it

    def _tell(self) -> None:
        try:
            self.lost()
        except Exception:  # noqa: BLE001 - whatever it is, it is logged
            self._failed()

    def _failed(self) -> None:
        self._counters.failures += 1
        _log.exception("link_callback_failed", channel=self.channel)


class Channel:
    """The subscriptions of one link to one channel; active all or none."""

    __slots__ = ("active", "name", "raw", "subscriptions")

    def __init__(self, name: str) -> None:
        self.name = name
        self.raw = name.encode()
        self.active = False
        self.subscriptions: tuple[Subscription, ...] = ()

    def add(self, subscription: Subscription) -> None:
        """Let *subscription* take part; it becomes active with the channel."""
        self.subscriptions += (subscription,)

    def remove(self, subscription: Subscription) -> None:
        """Let it go."""
        self.subscriptions = tuple(
            one for one in self.subscriptions if one is not subscription
        )

    def begin(self) -> None:
        """Activate all that are not."""
        self.active = True
        for subscription in self.subscriptions:
            subscription.begin()

    def break_off(self) -> None:
        """Tell those that are active of the loss."""
        self.active = False
        for subscription in self.subscriptions:
            subscription.break_off()

    def deliver(self, payload: bytes) -> None:
        """Hand a message to all."""
        for subscription in self.subscriptions:
            subscription.given(payload)

    def end(self) -> None:
        """Give all of them up."""
        for subscription in self.subscriptions:
            subscription.end()


class Link(ABC):
    """Carries messages between shards. Channels are any text, payloads any bytes."""

    def __init__(self) -> None:
        self.counters = Counters()
        self._channels: dict[str, Channel] = {}
        self._stopped = False

    @property
    def problem(self) -> str:
        """What is wrong at the moment, in words; empty if nothing is known to be."""
        return ""

    @abstractmethod
    async def start(self) -> None:
        """Begin to connect; returns at once, whether or not there is a server."""

    @abstractmethod
    async def stop(self) -> None:
        """Send what waits if that is possible at once; end all subscriptions."""

    async def __aenter__(self) -> Self:
        """Start, and return the link itself."""
        await self.start()
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Stop, whatever has happened."""
        await self.stop()

    def subscribe(self, channel: str, take: Take, lost: Lost) -> Subscription:
        """Hand messages of *channel* to *take*, and tell *lost* of losses.

        Also before the link has started; once it has stopped, the subscription is
        closed from the beginning. The same channel may be taken many times. Raises
        `UnicodeEncodeError` for a channel that is no text.
        """
        subscription = Subscription(channel, take, lost, self._closed, self.counters)
        if self._stopped:
            subscription.close()
            return subscription
        known = self._channels.get(channel)
        if known is None:
            known = self._channels[channel] = Channel(channel)
            self._wanted(known)
        known.add(subscription)
        if known.active:
            subscription.begin()
        return subscription

    def _closed(self, subscription: Subscription) -> None:
        channel = self._channels.get(subscription.channel)
        if channel is None:
            return
        channel.remove(subscription)
        if not channel.subscriptions:
            del self._channels[channel.name]
            channel.active = False
            self._unwanted(channel)

    @abstractmethod
    def publish(self, channel: str, payload: bytes) -> None:
        """Send *payload* to all who take *channel*, this link's own included.

        What is published within one loop turn goes out together. Never blocks and
        never raises for a server that is away; does nothing once stopped. Raises
        `UnicodeEncodeError` for a channel that is no text.
        """

    @property
    @abstractmethod
    def connected(self) -> bool:
        """Whether messages can go out and come in at this moment."""

    @property
    @abstractmethod
    def waiting(self) -> tuple[int, int]:
        """Messages that wait for a server, and the bytes of their payloads."""

    @abstractmethod
    def _wanted(self, channel: Channel) -> None:
        """Begin to take a channel; call its ``begin`` when messages arrive."""

    @abstractmethod
    def _unwanted(self, channel: Channel) -> None:
        """Take it no more."""
