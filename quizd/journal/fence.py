"""The one rule on who may append what; no input, no output, no clock."""

from dataclasses import dataclass
from typing import TypeVar

from quizd.journal.base import Fenced


@dataclass(slots=True)
class Head:
    """Where a session's log stands: its owner's term and its latest index."""

    term: int
    last_index: int


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
