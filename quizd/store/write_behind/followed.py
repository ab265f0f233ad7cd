"""The sessions that the queue follows: how far each is, and what is known of the rest.

Batches may be handed over as they are committed; they are kept here up to a bound and
spare the queue a look into the journal. Beyond the bound only their number is kept.
"""

from collections import deque
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field

from quizd.store.write_behind.trail import Trail
from quizd.store.write_behind.unit import Cursor, Unit

KEEP_BYTES = 8 * 1024 * 1024


@dataclass(slots=True)
class Doubt:
    """A journal has stood at a *place* behind the store, as seen since ``since_s``.

    It is looked at again at ``look_s``; both by the event loop's clock.
    """

    place: tuple[int, bytes]
    since_s: float
    look_s: float = 0.0


@dataclass(slots=True)
class Followed:
    """One session: ``cursor`` is where the next unit goes on, ``written`` what is safe.

    The former is ``None`` until it was read from the database, and ahead of the latter
    while a unit is being written. ``last`` is the latest batch that was told of;
    ``since_ms`` an instant that the oldest of those that wait is not older than, but
    for how long it took to be told of; ``waiting_bytes`` counts those whose size was
    told. ``trail`` is what was proved of the journal, as long as that goes beyond what
    is safe; ``doubt`` keeps the session waiting while the journal has less than that.
    """

    cursor: Cursor | None = None
    written: int = 0
    last: int = 0
    since_ms: int = 0
    waiting_bytes: int = 0
    trimmed: int = 0
    trail: Trail | None = None
    doubt: Doubt | None = None
    kept: deque[tuple[int, bytes]] = field(default_factory=deque)

    @property
    def has_more(self) -> bool:
        """Whether there is something that no unit has, as far as is known."""
        return self.cursor is None or self.cursor.index < self.last


def nobody_cares(_session_id: str) -> None:
    """Pass over a session that is written whole."""


class Sessions:
    """All followed sessions, and which of them are behind, in turn.

    *on_whole* is told of each that has ended and is written whole.
    """

    def __init__(
        self,
        now_ms: Callable[[], int],
        keep_bytes: int = KEEP_BYTES,
        on_whole: Callable[[str], None] = nobody_cares,
    ) -> None:
        self._now_ms = now_ms
        self._on_whole = on_whole
        self._keep_bytes = keep_bytes
        self._followed: dict[str, Followed] = {}
        self._behind: dict[str, None] = {}
        self.kept_bytes = 0
        self.parked: dict[str, str] = {}

    def __getitem__(self, session_id: str) -> Followed:
        return self._followed[session_id]

    def __contains__(self, session_id: str) -> bool:
        return session_id in self._followed

    def get(self, session_id: str) -> Followed | None:
        """Return the session, ``None`` where it is not followed."""
        return self._followed.get(session_id)

    @property
    def behind(self) -> list[str]:
        """Those with batches that wait, the one that has waited longest first."""
        return list(self._behind)

    def ready(self, now_s: float) -> list[str]:
        """Those of them that need not wait for their journal, in the same order."""
        return [each for each in self._behind if self._look_s(each) <= now_s]

    @property
    def ready_s(self) -> float:
        """When the first of them need not, by the event loop's clock; 0: at once."""
        return min(map(self._look_s, self._behind), default=0.0)

    def _look_s(self, session_id: str) -> float:
        doubt = self._followed[session_id].doubt
        return 0.0 if doubt is None else doubt.look_s

    @property
    def caught_up(self) -> bool:
        """Whether all that was told of is written, but for what is parked."""
        return not self._behind

    @property
    def waiting_batches(self) -> int:
        """How many batches wait."""
        waiting = (self._followed[each] for each in self._behind)
        return sum(each.last - each.written for each in waiting)

    @property
    def waiting_bytes(self) -> int:
        """How many bytes wait, as far as their sizes were told."""
        return sum(self._followed[each].waiting_bytes for each in self._behind)

    @property
    def lag_s(self) -> float:
        """How long the oldest batch has waited, in seconds."""
        since = (self._followed[each].since_ms for each in self._behind)
        oldest_ms = min(since, default=None)
        return 0.0 if oldest_ms is None else (self._now_ms() - oldest_ms) / 1000

    def announce(self, session_id: str, index: int, batch: bytes | None) -> None:
        """Note that the journal has *batch* at *index*."""
        if session_id in self.parked:
            return
        followed = self._followed.setdefault(session_id, Followed())
        if index <= followed.last:
            return
        if session_id not in self._behind:
            self._behind[session_id] = None
            followed.since_ms = self._now_ms()
        followed.last = index
        if batch is not None:
            followed.waiting_bytes += len(batch)
            self._keep(followed, index, batch)

    def _keep(self, followed: Followed, index: int, batch: bytes) -> None:
        """Keep *batch* where there is room and it goes on from the last one kept."""
        full = self.kept_bytes + len(batch) > self._keep_bytes
        if full or (followed.kept and followed.kept[-1][0] != index - 1):
            return
        followed.kept.append((index, batch))
        self.kept_bytes += len(batch)

    def kept_after(self, session_id: str, index: int) -> list[tuple[int, bytes]]:
        """Return the kept batches that follow *index* without a gap."""
        followed = self._followed[session_id]
        self._let_go(followed, index)
        kept = followed.kept
        return list(kept) if kept and kept[0][0] == index + 1 else []

    def _let_go(self, followed: Followed, through_index: int) -> None:
        while followed.kept and followed.kept[0][0] <= through_index:
            self.kept_bytes -= len(followed.kept.popleft()[1])

    def collected(self, session_id: str, cursor: Cursor) -> None:
        """Note that a unit has the batches up to *cursor*."""
        followed = self._followed[session_id]
        followed.cursor = cursor
        self._let_go(followed, cursor.index)

    def wrote(self, unit: Unit) -> None:
        """Note that *unit* is safe."""
        for item in unit.items:
            followed = self._followed.get(item.session_id)
            if followed is not None:
                size = max(followed.waiting_bytes - len(item.batch), 0)
                followed.waiting_bytes = size
                followed.since_ms = max(followed.since_ms, item.at_ms)
        for session_id, move in unit.moves.items():
            if session_id in self._followed:
                self._is_safe(session_id, move.after)

    def stands(self, session_id: str, cursor: Cursor) -> None:
        """Note where the database says that a session stands."""
        self._followed[session_id].doubt = None
        self.collected(session_id, cursor)
        self._is_safe(session_id, cursor)

    def _is_safe(self, session_id: str, cursor: Cursor) -> None:
        """Note that all up to *cursor* is written.

        A session that has ended and is written whole is let go of, and taken up again
        when it is told of again.
        """
        followed = self._followed[session_id]
        followed.written = cursor.index
        if followed.trail is not None and followed.trail.index <= cursor.index:
            followed.trail = None
        self._behind.pop(session_id, None)
        if cursor.index < followed.last:
            self._behind[session_id] = None  # at the end: others have their turn
        elif cursor.context.ended:
            self.forget(session_id)
            self._on_whole(session_id)
        else:
            followed.waiting_bytes = 0

    def nothing_after(self, session_id: str, cursor: Cursor) -> None:
        """Note that the journal has nothing behind *cursor*, whatever was told."""
        followed = self._followed[session_id]
        followed.last = cursor.index
        if followed.written == cursor.index:
            self._is_safe(session_id, cursor)

    def unsure(self, session_ids: Iterable[str]) -> None:
        """Have cursors read again before they are relied on."""
        for session_id in session_ids:
            if session_id in self._followed:
                self._followed[session_id].cursor = None

    def doubt_anew(self) -> None:
        """Begin to wait from the start: nobody could give a journal anything back."""
        for session_id in self._behind:
            self._followed[session_id].doubt = None

    def park(self, session_id: str, reason: str) -> None:
        """Write nothing of a session any more, so that the others can go on."""
        self.forget(session_id)
        self.parked[session_id] = reason

    def forget(self, session_id: str) -> None:
        """Follow a session no longer, until it is told of again."""
        self._behind.pop(session_id, None)
        self.parked.pop(session_id, None)
        followed = self._followed.pop(session_id, None)
        if followed is not None:
            self._let_go(followed, followed.last)
