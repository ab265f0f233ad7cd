"""Answers that came in while nobody ran their session.

The question's clock stood still meanwhile: it goes on later by the length of the
outage, and so does every answer that was received before its end and not decided. One
from before the outage keeps its time, one from within it counts as given when the
outage began. Nobody gains or loses points by it.
"""

import struct
from dataclasses import dataclass

from quizd._fast.inbox import Inbox

_HEAD = struct.Struct("<IIHHB")
"""The head of an answer in `Inbox.pack`: participant, age, sizes of the texts."""


@dataclass(frozen=True, slots=True)
class Outage:
    """The session had no owner for ``length_ms`` until ``end_ms``."""

    end_ms: int
    length_ms: int

    def counted_ms(self, received_ms: int) -> int:
        """Return when an answer counts as received, by the clock that went on."""
        if received_ms >= self.end_ms:
            return received_ms
        return min(received_ms + self.length_ms, self.end_ms)

    def move_on(self, inbox: Inbox) -> None:
        """Let all answers in *inbox* count so."""
        if not inbox.size:
            return
        packed = bytearray(inbox.pack(self.end_ms))
        at = 0
        while at < len(packed):
            who, age_ms, *sizes = _HEAD.unpack_from(packed, at)
            _HEAD.pack_into(packed, at, who, max(age_ms - self.length_ms, 0), *sizes)
            at += _HEAD.size + sum(sizes)
        inbox.clear()
        inbox.unpack(packed, self.end_ms, 1 << 32)
