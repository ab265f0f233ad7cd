"""What waits to go out: a queue with a ceiling that is emptied in groups.

While one group is under way the next one gathers. So an idle link sends a message at
once, and a busy one sends many with one write.
"""

from collections import deque

from quizd.cluster.link.base import QUEUE_BYTES, QUEUE_MESSAGES, Counters
from quizd.log import get_logger

GROUP_BYTES = 1024 * 1024
"""Payload after which a group is full; a larger message is a group by itself."""

_log = get_logger(__name__)


class Outbox:
    """A queue of ``(channel, payload)``; overflowing empties it, by name and counted.

    A message of more than *max_bytes* fits never and is dropped alone.
    """

    __slots__ = ("_counters", "_max_bytes", "_max_messages", "_queue", "queued_bytes")

    def __init__(
        self,
        counters: Counters,
        *,
        max_messages: int = QUEUE_MESSAGES,
        max_bytes: int = QUEUE_BYTES,
    ) -> None:
        self._counters = counters
        self._max_messages = max_messages
        self._max_bytes = max_bytes
        self._queue: deque[tuple[str, bytes]] = deque()
        self.queued_bytes = 0

    def __len__(self) -> int:
        """Return how many messages wait."""
        return len(self._queue)

    def put(self, channel: str, payload: bytes) -> None:
        """Queue a message, at the cost of all others if there is no room for it."""
        if not channel.isascii():
            channel.encode()  # now, where the caller is at fault
        size = len(payload)
        if (
            len(self._queue) >= self._max_messages
            or self.queued_bytes + size > self._max_bytes
        ):
            self._overflow(channel, size)
            if size > self._max_bytes:
                return
        self._queue.append((channel, payload))
        self.queued_bytes += size

    def _overflow(self, channel: str, size: int) -> None:
        too_large = size > self._max_bytes
        count = 1 if too_large else len(self._queue)
        self._counters.overflows += 1
        self._counters.dropped += count
        _log.warning("link_queue_full", dropped=count, channel=channel, bytes=size)
        if not too_large:
            self._queue.clear()
            self.queued_bytes = 0

    def group(self) -> list[tuple[str, bytes]]:
        """Take what goes out next, at most about `GROUP_BYTES`, in order."""
        group: list[tuple[str, bytes]] = []
        room = GROUP_BYTES
        while self._queue and (not group or len(self._queue[0][1]) <= room):
            channel, payload = self._queue.popleft()
            group.append((channel, payload))
            room -= len(payload)
            self.queued_bytes -= len(payload)
        return group

    def take_all(self) -> list[tuple[str, bytes]]:
        """Take everything, in order."""
        everything = list(self._queue)
        self._queue.clear()
        self.queued_bytes = 0
        return everything
