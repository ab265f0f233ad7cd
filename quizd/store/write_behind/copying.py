"""Rows in the form of Postgres' binary COPY.

The form is https://www.postgresql.org/docs/current/sql-copy.html, "Binary Format": a
header, rows of fields with their sizes, a trailer. Making it here instead of in the
driver lets answers be made by compiled code, costs no round trip to ask for the
columns' types, and lets the event loop have its turn between slices.
"""

import asyncio
import struct
from collections.abc import AsyncIterator, Callable, Iterable, Iterator, Sequence
from itertools import groupby
from operator import itemgetter
from typing import Any

from sqlalchemy import Table
from sqlalchemy.dialects import postgresql

from quizd._fast import rows as fast
from quizd.store.write_behind.rows import Answers

SLICE_ANSWERS = 4096
"""Somewhat less than a millisecond's worth, as the others are."""

SLICE_ROWS = 256
SLICE_BYTES = 128 * 1024
"""For rows of the log, which may be large."""

_SIZE = struct.Struct(">i")
_COUNT = struct.Struct(">h")
_INT2 = struct.Struct(">ih")
_INT4 = struct.Struct(">ii")
_INT8 = struct.Struct(">iq")
_NULL = _SIZE.pack(-1)
_TRUE = _SIZE.pack(1) + b"\x01"
_FALSE = _SIZE.pack(1) + b"\x00"
_JSONB_VERSION = b"\x01"

Field = Callable[[Any], bytes]


def _sized(content: bytes) -> bytes:
    return _SIZE.pack(len(content)) + content


FIELDS: dict[str, Field] = {
    "SMALLINT": lambda value: _INT2.pack(2, value),
    "INTEGER": lambda value: _INT4.pack(4, value),
    "BIGINT": lambda value: _INT8.pack(8, value),
    "BOOLEAN": lambda value: _TRUE if value else _FALSE,
    "TEXT": lambda value: _sized(value.encode()),
    "BYTEA": _sized,
    "JSONB": lambda value: _sized(_JSONB_VERSION + value.encode()),
}
"""How a value of a type is written, by the type's name in SQL; JSON comes as text."""


_DIALECT = postgresql.dialect()  # type: ignore[no-untyped-call]


def type_name(table: Table, column: str) -> str:
    """Return the type of a column as Postgres calls it."""
    return table.c[column].type.compile(_DIALECT)


class Coder:
    """Writes rows of some *columns* of *table*."""

    def __init__(self, table: Table, columns: Sequence[str]) -> None:
        self._fields = tuple(FIELDS[type_name(table, name)] for name in columns)
        self._count = _COUNT.pack(len(columns))
        self.table = table.name
        self.columns = tuple(columns)

    def slices(self, rows: Iterable[Sequence[object]]) -> Iterator[bytes]:
        """Yield *rows* one after the other, each piece made in less than a millisecond.

        Raises ``struct.error``, ``AttributeError`` or ``UnicodeEncodeError`` for a
        value that is none of its column.
        """
        parts: list[bytes] = []
        size_bytes = 0
        for number, row in enumerate(rows, 1):
            parts.append(self._count)
            for encode, value in zip(self._fields, row, strict=True):
                field = _NULL if value is None else encode(value)
                parts.append(field)
                size_bytes += len(field)
            if size_bytes >= SLICE_BYTES or number % SLICE_ROWS == 0:
                yield b"".join(parts)
                parts, size_bytes = [], 0
        yield b"".join(parts)


async def stream(
    coder: Coder, rows: Iterable[Sequence[object]]
) -> AsyncIterator[bytes]:
    """Yield a whole COPY of *rows*, with a turn for others after each slice."""
    yield fast.HEADER
    for piece in coder.slices(rows):
        yield piece
        await asyncio.sleep(0)
    yield fast.TRAILER


async def stream_answers(records: Iterable[Answers]) -> AsyncIterator[bytes]:
    """Yield a whole COPY of packed answers; small records share a chunk."""
    chunk, answers = [fast.HEADER], 0
    for rows, count in _pieces(records):
        chunk.append(rows)
        answers += count
        if answers >= SLICE_ANSWERS:
            yield b"".join(chunk)
            chunk, answers = [], 0
            await asyncio.sleep(0)
    chunk.append(fast.TRAILER)
    yield b"".join(chunk)


def _pieces(records: Iterable[Answers]) -> Iterator[tuple[bytes, int]]:
    """Yield the rows of *records*, at most a slice at a time, and how many they are."""
    part = fast.Slice(SLICE_ANSWERS)
    for (session_id, opened_ms), group in groupby(records, itemgetter(0, 1)):
        encoded = session_id.encode()
        for _, _, packed in group:
            for _ in _filled(part, packed):
                yield part.rows(encoded, opened_ms), SLICE_ANSWERS
        if count := part.size:
            yield part.rows(encoded, opened_ms), count


def _filled(part: fast.Slice, packed: bytes) -> Iterator[None]:
    """Put the answers of a record into *part*; yield each time it is full."""
    offset = first = 0
    while True:
        offset, first = part.take(packed, offset, first)
        if part.full:
            yield
        if not offset:
            return
