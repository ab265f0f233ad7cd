"""Batches of answers that a follower sends again: which of them are known here.

A follower sends again what it has no word of, and can't know how far that came. A batch
that this owner has taken is left alone: what its answers came to is told, or will be.
One that another owner may have taken is decided anew: an answer that is durable already
is told again, since nobody knows whether its player heard of it on a line that is there
now. So a result comes once, but for changes of the owner, and never not at all.
"""

from collections import deque

BATCHES_KEPT = 4_096


class Numbers:
    """The latest batches that one follower has sent; no more than so many."""

    def __init__(self, kept: int = BATCHES_KEPT) -> None:
        self._order: deque[int] = deque(maxlen=kept)
        self._known: set[int] = set()

    def __contains__(self, number: int) -> bool:
        return number in self._known

    def add(self, number: int) -> None:
        """Remember one; forget the eldest where that is one too many."""
        if len(self._order) == self._order.maxlen:
            self._known.discard(self._order[0])
        self._order.append(number)
        self._known.add(number)
