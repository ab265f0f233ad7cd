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

A log need not be kept for ever. An owner saves a **snapshot** now and then, after which
`Journal.trim` may forget what lies before it. Whoever comes later loads the snapshot
and reads on behind its index. All batches of a session are chained by hashes (`chain`),
so that two who have seen the same index can tell whether they have seen the same log.
"""

from abc import ABC, abstractmethod
from collections.abc import AsyncIterator, Callable, Mapping
from dataclasses import dataclass
from hashlib import blake2b
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


class JournalFull(JournalUnavailable):
    """The storage takes no new session; those that it has may go on."""


class Exists(Exception):  # noqa: N818 - a refusal is an answer, not a fault
    """A session of this id has already been created."""


class Unknown(LookupError):  # noqa: N818 - a refusal is an answer, not a fault
    """The journal has no session of this id."""


class Trimmed(LookupError):  # noqa: N818 - a refusal is an answer, not a fault
    """The batch asked for has been forgotten; the oldest one left is *first_index*.

    That is one more than the latest index if all have been.
    """

    def __init__(self, first_index: int) -> None:
        super().__init__(f"batches before index {first_index} are forgotten")
        self.first_index = first_index


HASH_BYTES = 8
NO_HASH = b""
"""The hash of a log without batches."""


def chain(previous: bytes, batch: bytes) -> bytes:
    """Return the hash of a log: BLAKE2b (RFC 7693) of its previous hash and *batch*."""
    digest = blake2b(previous, digest_size=HASH_BYTES)
    digest.update(batch)
    return digest.digest()


@dataclass(frozen=True, slots=True)
class Position:
    """Where a log stands: its owner's term, its latest index, the hash up to there."""

    term: int
    index: int
    hash: bytes


@dataclass(frozen=True, slots=True)
class Snapshot:
    """What stands for the batches up to *index*; *hash* is the log's up to there."""

    index: int
    hash: bytes
    parts: Mapping[str, bytes]


@dataclass(frozen=True, slots=True)
class SessionEntry:
    """What the journal knows of a session without reading its batches.

    ``last_index`` is the number of the latest batch, at least 1. ``alive_ms`` is the
    latest instant at which the session is known to have been played: the creation,
    or the claim of an owner that has appended since, or a renewal after these. A
    claim alone does not move it, so that an owner which dies before it has recorded
    the outage does not hide the outage from the next one. The records themselves may
    tell of a later instant. ``owner`` names the process that holds the term, where
    several share the journal; it is empty where only one can.
    """

    session_id: str
    quiz_id: str
    pin: str
    term: int
    last_index: int
    ended: bool
    alive_ms: int
    owner: str = ""


@dataclass(frozen=True, slots=True)
class Claim:
    """What the new owner of a session needs: its term and where the log stands.

    ``alive_ms`` is the entry's of the moment before: the outage began there.
    ``last_hash`` is the log's hash up to ``last_index``.
    """

    term: int
    last_index: int
    alive_ms: int
    last_hash: bytes


class Journal(ABC):
    """Keeps the batches of sessions; one owner at a time may add to each.

    Instants are milliseconds since the Unix epoch. A journal that several machines
    share takes its own clock instead of ``now_ms``. Every method may raise
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

        Returns the term to append under. Raises `Exists` if the id is taken and
        `JournalFull` if there is no room for new sessions.
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
        every byte are the same, and it has not been forgotten since. Raises `Fenced`
        for anything but that and the next index under the current term, also for a
        session that is unknown, and `ValueError` for more than `MAX_BATCH_BYTES`. An
        ended session is no exception: corrections of its results are records, too.
        """

    @abstractmethod
    def read(
        self, session_id: str, after_index: int = 0
    ) -> AsyncIterator[tuple[int, bytes]]:
        """Yield ``(index, batch)`` in order, from *after_index* + 1 on.

        Batches are fetched in pages as they are consumed. The first step raises
        `Unknown` if there is no such session, and any step `Trimmed` if the next
        batch has been forgotten.
        """

    @abstractmethod
    async def position(self, session_id: str) -> Position:
        """Return where the session's log stands. Raises `Unknown`."""

    @abstractmethod
    async def save_snapshot(
        self, session_id: str, term: int, index: int, parts: Mapping[str, bytes]
    ) -> None:
        """Keep a snapshot of the state after *index*, all of it or nothing.

        Parts that are not given stay as they are in the snapshot before, so that
        what no longer changes is written once. Raises `Fenced` if *term* is not the
        current one, the session is unknown, its log does not reach *index*, or a
        snapshot of a later index is there; `ValueError` for parts of more than
        `MAX_BATCH_BYTES` together.
        """

    @abstractmethod
    async def load_snapshot(self, session_id: str) -> Snapshot | None:
        """Return the latest snapshot, None if there is none. Raises `Unknown`."""

    @abstractmethod
    async def trim(self, session_id: str, through_index: int) -> int:
        """Forget the batches up to *through_index*; return the latest forgotten.

        What lies behind the latest snapshot stays, whatever is asked for; so does
        everything if there is none, and the answer is 0. Raises `Unknown`.
        """

    @abstractmethod
    async def expire(self, session_id: str, after_s: float) -> None:
        """Take an ended session off the list, and its data away *after_s* from now.

        Until then the session can be read by its id. A session that is unknown is no
        trouble; `ValueError` for one that has not ended.
        """

    @abstractmethod
    async def forget(self, session_id: str) -> None:
        """Remove an ended session and its data at once; else like `expire`."""

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

    async def warnings(self) -> list[str]:
        """Return sentences on what is not as safe as it could be; none is best."""
        return []

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
