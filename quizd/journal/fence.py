"""The one rule on who may append what; no input, no output, no clock."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TypeVar

from quizd.journal.base import MAX_BATCH_BYTES, Fenced


@dataclass(slots=True)
class Head:
    """Where a session's log stands: its owner's term, its latest index and hash."""

    term: int
    last_index: int
    hash: bytes


AnyHead = TypeVar("AnyHead", bound=Head)


def check_term(head: AnyHead | None, term: int) -> AnyHead:
    """Return *head* if *term* is its own; raise `Fenced` otherwise."""
    if head is None:
        raise Fenced("the journal does not know this session")
    if term != head.term:
        raise Fenced(f"term {term} is not the current term {head.term}")
    return head


def is_next(head: Head, index: int) -> bool:
    """Tell whether *index* is the next one, or one that is already taken.

    A taken one is accepted if what was kept is the same, by term and bytes: that is
    the caller's to compare. Raises `Fenced` for an index that would leave a gap.
    """
    if index == head.last_index + 1:
        return True
    if 1 <= index <= head.last_index:
        return False
    raise Fenced(f"index {index} does not follow index {head.last_index}")


def not_the_same(index: int) -> Fenced:
    """Return the refusal of a batch whose index holds a different one."""
    return Fenced(f"index {index} holds another batch")


def next_term(term: int, now_ms: int) -> int:
    """Return the term of the owner that follows the one with *term*."""
    return max(term + 1, now_ms)


def check_snapshot(head: Head, saved_index: int, index: int) -> None:
    """Raise `Fenced` unless *index* may follow a snapshot of *saved_index* (or 0)."""
    if not max(saved_index, 1) <= index <= head.last_index:
        raise Fenced(
            f"a snapshot of index {index} does not lie between the one of index "
            f"{saved_index} and the latest index {head.last_index}"
        )


def check_parts(parts: Mapping[str, bytes]) -> None:
    """Raise `ValueError` if *parts* are more than a journal takes at once."""
    size_bytes = sum(map(len, parts.values()))
    if size_bytes > MAX_BATCH_BYTES:
        raise ValueError(f"snapshot of {size_bytes} bytes is over {MAX_BATCH_BYTES}")


def still_running(session_id: str) -> ValueError:
    """Return the refusal of removing a session that has not ended."""
    return ValueError(f"session {session_id} has not ended")
