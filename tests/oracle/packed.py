"""Reading a packed record of answers, from the description of its format alone."""

import struct
from dataclasses import dataclass

HEAD = struct.Struct("<HI")
ITEM = struct.Struct("<IqiiHHB")


@dataclass(frozen=True, slots=True)
class Packed:
    """One answer as recorded; ``response`` and ``answered_at`` are bytes."""

    participant: int
    received_ms: int
    elapsed_ms: int
    points: int
    credit: int
    response: bytes
    answered_at: bytes


def unpack(record: bytes) -> tuple[int, list[Packed]]:
    """Return the question's index and the answers; fail on anything left over."""
    question, count = HEAD.unpack_from(record)
    at, answers = HEAD.size, []
    for _ in range(count):
        *numbers, size, claim_size = ITEM.unpack_from(record, at)
        middle = at + ITEM.size + size
        texts = record[at + ITEM.size : middle], record[middle : middle + claim_size]
        fields = (*numbers, *texts)
        answers.append(Packed(*fields))
        at = middle + claim_size
    assert at == len(record), "bytes left over"
    return question, answers


def pack(question: int, answers: list[Packed]) -> bytes:
    """Make the record of *answers* to *question*."""
    parts = [HEAD.pack(question, len(answers))]
    for a in answers:
        sizes = len(a.response), len(a.answered_at)
        numbers = a.participant, a.received_ms, a.elapsed_ms, a.points, a.credit
        parts += [ITEM.pack(*numbers, *sizes), a.response, a.answered_at]
    return b"".join(parts)
