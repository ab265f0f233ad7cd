"""What waits to be told: batches as they were committed, up to a number of bytes."""

from collections import OrderedDict, deque
from typing import Generic, TypeVar

FRAME_BYTES = 64
"""What a batch counts beside its own bytes, so that small ones count at all."""

Batches = deque[tuple[int, bytes | None]]
"""Numbers and batches; ``None`` is to be read from the journal."""

L = TypeVar("L")


class Queue(Generic[L]):
    """Batches of all sessions in the order of their commits, at most *limit_bytes*.

    The oldest are let go of where there are more; ``dropped`` counts them. Up to where
    is remembered of each session: one that has ended has no later batch in the queue
    that would make anybody look for them.
    """

    def __init__(self, limit_bytes: int) -> None:
        self._limit_bytes = limit_bytes
        self._waiting: deque[tuple[L, int, bytes | None]] = deque()
        self._missed: OrderedDict[L, int] = OrderedDict()
        self.size_bytes = 0
        self.dropped = 0

    def __len__(self) -> int:
        return len(self._missed) + len(self._waiting)

    def push(self, lane: L, index: int, batch: bytes | None) -> None:
        """Add the *batch* of *lane* at *index*."""
        self._waiting.append((lane, index, batch))
        self.size_bytes += _size(batch)
        while self.size_bytes > self._limit_bytes and len(self._waiting) > 1:
            missed, through, _ = self._pop()
            self._missed[missed] = max(through, self._missed.get(missed, 0))
            self.dropped += 1

    def take(self, limit_bytes: int) -> dict[L, Batches]:
        """Take the oldest batches, about so many bytes, each session's in order.

        Those that were let go of are ``None`` up to the last of them.
        """
        taken: dict[L, Batches] = {}
        left_bytes = limit_bytes
        while len(self) and left_bytes > 0:
            lane, index, batch = self._oldest()
            left_bytes -= _size(batch)
            taken.setdefault(lane, deque()).append((index, batch))
        return taken

    def put_back(self, lane: L, batches: Batches) -> None:
        """Make *batches* of *lane* the oldest again; the bound is minded later."""
        for index, batch in reversed(batches):
            self._waiting.appendleft((lane, index, batch))
            self.size_bytes += _size(batch)

    def _oldest(self) -> tuple[L, int, bytes | None]:
        if self._missed:
            return *self._missed.popitem(last=False), None
        return self._pop()

    def _pop(self) -> tuple[L, int, bytes | None]:
        lane, index, batch = self._waiting.popleft()
        self.size_bytes -= _size(batch)
        return lane, index, batch


def _size(batch: bytes | None) -> int:
    return FRAME_BYTES + (len(batch) if batch is not None else 0)
