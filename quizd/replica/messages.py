"""What shards tell each other: packed, versioned, one envelope per peer and loop turn.

An envelope, little-endian: version u8, the sender's name (u8 size, ASCII), its number
u64, counted by the sender for this receiver from 1, then items. An item: kind u8, the
session's id (u8 size, ASCII), size of the body u32, body. A receiver takes this version
only; shards of another version are restarted one by one and repair by the journal.

Bodies are empty or JSON, but for those that carry much, records and answers, and a
beat, which is of no session and a time of 8 bytes.
"""

import struct
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, fields, replace
from enum import IntEnum
from typing import Any, NamedTuple

import orjson

from quizd.codes import Reason, Refused
from quizd.session import events as ev

VERSION = 2
HASH_BYTES = 8

_NUMBER = struct.Struct("<Q")
_ITEM_SIZE = struct.Struct("<I")
_BEAT = struct.Struct("<q")
_RECORDS = struct.Struct(f"<QQ{HASH_BYTES}sq")
_ANSWERS = struct.Struct("<QIqI")


class BadMessage(ValueError):  # noqa: N818 - says what the thing is
    """Not an envelope that this version can read."""


class Kind(IntEnum):
    """What an item says. From a follower to the owner, and back."""

    ATTACH = 1
    DETACH = 2
    PRESENCE = 3
    ANSWERS = 4
    EVENT = 5
    REPORT = 6
    RECORDS = 16
    PULSE = 17
    TAKEN = 18
    REPLY = 19
    REFUSE = 20
    REPEAT = 21
    REPLACED = 22
    BEAT = 23
    OPEN = 32
    OPENED = 33
    TAKE_OVER = 34
    OPEN_NOW = 35
    OPEN_NOW_REPLY = 36
    QUIZ_CHANGED = 37


KINDS = {kind.value: kind for kind in Kind}


class Item(NamedTuple):
    """One thing told, of one session."""

    kind: Kind
    session_id: str
    body: bytes

    def pack(self) -> bytes:
        """Return the item's bytes."""
        name = self.session_id.encode()
        return b"".join(
            (
                bytes((self.kind, len(name))),
                name,
                _ITEM_SIZE.pack(len(self.body)),
                self.body,
            )
        )


def head(sender: str, number: int) -> bytes:
    """Return the beginning of an envelope, which packed items follow."""
    name = sender.encode()
    return bytes((VERSION, len(name))) + name + _NUMBER.pack(number)


class Envelope(NamedTuple):
    """A received envelope."""

    sender: str
    number: int
    items: tuple[Item, ...]


def unpack(data: bytes) -> Envelope:
    """Read an envelope; raise :class:`BadMessage`."""
    try:
        if data[0] != VERSION:
            raise BadMessage(f"envelope of version {data[0]}, not {VERSION}")
        at = 2 + data[1]
        sender = data[2:at].decode()
        (number,) = _NUMBER.unpack_from(data, at)
        return Envelope(sender, number, tuple(_items(data, at + _NUMBER.size)))
    except (struct.error, LookupError, UnicodeDecodeError, ValueError) as error:
        raise BadMessage(str(error)) from error


def _items(data: bytes, at: int) -> Iterator[Item]:
    while at < len(data):
        kind, name_end = KINDS[data[at]], at + 2 + data[at + 1]
        session_id = data[at + 2 : name_end].decode()
        (size,) = _ITEM_SIZE.unpack_from(data, name_end)
        at = name_end + _ITEM_SIZE.size + size
        if at > len(data):
            raise BadMessage("item is cut short")
        yield Item(kind, session_id, data[at - size : at])


def beat(now_ms: int) -> Item:
    """Return what tells an owner's followers that it lives, and its time."""
    return Item(Kind.BEAT, "", _BEAT.pack(now_ms))


def beat_ms(body: bytes) -> int:
    """Read the time that a beat tells; raise :class:`BadMessage`."""
    try:
        (now_ms,) = _BEAT.unpack(body)
    except struct.error as error:
        raise BadMessage(str(error)) from error
    return int(now_ms)


@dataclass(frozen=True, slots=True)
class Records:
    """A durable batch: the log of ``term`` goes up to ``index`` with it.

    ``chain`` is the log's hash there; ``sent_ms`` the owner's time.
    """

    term: int
    index: int
    chain: bytes
    sent_ms: int
    batch: bytes

    def pack(self) -> bytes:
        """Return the body."""
        head = _RECORDS.pack(self.term, self.index, self.chain, self.sent_ms)
        return head + self.batch

    @classmethod
    def unpack(cls, body: bytes) -> "Records":
        """Read a body; raise :class:`BadMessage`."""
        try:
            term, index, last, sent_ms = _RECORDS.unpack_from(body)
        except struct.error as error:
            raise BadMessage(str(error)) from error
        return cls(term, index, last, sent_ms, body[_RECORDS.size :])


@dataclass(frozen=True, slots=True)
class Answers:
    """Answers on their way to the owner, and the number under which they are known.

    ``packed``: an inbox (see its ``pack``); ``others``: answers of general form, each
    ``[participant, age_ms, payload]``. ``waited_ms`` is added to every age: it grows
    when the same answers are sent again. ``sent_ms`` is the owner's time at sending,
    as far as the sender knows it; it is behind rather than ahead.
    """

    number: int
    waited_ms: int
    sent_ms: int
    packed: bytes
    others: list[Any]

    def pack(self) -> bytes:
        """Return the body."""
        head = _ANSWERS.pack(
            self.number, self.waited_ms, self.sent_ms, len(self.packed)
        )
        return b"".join((head, self.packed, orjson.dumps(self.others)))

    def received_ms(self, now_ms: int) -> int:
        """Return the instant that ages count back from, by the owner's clock.

        Time on the way is not the player's. The link may hold a message back for
        seconds without knowing; where it does, the sender's idea of the time tells.
        """
        return min(now_ms, self.sent_ms) - self.waited_ms

    @classmethod
    def unpack(cls, body: bytes) -> "Answers":
        """Read a body; raise :class:`BadMessage`."""
        try:
            number, waited_ms, sent_ms, size = _ANSWERS.unpack_from(body)
            end = _ANSWERS.size + size
            others = orjson.loads(body[end:])
        except (struct.error, ValueError) as error:
            raise BadMessage(str(error)) from error
        return cls(number, waited_ms, sent_ms, body[_ANSWERS.size : end], others)


EVENTS: dict[str, type[ev.Event]] = {
    kind.__name__: kind
    for kind in (
        ev.ParticipantJoined,
        ev.AnswerSubmitted,
        ev.HostStarted,
        ev.HostAdvanced,
        ev.HostSkipped,
        ev.HostPaused,
        ev.HostResumed,
        ev.HostLocked,
        ev.HostKicked,
        ev.HostEnded,
        ev.HistoryLost,
    )
}
"""What may come from another shard; what time brings is the owner's own business."""


def event_fields(event: ev.Event) -> dict[str, Any]:
    """Return *event* as JSON can hold it."""
    return {"type": type(event).__name__, "event": event}


def event_of(body: Mapping[str, Any], lead_ms: int, now_ms: int) -> ev.Event:
    """Make the event again, on the owner's shard.

    *lead_ms* is the owner's: a follower doesn't know how long all fan-outs take. An
    answer was received ``ageMs`` before *now_ms*. Raises :class:`BadMessage`.
    """
    try:
        kind, given = EVENTS[body["type"]], dict(body["event"])
        if "expect" in given:
            given["expect"] = ev.Expectation(**given["expect"])
        if kind is ev.AnswerSubmitted:
            given["received_ms"] = now_ms - body["ageMs"]
        event = kind(**given)
    except (KeyError, TypeError, ValueError) as error:
        raise BadMessage(f"event: {error}") from error
    names = {field.name for field in fields(event)}
    return replace(event, lead_ms=lead_ms) if "lead_ms" in names else event  # type: ignore[call-arg]


def refusal(refused: Refused) -> dict[str, Any]:
    """Return *refused* as JSON can hold it."""
    return {"reason": refused.reason.value, "details": refused.details}


def refused_of(body: Mapping[str, Any]) -> Refused:
    """Make the refusal again."""
    return Refused(Reason(body["reason"]), **body["details"])
