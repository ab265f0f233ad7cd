"""Packed answers as rows, held to the reader of packed answers."""

import io
import random
import struct
from collections import Counter
from collections.abc import Callable, Sequence
from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from quizd._fast import rows, scoring

Answer = tuple[int, int, int, int, int, bytes, bytes]
"""Participant, received, elapsed, points, credit, response, claimed time."""

SESSION = "s\u00fc"
ANSWERS = st.lists(
    st.tuples(
        st.integers(0, 2**24 - 1),
        st.integers(-(2**63), 2**63 - 1),
        st.integers(-(2**31), 2**31 - 1),
        st.integers(-(2**31), 2**31 - 1),
        st.integers(0, 1000),
        st.binary(max_size=300),
        st.one_of(st.text(max_size=40).map(str.encode), st.binary(max_size=60)),
    ),
    max_size=20,
)


def packed(question: int, answers: Sequence[Answer]) -> bytes:
    """Return the record that a session would have made."""
    parts = [struct.pack("<HI", question, len(answers))]
    for *numbers, response, claimed in answers:
        sizes = len(response), len(claimed)
        parts += [struct.pack("<IqiiHHB", *numbers, *sizes), response, claimed]
    return b"".join(parts)


def fields(copied: bytes) -> list[list[bytes]]:
    """Read a binary COPY without header and trailer, by the book."""
    source, found = io.BytesIO(copied), []
    while head := source.read(2):
        (count,) = struct.unpack(">h", head)
        row = []
        for _ in range(count):
            (size,) = struct.unpack(">i", source.read(4))
            row.append(source.read(size))
        found.append(row)
    return found


def row_of(fields: list[bytes]) -> tuple[object, ...]:
    """Return the values of a row."""
    numbers = [int.from_bytes(each, "big", signed=True) for each in fields[1:8]]
    return (fields[0].decode(), *numbers, fields[8], fields[9].decode())


@given(ANSWERS, st.integers(0, 2**15 - 1), st.integers(-(2**63), 2**63 - 1))
def test_both_forms_say_what_the_record_says(
    answers: list[Answer],
    question: int,
    opened_ms: int,
) -> None:
    """Every column; a claim of the time without what no text can hold."""
    record = packed(question, answers)
    expected = [
        (
            SESSION,
            question,
            each["participant"],
            opened_ms,
            each["received_ms"],
            each["elapsed_ms"],
            each["points"],
            each["credit"],
            each["response"],
            each["answered_at"].replace("\0", "\ufffd"),
        )
        for each in scoring.answers_in(record)
    ]
    assert rows.tuples(record, SESSION, opened_ms) == expected
    found = fields(copied([record], SESSION.encode(), opened_ms))
    assert Counter(row_of(each) for each in found) == Counter(expected)
    widths = [[len(each) for each in row[1:8]] for row in found]
    assert widths == [[2, 4, 8, 8, 4, 4, 2]] * len(answers)
    assert rows.count_of(record) == len(answers)


def copied(
    records: Sequence[bytes], session_id: bytes, opened_ms: int, room: int = 100
) -> bytes:
    """Return the rows of *records*, made in slices of at most *room* answers."""
    part, pieces = rows.Slice(room), []
    for record in records:
        offset = first = 0
        while True:
            offset, first = part.take(record, offset, first)
            assert part.size <= room
            if part.full:
                pieces.append(part.rows(session_id, opened_ms))
                assert not part.size
            if not offset:
                break
    return b"".join([*pieces, part.rows(session_id, opened_ms)])


@given(st.lists(ANSWERS, max_size=4), st.integers(1, 5))
def test_slices_come_to_the_whole(records: list[list[Answer]], room: int) -> None:
    """However small they are, and whatever the records' sizes."""
    made = [packed(number, answers) for number, answers in enumerate(records)]
    whole = fields(copied(made, b"s", 7))
    assert len(whole) == sum(map(len, records))
    assert Counter(map(tuple, fields(copied(made, b"s", 7, room)))) == Counter(
        map(tuple, whole)
    )


def test_a_slice_is_in_the_order_of_the_key() -> None:
    """By question, then by participant, whoever has answered first."""
    seed = random.randrange(2**32)
    print(f"seed {seed}")
    rng = random.Random(seed)
    records = [
        packed(question, [(who, 1, 1, 1, 1, b"", b"") for who in people])
        for question in rng.sample(range(300), 5)
        for people in (rng.sample(range(2**24), 20),)
    ]
    found = [row_of(each)[1:3] for each in fields(copied(records, b"s", 7))]
    assert len(found) == 100
    assert found == sorted(found)


def test_a_damaged_record_is_refused() -> None:
    """Cut at any byte, or changed at any: an error or other rows, never more."""
    seed = random.randrange(2**32)
    print(f"seed {seed}")
    rng = random.Random(seed)
    record = packed(1, [(n, 1, 1, 1, 1000, b"\1\2", b"now") for n in range(3)])
    for size in range(len(record)):
        for read in READERS:
            with pytest.raises(ValueError, match="record of answers"):
                read(record[:size])
    for _ in range(2000):
        damaged = bytearray(record)
        damaged[rng.randrange(len(record))] = rng.randrange(256)
        for read in READERS:
            with suppress(ValueError):
                read(bytes(damaged))


READERS: tuple[Callable[[bytes], object], ...] = (
    lambda record: copied([record], b"s", 7),
    lambda record: rows.tuples(record, "s", 7),
)


def test_a_question_beyond_the_column_is_refused() -> None:
    """Instead of coming out as another one."""
    with pytest.raises(ValueError, match="record of answers"):
        rows.tuples(packed(2**15, []), "s", 7)
