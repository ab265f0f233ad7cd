# What each call promises, and its errors, is in the docstrings of rows.pyx.

from typing import TypeAlias

_Row: TypeAlias = tuple[str, int, int, int, int, int, int, int, bytes, str]

COLUMN_NAMES: tuple[str, ...]
HEADER: bytes
TRAILER: bytes

def copy_rows(
    record: bytes,
    session_id: bytes,
    opened_ms: int,
    offset: int = 0,
    first: int = 0,
    limit: int = 0xFFFFFFFF,
) -> tuple[bytes, int, int]: ...
def tuples(record: bytes, session_id: str, opened_ms: int) -> list[_Row]: ...
def count_of(record: bytes) -> int: ...
