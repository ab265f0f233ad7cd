"""What the queue needs of a journal; ``quizd.journal`` fits, and is not known here."""

from collections.abc import AsyncIterator, Sequence
from hashlib import blake2b
from typing import Protocol

HASH_BYTES = 8
NO_HASH = b""
"""The hash of a journal without a batch."""


def chain(before: bytes, batch: bytes) -> bytes:
    """Return the hash of a journal that goes on with *batch* after hash *before*.

    It is the journal's own (``quizd.journal.base.chain``), which tests hold it to.
    """
    return blake2b(before + batch, digest_size=HASH_BYTES).digest()


class Entry(Protocol):
    """A session that the journal has."""

    @property
    def session_id(self) -> str:
        """Which one."""
        ...

    @property
    def last_index(self) -> int:
        """The number of its latest batch."""
        ...

    @property
    def ended(self) -> bool:
        """Whether it is marked as ended."""
        ...

    @property
    def owner(self) -> str:
        """Who plays it, where several could."""
        ...


class Position(Protocol):
    """Where the journal of one session stands."""

    @property
    def index(self) -> int:
        """The number of the latest batch."""
        ...

    @property
    def hash(self) -> bytes:
        """The hash over all batches up to it, as :func:`chain` has it."""
        ...


class Source(Protocol):
    """A journal, as far as the queue reads it; any exception is a passing failure.

    But for ``LookupError``: there is no such session, or no longer. One that has a
    ``first_index`` says that batches were forgotten, and which is the oldest left.
    """

    def read(
        self, session_id: str, after_index: int = 0
    ) -> AsyncIterator[tuple[int, bytes]]:
        """Yield ``(index, batch)`` in order, from *after_index* + 1 on."""
        ...

    async def sessions(self, *, include_ended: bool = False) -> Sequence[Entry]:
        """Return the sessions that have not ended, or all."""
        ...

    async def position(self, session_id: str) -> Position:
        """Return where a session's journal stands."""
        ...

    async def trim(self, session_id: str, through_index: int) -> int:
        """Let go of batches that the store has; the journal may keep them longer.

        Returns the latest that it has let go of.
        """
        ...
