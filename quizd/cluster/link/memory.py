"""The link of shards that share one process, and of tests."""

import asyncio

from quizd.cluster.link.base import (
    QUEUE_BYTES,
    QUEUE_MESSAGES,
    Channel,
    Link,
)
from quizd.cluster.link.outbox import Outbox


class MemoryHub:
    """What links in one process have in common: the place of the server.

    :meth:`cut` and :meth:`mend` are a server that goes away and comes back.
    """

    def __init__(self) -> None:
        self._links: list[MemoryLink] = []
        self.open = True

    def cut(self) -> None:
        """Be away: links queue, and their subscriptions learn of the loss."""
        self.open = False
        for link in tuple(self._links):
            link.disconnected()

    def mend(self) -> None:
        """Be back."""
        self.open = True
        for link in tuple(self._links):
            link.reconnected()

    def joined(self, link: "MemoryLink") -> None:
        """Note a link that has started."""
        self._links.append(link)

    def left(self, link: "MemoryLink") -> None:
        """Forget a link that has stopped."""
        self._links.remove(link)

    def publish(self, channel: str, payload: bytes) -> None:
        """Hand a message to every link."""
        for link in tuple(self._links):
            link.deliver(channel, payload)


class MemoryLink(Link):
    """A link to those of the same *hub*; without one, to itself."""

    def __init__(
        self,
        hub: MemoryHub | None = None,
        *,
        queue_messages: int = QUEUE_MESSAGES,
        queue_bytes: int = QUEUE_BYTES,
    ) -> None:
        super().__init__()
        self._hub = hub or MemoryHub()
        self._outbox = Outbox(
            self.counters, max_messages=queue_messages, max_bytes=queue_bytes
        )
        self._running = False
        self._scheduled = False
        self._fresh: list[Channel] = []

    async def start(self) -> None:
        """Join the hub."""
        self._running = True
        self._hub.joined(self)
        self._soon()

    async def stop(self) -> None:
        """Send what waits and leave the hub; harmless when stopped."""
        if self._running:
            self._turn()
            self._running = False
            self._hub.left(self)
        self._stopped = True
        for channel in self._channels.values():
            channel.end()

    def publish(self, channel: str, payload: bytes) -> None:
        """Hand it over in the next turn of the loop."""
        if self._stopped:
            return
        self.counters.published += 1
        self.counters.published_bytes += len(payload)
        self._outbox.put(channel, payload)
        self._soon()

    @property
    def connected(self) -> bool:
        """Whether the hub is there."""
        return self._running and self._hub.open

    @property
    def waiting(self) -> tuple[int, int]:
        """What the hub has not had yet."""
        return len(self._outbox), self._outbox.queued_bytes

    def _wanted(self, channel: Channel) -> None:
        self._fresh.append(channel)
        self._soon()

    def _unwanted(self, channel: Channel) -> None:
        pass

    def _soon(self) -> None:
        if self.connected and not self._scheduled:
            self._scheduled = True
            asyncio.get_running_loop().call_soon(self._turn)

    def _turn(self) -> None:
        """Activate what is new, then hand over what waits."""
        self._scheduled = False
        if not self.connected:
            return
        fresh, self._fresh = self._fresh, []
        for channel in fresh:
            channel.begin()
        for name, payload in self._outbox.take_all():
            self._hub.publish(name, payload)

    # -- for the hub ---------------------------------------------------------------

    def deliver(self, channel: str, payload: bytes) -> None:
        """Take a message from the hub."""
        known = self._channels.get(channel)
        if known is not None and known.active:
            self.counters.received += 1
            self.counters.received_bytes += len(payload)
            known.deliver(payload)

    def disconnected(self) -> None:
        """Tell every subscription."""
        self._fresh = list(self._channels.values())
        for channel in self._fresh.copy():
            channel.break_off()

    def reconnected(self) -> None:
        """Go on."""
        self.counters.reconnects += 1
        self._soon()
