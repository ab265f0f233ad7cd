"""What is written in one transaction: batches of sessions, and their cursors."""

from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from itertools import chain as join

from quizd.store.log import START, log_form, next_head, sealed
from quizd.store.write_behind.rows import (
    UNKNOWN,
    UNREADABLE,
    Context,
    Rows,
    Translation,
    translate,
)
from quizd.store.write_behind.source import NO_HASH, chain

BEGINNING = Context()
FRAME_BYTES = 64
"""What a batch counts beside its own bytes, so that small ones count at all."""


@dataclass(frozen=True, slots=True)
class Cursor:
    """How far a session is written behind: batch, hash, context and end of its log."""

    index: int = 0
    hash: bytes = NO_HASH
    context: Context = BEGINNING
    head: bytes = START


@dataclass(frozen=True, slots=True)
class Item:
    """One batch: its rows, or ``error`` where it is not understood; its log form.

    ``before`` is the context that goes before it, ``at_ms`` its latest instant, 0 where
    it was not understood.
    """

    session_id: str
    index: int
    batch: bytes
    before: Context
    opened_ms: int
    at_ms: int
    log: bytes
    rows: Rows = field(default_factory=Rows)
    error: str = ""


@dataclass(slots=True)
class Move:
    """A session's cursor before and after the unit."""

    before: Cursor
    after: Cursor


@dataclass(slots=True)
class Unit:
    """Batches in the order of each session; ``size_bytes`` is what they count."""

    key: bytes
    items: list[Item] = field(default_factory=list)
    moves: dict[str, Move] = field(default_factory=dict)
    size_bytes: int = 0

    def add(self, session_id: str, index: int, batch: bytes, cursor: Cursor) -> Cursor:
        """Add the batch that comes after *cursor*; return the cursor behind it."""
        translation, error = _read(session_id, batch, cursor.context)
        context = translation.context
        log = sealed(batch) if error else log_form(batch, translation.records)
        item = Item(
            session_id=session_id,
            index=index,
            batch=batch,
            before=cursor.context,
            opened_ms=context.opened_ms,
            at_ms=translation.at_ms,
            log=log,
            rows=translation.rows,
            error=error,
        )
        after = Cursor(
            index=index,
            hash=chain(cursor.hash, batch),
            context=context,
            head=next_head(self.key, cursor.head, session_id, index, log),
        )
        self.items.append(item)
        self.moves.setdefault(session_id, Move(cursor, after)).after = after
        self.size_bytes += len(batch) + FRAME_BYTES
        return after

    @property
    def finished(self) -> Iterable[Item]:
        """The batches after which a session's results are to be written."""
        return (item for item in self.items if item.rows.finished)

    def openings(self) -> list[int]:
        """Return the openings that the rows of this unit belong to, each once."""
        return sorted({item.opened_ms for item in self.items})


def _read(session_id: str, batch: bytes, context: Context) -> tuple[Translation, str]:
    try:
        return translate(session_id, batch, context), ""
    except UNREADABLE as error:
        unknown = replace(context, participants=UNKNOWN)
        return Translation(session_id, unknown), f"{type(error).__name__}: {error}"


def everything(items: Iterable[Item], kind: str) -> list[tuple[object, ...]]:
    """Return the rows called *kind* of all *items*, in order."""
    return list(join.from_iterable(getattr(item.rows, kind) for item in items))
