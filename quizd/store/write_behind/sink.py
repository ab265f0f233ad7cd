"""The database's side of the queue: what it promises, whatever the database is.

A sink writes a unit in one transaction: it moves the cursors, each only if it stands
where the unit says, adds to the log, and inserts the rows. What the database refuses
as data is found by halving and set aside as a rejected batch, in the same transaction;
so one bad batch costs a few attempts more and nobody else anything.
"""

from abc import ABC, abstractmethod
from collections.abc import AsyncIterator, Iterable, Sequence
from dataclasses import dataclass
from typing import ClassVar

from quizd.store.write_behind.unit import Cursor, Item, Unit


class SinkUnavailable(Exception):  # noqa: N818 - names the state, like HTTP's 503
    """The database fails for now; whether the unit was kept is unknown."""


class SinkTimeout(SinkUnavailable):
    """The database did not answer in time."""


class CursorMoved(Exception):  # noqa: N818 - a refusal is an answer, not a fault
    """Somebody else has written some of the unit; nothing of it was kept."""


class UnitRefused(Exception):  # noqa: N818 - a refusal is an answer, not a fault
    """Cursor or log are refused, not rows: some session of the unit is damaged."""


class NoRow(Exception):  # noqa: N818 - says what is missing
    """A row to be changed is not there, since it was refused itself."""


@dataclass(frozen=True, slots=True)
class Refusal:
    """A batch whose rows the database did not take, and why; ``code`` is SQLSTATE.

    For SQLite it is its own code's name; ``unreadable`` where nothing was tried.
    """

    item: Item
    code: str
    error: str


UNREADABLE = "unreadable"
MISSING: dict[type[Exception], str] = {NoRow: "missing"}
"""What the codes of refusals are that are not the database's own."""


class Sink(ABC):
    """Writes units; one at a time, by one task. Raises :class:`SinkUnavailable`.

    ``unit_bytes`` is the size of a unit that suits the database.
    """

    unit_bytes: ClassVar[int]

    @abstractmethod
    async def cursors(self, session_ids: Sequence[str]) -> dict[str, Cursor]:
        """Return where sessions stand; one that was never written is left out."""

    @abstractmethod
    async def write(self, unit: Unit, now_ms: int) -> list[Refusal]:
        """Write all of *unit* or nothing; return what was refused and set aside.

        Raises :class:`CursorMoved` where a cursor is not where *unit* says.
        """

    @abstractmethod
    def log(self, session_id: str) -> AsyncIterator[tuple[int, bytes]]:
        """Yield the stored log of a session as ``(index, log form)``, in order."""

    @abstractmethod
    async def retry(self, refused_id: int, item: Item) -> Refusal | None:
        """Write the rows of a rejected batch and take it off the list.

        Returns why it is refused again; it stays on the list then.
        """

    @abstractmethod
    async def disconnect(self) -> None:
        """Let go of the connection, whatever it is doing; the next call makes one."""


def refused_unread(items: Iterable[Item]) -> tuple[list[Item], list[Refusal]]:
    """Part *items* into those to be tried and those that were not understood."""
    tried, refused = [], []
    for item in items:
        if item.error:
            refused.append(Refusal(item, UNREADABLE, item.error))
        else:
            tried.append(item)
    return tried, refused
