"""The journal: where a session's records are before anyone hears of them.

A session hands over one opaque **batch** per tick and releases the effects of it
only after `Journal.append` has returned. Three rules make that safe, and every
implementation keeps them; ``tests/contract/test_journal.py`` holds them all to it.

*Terms fence owners.* Whoever plays a session owns it under a term. `Journal.claim`
raises the term, and from then on the journal itself refuses what carries an older
one. An owner that was paused or cut off therefore cannot write, whatever it thinks.

*Indices leave no gap.* The batches of a session are numbered 1, 2, 3 … across all
terms, and the next one is accepted only if its number is the next one.

*Appends may be repeated.* After `JournalUnavailable` the outcome is unknown. The
owner sends the same batch again under the same number; if it had been kept, that is
answered as a success and kept once. After `Fenced` there is nothing to repeat: the
owner drops its state and, if it still should, claims the session and reads it again.

Appends of many sessions that arrive while a commit is under way share the next one.
"""

from abc import ABC, abstractmethod
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from types import TracebackType
from typing import Self

OnCommit = Callable[[float, int], None]
"""Told of each commit, on the event loop: its seconds and the batches in it."""

MAX_WAITING = 10_000
"""Writes that may wait for a commit unless told otherwise."""

MAX_BATCH_BYTES = 64 * 1024 * 1024
"""The largest batch; a larger one would hold up every other session."""


class Fenced(Exception):  # noqa: N818 - a refusal is an answer, not a fault
    """The journal does not have this term or index: discard the state and reload."""


class JournalUnavailable(Exception):  # noqa: N818 - names the state, like HTTP's 503
    """The storage fails or is full; whether the write was kept is unknown."""


class Exists(Exception):  # noqa: N818 - a refusal is an answer, not a fault
    """A session of this id has already been created."""


class Unknown(LookupError):  # noqa: N818 - a refusal is an answer, not a fault
    """The journal has no session of this id."""


@dataclass(frozen=True, slots=True)
class SessionEntry:
    """What the journal knows of a session without reading its batches.

    ``last_index`` is the number of the latest batch, at least 1. ``alive_ms`` is the
    latest instant at which the session is known to have been played: the creation,
    or the claim of an owner that has appended since, or a renewal after these. A
    claim alone does not move it, so that an owner which dies before it has recorded
    the outage does not hide the outage from the next one. The records themselves may
    tell of a later instant.
    """

    session_id: str
    quiz_id: str
    pin: str
    term: int
    last_index: int
    ended: bool
    alive_ms: int


@dataclass(frozen=True, slots=True)
class Claim:
    """What the new owner of a session needs: its term and where the log stands.

    ``alive_ms`` is the entry's of the moment before: the outage began there.
    """

    term: int
    last_index: int
    alive_ms: int


class Journal(ABC):
    """Keeps the batches of sessions; one owner at a time may add to each.

    Instants are milliseconds since the Unix epoch. Every method may raise
    `JournalUnavailable`; a journal that is not running always does. A session has at
    most one append in flight: the caller sees to it, a second is a `RuntimeError`.
    Cancelling a call does not take back what it has asked for.
    """

    @abstractmethod
    async def start(self) -> None:
        """Open the journal; only after this anything can be asked of it."""

    @abstractmethod
    async def stop(self) -> None:
        """Commit what waits, refuse what comes, close; harmless when not running."""

    async def __aenter__(self) -> Self:
        """Start, and return the journal itself."""
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

    @abstractmethod
    async def create(
        self, session_id: str, quiz_id: str, pin: str, batch: bytes, now_ms: int
    ) -> int:
        """Create a session with *batch* at index 1, durably, and own it.

        Returns the term to append under. Raises `Exists` if the id is taken.
        """

    @abstractmethod
    async def claim(self, session_id: str, now_ms: int) -> Claim:
        """Become the session's owner and fence every earlier one, durably.

        The new term is ``max(stored term + 1, now_ms)``. Raises `Unknown`.
        """

    @abstractmethod
    async def append(
        self, session_id: str, term: int, index: int, batch: bytes
    ) -> None:
        """Add *batch* at *index*; when this returns it is durable.

        A batch that was accepted before is accepted again if its term, its index and
        every byte are the same. Raises `Fenced` for anything but that and the next
        index under the current term, also for a session that is unknown, and
        `ValueError` for more than `MAX_BATCH_BYTES`. An ended session is no
        exception: corrections of its results are records, too.
        """

    @abstractmethod
    def read(
        self, session_id: str, after_index: int = 0
    ) -> AsyncIterator[tuple[int, bytes]]:
        """Yield ``(index, batch)`` in order, from *after_index* + 1 on.

        Batches are fetched in pages as they are consumed. The first step raises
        `Unknown` if there is no such session.
        """

    @abstractmethod
    async def sessions(self, *, include_ended: bool = False) -> list[SessionEntry]:
        """Return the sessions that have not ended, or all, oldest first."""

    @abstractmethod
    async def entry(self, session_id: str) -> SessionEntry:
        """Return what is known of one session. Raises `Unknown`."""

    @abstractmethod
    async def finish(self, session_id: str, term: int) -> None:
        """Mark the session as ended; doing it again is harmless.

        Raises `Fenced` if *term* is not the current one or the session is unknown.
        """

    @abstractmethod
    async def renew(self, now_ms: int) -> None:
        """Note that the owner of this journal was alive at *now_ms*.

        Survives the death of the process, not necessarily a loss of power.
        """

    @property
    @abstractmethod
    def durability(self) -> str:
        """One sentence on what an acknowledged batch survives."""

    @property
    @abstractmethod
    def depth(self) -> int:
        """Writes that wait for a commit or are in one."""

    @property
    @abstractmethod
    def commits(self) -> int:
        """Commits that kept at least one batch, since the journal was made."""

    @property
    @abstractmethod
    def batches(self) -> int:
        """Batches kept since the journal was made."""
