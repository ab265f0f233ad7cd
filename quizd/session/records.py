"""What is written down: outcomes, so that replay decides nothing.

A batch is a run of records, each with a header of its own: version u8, kind u8, size
of the body u32 (little-endian). The body is JSON, but for answers, which are packed
(``quizd._fast.scoring``). A reader takes this version and the one before it.
"""

import struct
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import ClassVar

import orjson

VERSION = 1
OLDEST_VERSION = 1
HEADER = struct.Struct("<BBI")
AT_BYTES = 8


class BadRecord(ValueError):  # noqa: N818 - says what the thing is
    """A batch that this version cannot read."""


@dataclass(frozen=True, slots=True)
class Record:
    """Something that is so from ``at_ms`` on."""

    kind: ClassVar[int]
    at_ms: int

    def body(self) -> bytes:
        """Return the record's fields as JSON."""
        return orjson.dumps(self)

    @classmethod
    def from_body(cls, body: bytes) -> "Record":
        """Make the record again from :meth:`body`; raise ``BadRecord``."""
        try:
            return cls(**orjson.loads(body))
        except (TypeError, ValueError) as error:
            msg = f"{cls.__name__}: {error}"
            raise BadRecord(msg) from error


@dataclass(frozen=True, slots=True)
class SessionOpened(Record):
    """A session of a quiz; ``quiz`` is the whole definition, as JSON text.

    ``rules_version`` names the rules that decided; replay doesn't need them.
    ``capacity`` is the most participants there may be.
    """

    kind = 1
    session_id: str
    quiz_id: str
    quiz_version: int
    rules_version: int
    pin: str
    epoch: int
    capacity: int
    quiz: str


@dataclass(frozen=True, slots=True)
class ParticipantAdded(Record):
    """The next index belongs to this participant."""

    kind = 2
    participant_id: str
    name: str
    key: str


@dataclass(frozen=True, slots=True)
class CountdownStarted(Record):
    """The first question opens at ``starts_ms``."""

    kind = 3
    starts_ms: int


@dataclass(frozen=True, slots=True)
class QuestionOpened(Record):
    """Question ``index`` takes answers from ``start_ms`` to ``end_ms``."""

    kind = 4
    index: int
    start_ms: int
    end_ms: int


@dataclass(frozen=True, slots=True)
class AnswersAccepted(Record):
    """Answers that count, packed."""

    kind = 5
    packed: bytes

    def body(self) -> bytes:
        """Return the instant (i64) and the packed answers."""
        return self.at_ms.to_bytes(AT_BYTES, "little", signed=True) + self.packed

    @classmethod
    def from_body(cls, body: bytes) -> "AnswersAccepted":
        """Make the record again from :meth:`body`; raise ``BadRecord``."""
        if len(body) < AT_BYTES:
            msg = f"{cls.__name__}: cut short"
            raise BadRecord(msg)
        at_ms = int.from_bytes(body[:AT_BYTES], "little", signed=True)
        return cls(at_ms=at_ms, packed=body[AT_BYTES:])


@dataclass(frozen=True, slots=True)
class QuestionClosed(Record):
    """Question ``index`` takes no more answers; ``reason`` says why."""

    kind = 6
    index: int
    reason: str


@dataclass(frozen=True, slots=True)
class SessionPaused(Record):
    """The clock stands still."""

    kind = 7


@dataclass(frozen=True, slots=True)
class SessionResumed(Record):
    """The clock goes on after ``pause_ms``."""

    kind = 8
    pause_ms: int


@dataclass(frozen=True, slots=True)
class SessionLocked(Record):
    """Nobody else comes in, or everybody may again."""

    kind = 9
    locked: bool


@dataclass(frozen=True, slots=True)
class ParticipantRemoved(Record):
    """The participant at ``participant`` is out."""

    kind = 10
    participant: int
    banned: bool


@dataclass(frozen=True, slots=True)
class SessionEnded(Record):
    """It is over; ``reason`` says why."""

    kind = 11
    reason: str


@dataclass(frozen=True, slots=True)
class OutageEnded(Record):
    """The session was without an owner for ``outage_ms``; clocks move on by it."""

    kind = 12
    outage_ms: int


@dataclass(frozen=True, slots=True)
class Released(Record):
    """The owner has left in peace; whoever comes next need not wait for its lease."""

    kind = 13


@dataclass(frozen=True, slots=True)
class Compacted(Record):
    """So many ``records`` more were here before a log was made shorter."""

    kind = 14
    records: int


@dataclass(frozen=True, slots=True)
class EpochBegun(Record):
    """Of what was shown in the epoch before, some is lost; ``epoch`` is the new one."""

    kind = 15
    epoch: int


KINDS: dict[int, type[Record]] = {
    kind.kind: kind
    for kind in (
        SessionOpened,
        ParticipantAdded,
        CountdownStarted,
        QuestionOpened,
        AnswersAccepted,
        QuestionClosed,
        SessionPaused,
        SessionResumed,
        SessionLocked,
        ParticipantRemoved,
        SessionEnded,
        OutageEnded,
        Released,
        Compacted,
        EpochBegun,
    )
}


def pack(records: Iterable[Record]) -> bytes:
    """Return *records* as one batch."""
    parts = []
    for record in records:
        body = record.body()
        parts += [HEADER.pack(VERSION, record.kind, len(body)), body]
    return b"".join(parts)


def unpack(batch: bytes) -> Iterator[Record]:
    """Yield the records of *batch*; raise :class:`BadRecord` where it is not one."""
    for kind, start, stop in spans(batch):
        yield KINDS[kind].from_body(batch[start + HEADER.size : stop])


def spans(batch: bytes) -> Iterator[tuple[int, int, int]]:
    """Yield kind, start and end of each record of *batch*, its header included.

    Bodies are not looked at. Raises :class:`BadRecord` where it is not a batch.
    """
    at = 0
    while at < len(batch):
        if len(batch) - at < HEADER.size:
            msg = f"header cut short at byte {at}"
            raise BadRecord(msg)
        version, kind, size = HEADER.unpack_from(batch, at)
        start, at = at, at + HEADER.size
        if not OLDEST_VERSION <= version <= VERSION or kind not in KINDS:
            msg = f"record of version {version} and kind {kind} at byte {at}"
            raise BadRecord(msg)
        if len(batch) - at < size:
            msg = f"body cut short at byte {at}"
            raise BadRecord(msg)
        at += size
        yield kind, start, at
