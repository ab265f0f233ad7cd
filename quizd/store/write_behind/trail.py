"""What was proved of a journal, so that a failure does not cost reading it again.

Whoever reads a cursor holds the journal to it: the batches behind the cursor must lead
from its hash to the journal's own. That takes as long as there are batches that wait,
and cursors are read after every failure. So the way is remembered, with a mark now and
then. A cursor that is on it, or comes to it by the next mark, is held only to what the
journal has behind its end.
"""

from quizd.store.write_behind.source import chain

MARK_BATCHES = 128
"""What may have to be read again after a failure, and what a mark is paid for with."""


class Trail:
    """A way along a journal, up to the batch ``index``, where its hash is ``hash``."""

    def __init__(self, index: int, hash_: bytes) -> None:
        self.index = index
        self.hash = hash_
        self._marks = {index: hash_}

    def step(self, index: int, batch: bytes) -> None:
        """Go on by the *batch* at *index*."""
        self.index, self.hash = index, chain(self.hash, batch)
        if index % MARK_BATCHES == 0:
            self._marks[index] = self.hash

    def crossing(self, index: int) -> int | None:
        """Return the first mark that is not before *index*; the end is one, too."""
        marks = (*self._marks, self.index)
        return min((mark for mark in marks if mark >= index), default=None)

    def join(self, other: "Trail") -> None:
        """Go on to the end of *other* if that has a mark just here.

        Two ways that have a hash in common have all before it in common.
        """
        if other.mark_at(self.index) == self.hash:
            here = self.index
            self._marks |= {at: m for at, m in other._marks.items() if at > here}
            self.index, self.hash = other.index, other.hash

    def mark_at(self, index: int) -> bytes | None:
        """Return the hash at a mark or at the end, ``None`` where there is none."""
        return self.hash if index == self.index else self._marks.get(index)
