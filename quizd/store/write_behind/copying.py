"""Rows in the form of Postgres' binary COPY.

The form is https://www.postgresql.org/docs/current/sql-copy.html, "Binary Format": a
header, rows of fields with their sizes, a trailer. Making it here instead of in the
driver lets answers be made by compiled code, costs no round trip to ask for the
columns' types, and lets the event loop have its turn between slices.
"""

import asyncio
import struct
from collections.abc import AsyncIterator, Callable, Iterable, Iterator, Sequence
from typing import Any

from sqlalchemy import Table
from sqlalchemy.dialects import postgresql

from quizd._fast import rows as fast
from quizd.store.write_behind.rows import Answers

SLICE_ANSWERS = 4096
"""Somewhat less than a millisecond's worth, as the others are."""

SLICE_ROWS = 256
SLICE_BATCHES = 8
"""Rows of the log, which are large."""

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

    def rows(self, rows: Iterable[Sequence[object]]) -> bytes:
        """Return *rows* one after the other.

        Raises ``struct.error``, ``AttributeError`` or ``UnicodeEncodeError`` for a
        value that is none of its column.
        """
        parts = []
        for row in rows:
            parts.append(self._count)
            for encode, value in zip(self._fields, row, strict=True):
                parts.append(_NULL if value is None else encode(value))
        return b"".join(parts)


async def stream(
    coder: Coder, rows: Sequence[Sequence[object]], slice_rows: int = SLICE_ROWS
) -> AsyncIterator[bytes]:
    """Yield a whole COPY of *rows*, with a turn for others after each slice."""
    yield fast.HEADER
    for start in range(0, len(rows), slice_rows):
        yield coder.rows(rows[start : start + slice_rows])
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
    for session_id, opened_ms, packed in records:
        encoded, offset, first = session_id.encode(), 0, 0
        while True:
            rows, offset, done = fast.copy_rows(
                packed, encoded, opened_ms, offset, first, SLICE_ANSWERS
            )
            yield rows, done - first
            first = done
            if not offset:
                break
