"""The post between shards: what is for one peer in one loop turn is one message.

Envelopes to a peer are numbered, so that a lost one is noticed by the next, and the
next comes soon: beats and reports go out every :data:`PULSE_S`. What is lost is not
sent again here; whoever needs it repairs by its own means, told by *on_gap*.
"""

import asyncio
from collections.abc import Callable, Iterable

from quizd.cluster.base import ClusterUnavailable, Member
from quizd.cluster.link.base import Link, Subscription
from quizd.log import get_logger
from quizd.replica.messages import BadMessage, Item, Kind, head, unpack

PULSE_S = 0.25

START_S = 10.0
"""For so long the link may take to come up when a shard starts."""

Handler = Callable[[str, Item], None]

log = get_logger(__name__)


def channel(shard: str) -> str:
    """Return the channel on which a shard is reached."""
    return f"quizd:link:{shard}"


class Exchange:
    """Sends items to peers and hands those that come to their handlers.

    Peers are named as in the membership: shard and instance. A handler gets the
    sender's name and the item; what it can't read it raises `BadMessage` for.
    """

    def __init__(self, link: Link, me: str) -> None:
        self.me = me
        self.bad_messages = 0
        self.gaps = 0
        self.on_gap: list[Callable[[str | None], None]] = []
        self._link = link
        self._handlers: dict[Kind, Handler] = {}
        self._outgoing: dict[str, list[bytes]] = {}
        self._sent: dict[str, int] = {}
        self._received: dict[str, int] = {}
        self._scheduled = False
        self._subscription: Subscription | None = None
        self._loop = asyncio.get_running_loop()

    def handle(self, kind: Kind, handler: Handler) -> None:
        """Give items of *kind* to *handler*."""
        self._handlers[kind] = handler

    async def start(self) -> None:
        """Begin to listen; returns when nothing that is sent now would be missed.

        Raises `ClusterUnavailable` where the link does not come up in `START_S`.
        """
        self._subscription = self._link.subscribe(
            channel(self.me), self._take, self._lost
        )
        try:
            async with asyncio.timeout(START_S):
                await self._subscription.ready
        except TimeoutError:
            why = self._link.problem or "no server answers"
            raise ClusterUnavailable(f"the link to other shards: {why}") from None

    async def stop(self) -> None:
        """Send what waits, listen no more."""
        self._flush()
        if self._subscription is not None:
            self._subscription.close()

    def send(self, peer: str, item: Item) -> None:
        """Send *item* to *peer*, in order, with all else of this loop turn.

        What is for this shard itself goes nowhere: nobody follows its own session.
        """
        if peer == self.me:
            return
        self._outgoing.setdefault(peer, []).append(item.pack())
        if not self._scheduled:
            self._scheduled = True
            self._loop.call_soon(self._flush)

    def forget(self, peer: str) -> None:
        """Drop what is known of a peer that is gone for good."""
        self._outgoing.pop(peer, None)
        self._sent.pop(peer, None)
        self._received.pop(peer, None)

    def _flush(self) -> None:
        self._scheduled = False
        outgoing, self._outgoing = self._outgoing, {}
        for peer, items in outgoing.items():
            number = self._sent.get(peer, 0) + 1
            self._sent[peer] = number
            self._link.publish(channel(peer), b"".join((head(self.me, number), *items)))

    def _take(self, data: bytes) -> None:
        try:
            envelope = unpack(data)
        except BadMessage as error:
            self._bad(error)
            return
        expected = self._received.get(envelope.sender, 0) + 1
        self._received[envelope.sender] = envelope.number
        for item in envelope.items:
            handler = self._handlers.get(item.kind)
            if handler is not None:
                self._hand_over(handler, envelope.sender, item)
        if envelope.number != expected:
            self._tell_of_gap(envelope.sender)

    def _hand_over(self, handler: Handler, sender: str, item: Item) -> None:
        try:
            handler(sender, item)
        except BadMessage as error:
            self._bad(error)

    def _bad(self, error: BadMessage) -> None:
        self.bad_messages += 1
        log.warning("bad_link_message", error=str(error))

    def _lost(self) -> None:
        self._tell_of_gap(None)

    def _tell_of_gap(self, peer: str | None) -> None:
        self.gaps += 1
        for tell in self.on_gap:
            tell(peer)


def tell_shard(
    exchange: Exchange, live: Iterable[Member], shard: str, item: Item
) -> None:
    """Send *item* to the one of the members *live* that has the place of *shard*."""
    for member in live:
        if member.shard == shard:
            exchange.send(member.owner, item)
