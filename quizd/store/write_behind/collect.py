"""Filling a unit: from memory, from the journal, and with the results of the ended."""

import asyncio
from collections.abc import AsyncIterator, Iterable, Sequence

from quizd.clock import Turns
from quizd.log import get_logger
from quizd.store.write_behind.followed import Doubt, Followed, Sessions
from quizd.store.write_behind.results import (
    Incomplete,
    Result,
    ResultsOf,
    replay,
    results_in,
)
from quizd.store.write_behind.sink import Sink, SinkUnavailable
from quizd.store.write_behind.source import Position, Source
from quizd.store.write_behind.trail import Trail
from quizd.store.write_behind.unit import Cursor, Item, Unit

LOADED_AT_ONCE = 500
"""Sessions whose cursors are read by one query."""

LOOKS = 20
"""How often a journal is looked at that may be given back what it has lost."""

LARGE_BYTES = 64 * 1024
"""A batch that is turned into rows in a thread: it could take longer than a turn."""

AHEAD = "the store is ahead of the journal"

log = get_logger(__name__)


class SourceFailed(Exception):  # noqa: N818 - names the state
    """The journal can't be read for now."""


class Collector:
    """Reads what waits; *alone* are those whose unit is to be of them only."""

    def __init__(
        self,
        source: Source,
        sink: Sink,
        sessions: Sessions,
        results_of: ResultsOf | None,
        certain_s: float,
    ) -> None:
        self._source = source
        self._sink = sink
        self._sessions = sessions
        self._results_of = results_of
        self._certain_s = certain_s
        self.alone: set[str] = set()

    async def fill(self, unit: Unit, limit_bytes: int) -> None:
        """Fill *unit* with what waits, in turn, and little more than it may hold.

        Raises :class:`SourceFailed` and what the sink raises.
        """
        now_s = asyncio.get_running_loop().time()
        turn = self._sessions.ready(now_s)[:LOADED_AT_ONCE]
        await self._load([sid for sid in turn if self._sessions[sid].cursor is None])
        await self._collect(unit, turn, limit_bytes)

    async def fill_ahead(self, unit: Unit, limit_bytes: int) -> None:
        """Do the same without a word to the sink, which is busy with the unit before.

        Nothing is collected where that might be divided. Raises :class:`SourceFailed`.
        """
        if not self.alone:
            await self._collect(unit, self._sessions.behind, limit_bytes)

    async def add_results(self, unit: Unit) -> None:
        """Add the results of all sessions that end in *unit*.

        Raises :class:`SourceFailed` and what the sink raises.
        """
        for item in unit.finished:
            results = await self._results(item, unit)
            await asyncio.to_thread(item.rows.add_results, item.session_id, results)

    def park(self, session_id: str, reason: str) -> None:
        """Write nothing of a session any more, and have somebody look at it."""
        self.alone.discard(session_id)
        self._sessions.park(session_id, reason)
        log.error("session is not written behind", session_id=session_id, error=reason)

    async def _collect(self, unit: Unit, turn: Sequence[str], limit_bytes: int) -> None:
        for session_id in turn:
            followed = self._sessions.get(session_id)
            if followed is None or followed.cursor is None or not followed.has_more:
                continue
            alone = session_id in self.alone
            if alone and unit.items:
                continue
            try:
                await self._take(unit, session_id, limit_bytes)
            except LookupError:
                followed.trail = None
                self._sessions.unsure([session_id])
            if alone or unit.size_bytes >= limit_bytes:
                return

    async def _load(self, session_ids: Sequence[str]) -> None:
        if not session_ids:
            return
        found = await self._sink.cursors(session_ids)
        for session_id in session_ids:
            await self._stand(session_id, found.get(session_id, Cursor()))

    async def _stand(self, session_id: str, cursor: Cursor) -> None:
        """Go on from *cursor*, unless the journal does not."""
        if session_id not in self._sessions:
            return
        begins = not cursor.index and self._sessions.kept_after(session_id, 0)
        try:
            reason = "" if begins else await self._mismatch(session_id, cursor)
        except LookupError as error:
            await self._gone(session_id, cursor, error)
            return
        if session_id not in self._sessions:
            return
        if reason:
            self.park(session_id, reason)
        elif reason is not None:
            self._sessions.stands(session_id, cursor)

    async def _mismatch(self, session_id: str, cursor: Cursor) -> str | None:
        """Return what keeps the journal from going on from *cursor*, or nothing.

        ``None`` where that can't be known yet: somebody may be about to mend it.

        One that has lost its end may have grown past the cursor since. So all that it
        has behind the cursor must lead from the cursor's hash to its own. What was
        proved before may be of an end that is lost; then all is read again.
        """
        followed = self._sessions[session_id]
        position = await self._position(session_id)
        if position.index < cursor.index:
            return self._ahead(session_id, followed, position)
        for known in (followed.trail, None):
            trail = await self._trail(session_id, cursor, position, known)
            if trail.hash == position.hash:
                followed.trail = trail
                return ""
        return "store and journal differ"

    def _ahead(
        self, session_id: str, followed: Followed, position: Position
    ) -> str | None:
        """Return that the store is ahead if the journal has stood still for long.

        One that was killed may come back without its end, and be given it back.
        """
        now_s = asyncio.get_running_loop().time()
        place, doubt = (position.index, position.hash), followed.doubt
        if doubt is None:
            log.warning("journal is behind the store", session_id=session_id)
        if doubt is None or doubt.place != place:
            doubt = followed.doubt = Doubt(place, now_s)
        certain_s = doubt.since_s + self._certain_s
        doubt.look_s = min(now_s + self._certain_s / LOOKS, certain_s)
        return AHEAD if now_s >= certain_s else None

    async def _trail(
        self, session_id: str, cursor: Cursor, position: Position, known: Trail | None
    ) -> Trail:
        """Return the journal's way from *cursor* to *position*, along *known* first."""
        trail = Trail(cursor.index, cursor.hash)
        if known is not None and known.index <= position.index:
            crossing = known.crossing(cursor.index)
            if crossing is not None:
                await self._walk(session_id, trail, crossing)
                trail.join(known)
        await self._walk(session_id, trail, position.index)
        return trail

    async def _walk(self, session_id: str, trail: Trail, through: int) -> None:
        """Go on with *trail* by what the journal has up to *through*."""
        if trail.index >= through:
            return
        turns = Turns()
        async for index, batch in self._read(session_id, trail.index):
            if index > through:
                break
            trail.step(index, batch)
            if index == through:
                return
            await turns.give()
        lacks = f"batch {trail.index + 1} of session {session_id}"
        raise SourceFailed(f"{lacks} is not there")

    async def _position(self, session_id: str) -> Position:
        try:
            return await self._source.position(session_id)
        except LookupError:
            raise
        except Exception as error:
            raise SourceFailed(str(error)) from error

    async def _gone(self, session_id: str, cursor: Cursor, error: LookupError) -> None:
        """Leave a session that the journal has no longer; mind one that has a gap.

        What another shard has written since *cursor* was read, the journal may have let
        go of: then the cursor has moved, and is read again.
        """
        if getattr(error, "first_index", None) is None:
            self._sessions.forget(session_id)
            return
        found = await self._sink.cursors([session_id])
        if found.get(session_id, Cursor()).index == cursor.index:
            self.park(session_id, f"not all of it was written: {error}")

    async def _take(self, unit: Unit, session_id: str, limit_bytes: int) -> None:
        """Add what waits of a session, up to what the unit may hold."""
        cursor = self._sessions[session_id].cursor or Cursor()
        start, turns = cursor, Turns()
        async for index, batch in self._batches(session_id, cursor.index):
            if index != cursor.index + 1:
                self.park(session_id, f"batch {cursor.index + 1} is gone")
                return
            cursor = await self._add(unit, session_id, index, batch, cursor)
            if unit.size_bytes >= limit_bytes:
                break
            await turns.give()
        if session_id not in self._sessions:
            return
        if cursor is start:
            self._sessions.nothing_after(session_id, cursor)
        else:
            self._sessions.collected(session_id, cursor)

    async def _add(
        self, unit: Unit, session_id: str, index: int, batch: bytes, cursor: Cursor
    ) -> Cursor:
        if len(batch) < LARGE_BYTES:
            return unit.add(session_id, index, batch, cursor)
        return await asyncio.to_thread(unit.add, session_id, index, batch, cursor)

    async def _batches(
        self, session_id: str, after_index: int
    ) -> AsyncIterator[tuple[int, bytes]]:
        """Yield what waits, from memory as far as it is there."""
        for index, batch in self._sessions.kept_after(session_id, after_index):
            yield index, batch
            after_index = index
        if (
            session_id in self._sessions
            and after_index < self._sessions[session_id].last
        ):
            async for each in self._read(session_id, after_index):
                yield each

    async def _read(
        self, session_id: str, after_index: int
    ) -> AsyncIterator[tuple[int, bytes]]:
        try:
            async for index, batch in self._source.read(session_id, after_index):
                yield index, batch
        except LookupError:
            raise
        except Exception as error:
            raise SourceFailed(str(error)) from error

    async def _results(self, item: Item, unit: Unit) -> Iterable[Result]:
        """Return the results after *item*; none, and an alarm, if they can't be had."""
        if self._results_of is not None:
            return await self._results_of(item.session_id, item.index)
        try:
            try:
                journal = self._read(item.session_id, 0)
                session = await replay(journal, item.index)
            except (Incomplete, LookupError):
                stored = self._logged(item.session_id, unit)
                session = await replay(stored, item.index)
            return await asyncio.to_thread(results_in, session)
        except (SinkUnavailable, SourceFailed):
            raise
        except Exception:
            log.exception("no results", session_id=item.session_id)
            return ()

    async def _logged(
        self, session_id: str, unit: Unit
    ) -> AsyncIterator[tuple[int, bytes]]:
        """Yield the stored log and what *unit* is to add to it."""
        async for index, batch in self._sink.log(session_id):
            yield index, batch
        for item in unit.items:
            if item.session_id == session_id:
                yield item.index, item.log
