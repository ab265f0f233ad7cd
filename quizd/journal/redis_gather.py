"""Reading what earlier owners have written of a session, to have it to give back.

A shard that takes over a session it has followed reads none of its log, and one that
reads begins behind the snapshot. But the owner before is gone: what Redis loses from
now on, the new one alone can give back. So it reads all of it once, beside play.
"""

import asyncio

from quizd.journal.base import JournalUnavailable, Trimmed, Unknown
from quizd.journal.redis_read import Reader
from quizd.journal.redis_repair import Repairs
from quizd.journal.redis_track import Track

RETRY_S = 0.5
CANCEL_AGAIN_S = 0.1


class Gathering:
    """Has what is owned and not held read, one session after the other.

    It drops nothing for that: what no longer fits is left out.
    """

    def __init__(self, reader: Reader, repairs: Repairs) -> None:
        self._reader = reader
        self._repairs = repairs
        self._held = repairs.held
        self._waiting: dict[str, None] = {}
        self._task: asyncio.Task[None] | None = None
        self._stopped = True

    def open(self) -> None:
        """Begin to take sessions in."""
        self._stopped = False

    async def stop(self) -> None:
        """Read nothing more; harmless when not running."""
        self._stopped = True
        self._waiting.clear()
        while self._task is not None:  # a call to Redis may swallow a cancellation
            self._task.cancel()
            await asyncio.wait([self._task], timeout=CANCEL_AGAIN_S)

    def begin(self, session_id: str) -> None:
        """Have the rest of a session read that was claimed just now."""
        if self._stopped:
            return
        self._waiting[session_id] = None
        if self._task is None:
            self._start()

    def _start(self) -> None:
        self._task = asyncio.create_task(self._run())
        self._task.add_done_callback(self._done)

    def _done(self, _: asyncio.Task[None]) -> None:
        self._task = None
        if self._waiting:  # since it looked last
            self._start()

    async def _run(self) -> None:
        while self._waiting:
            session_id = next(iter(self._waiting))
            del self._waiting[session_id]
            track = self._repairs.tracks.get(session_id)
            if track is None or self._has(track):
                continue
            try:
                await self._gather(track)
            except Unknown:
                continue
            except (JournalUnavailable, Trimmed):
                await self._again(track)

    async def _again(self, track: Track) -> None:
        """Put the session last, in a while."""
        if self._wants(track):
            await asyncio.sleep(RETRY_S)
        if self._wants(track):
            self._waiting[track.session_id] = None

    def _has(self, track: Track) -> bool:
        wanted = range(track.trimmed + 1, track.last_index + 1)
        return track.parts is not None and self._held.has(track.session_id, wanted)

    def _wants(self, track: Track) -> bool:
        """Tell whether the session is still to be read."""
        mine = self._repairs.tracks.get(track.session_id)
        return mine is track and not track.lost and not self._stopped

    async def _gather(self, track: Track) -> None:
        """Read a session as far as there is room; raise what reading raises."""
        if track.parts is not None or await self._take_snapshot(track):
            await self._take_batches(track)

    async def _take_snapshot(self, track: Track) -> bool:
        """Hold the snapshot; tell whether there was room for it."""
        snapshot = await self._reader.snapshot(track.session_id)
        if snapshot is None:
            raise Unknown(track.session_id)
        size_bytes = sum(map(len, snapshot.parts.values()))
        if not self._wants(track) or not self._held.has_room(size_bytes):
            return False
        track.loaded(self._held, snapshot)
        if track.parts is None:
            raise JournalUnavailable("a later snapshot was saved meanwhile")
        return True

    async def _take_batches(self, track: Track) -> None:
        async for page in self._reader.batches(track.session_id, track.trimmed):
            for index, kept in page:
                if index > track.last_index or not self._wants(track):
                    return
                if not self._held.has_room(len(kept.content)):
                    return
                self._repairs.hold(track.session_id, index, kept)
