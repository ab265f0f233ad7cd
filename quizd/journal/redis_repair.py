"""Giving back to Redis what it has lost of sessions whose owner lives."""

from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from typing import TypeVar

from quizd.journal.base import Fenced, Unknown
from quizd.journal.redis_entry import Look
from quizd.journal.redis_lane import Word
from quizd.journal.redis_read import Reader
from quizd.journal.redis_track import Held, Kept, Repair, Track, plan
from quizd.log import get_logger

T = TypeVar("T")

log = get_logger(__name__)

Restore = Callable[[Track, Sequence[Word]], Awaitable[None]]
"""Calls the script's operation ``restore`` and puts the session in the index."""


class Repairs:
    """Keeps the tracks of owned sessions, and Redis no worse than they are."""

    def __init__(
        self, reader: Reader, held: Held, process: tuple[str, str], restore: Restore
    ) -> None:
        """*process* is this one's name, and its field in ``quizd:alive``."""
        self.tracks: dict[str, Track] = {}
        self.held = held
        self.repaired = 0
        self._reader = reader
        self._process = process
        self._restore = restore

    def own(self, track: Track) -> None:
        """Remember a session from now on; what is held of it stays if it goes on.

        It then reaches as far as this process was told under an earlier term, also
        where Redis does not any more.
        """
        before = self.tracks.get(track.session_id)
        if before is None or not track.goes_on(before):
            self.drop(track.session_id)
        self.tracks[track.session_id] = track

    async def reach(self, track: Track, look: Look) -> Track:
        """Bring a claimed session to where its track is, or the other way round."""
        if track.last_index == look.last_index:
            return track
        try:
            await self.repair(track)
        except Fenced:
            self.drop(track.session_id)
            track = Track.of(look)
            self.own(track)
        return track

    async def track(self, session_id: str, term: int) -> Track:
        """Return what is known of a session that is owned under *term*.

        Redis is asked where the term is not from here. Raises `Fenced`.
        """
        track = self.tracks.get(session_id)
        if track is None or track.term != term:
            look = await self._reader.look(session_id)
            if look is None or look.term != term:
                current = "unknown" if look is None else f"of term {look.term}"
                raise Fenced(f"term {term}: the session is {current}")
            track = Track.of(look)
            self.own(track)
        if track.lost:
            raise Fenced("Redis has lost batches of this session")
        return track

    async def look(self, session_id: str) -> Look | None:
        """Return what Redis has of a session once it has what this process can give."""
        track = self.tracks.get(session_id)
        look = await self._reader.look(session_id)
        if track is None or (look and look.last_index >= track.last_index):
            return look
        with suppress(Fenced):  # it is lost: the log stands where it is
            await self.repair(track)
        return await self._reader.look(session_id)

    def drop(self, session_id: str) -> None:
        """Forget a session that is no longer this process's."""
        self.tracks.pop(session_id, None)
        self.held.discard_all(session_id)

    def hold(self, session_id: str, index: int, kept: Kept) -> None:
        """Keep a batch that is read, if the session is owned.

        Its earlier owner had acknowledged it; so it is this one's to give back.
        """
        track = self.tracks.get(session_id)
        if track is None or track.lost:
            return
        if not track.trimmed < index <= track.last_index:
            return
        if self.held.get(session_id, index) is None:
            self.held.put(session_id, index, kept)

    async def insist(self, track: Track | None, call: Callable[[], Awaitable[T]]) -> T:
        """Call, and once more if Redis had lost something that it is given back."""
        try:
            return await call()
        except (Fenced, Unknown):
            if track is None or not await self.repair(track):
                raise
        return await call()

    async def compare(self) -> int:
        """Give back what is missing of any session; return how many needed it.

        A session that cannot be repaired is refused to its owner from now on.
        """
        mine = list(self.tracks.values())
        looks = await self._reader.looks([track.session_id for track in mine])
        repaired = 0
        for track, look in zip(mine, looks, strict=True):
            self._let_go(track, look)
            if not track.lost and not self._is_well(track, look):
                try:
                    repaired += await self.repair(track)
                except Fenced:
                    continue
        return repaired

    async def repair(self, track: Track) -> bool:
        """Give back what is missing of a session; tell whether anything was.

        Raises `Fenced` if it cannot be given back, or is somebody else's to give.
        """
        was_behind = False
        async with track.restoring:
            while (step := await self._next_step(track)) is not None:
                try:
                    await self._restore(track, self._words(track, step))
                except Fenced:
                    self._forget(track)
                    raise
                was_behind = True
        if was_behind:
            self.repaired += 1
            log.warning("journal_repaired", session_id=track.session_id)
        return was_behind

    def _let_go(self, track: Track, look: Look | None) -> None:
        """Hold no longer what somebody has trimmed, and a snapshot stands for."""
        if look is not None and track.trimmed < look.trimmed <= track.saved_index:
            track.trimmed = look.trimmed
            self.held.discard_through(track.session_id, look.trimmed)

    def _is_well(self, track: Track, look: Look | None) -> bool:
        try:
            return plan(track, self.held, look) is None
        except Fenced:
            return False

    async def _next_step(self, track: Track) -> Repair | None:
        look = await self._reader.look(track.session_id)
        try:
            return plan(track, self.held, look)
        except Fenced as refusal:
            if look is not None and look.term > track.term:
                self._forget(track)
            elif not track.lost:
                track.lost = True
                self.held.discard_all(track.session_id)
                log.error(  # noqa: TRY400 - the place in the program tells nothing
                    "journal_history_lost",
                    session_id=track.session_id,
                    reason=str(refusal),
                )
            raise

    def _forget(self, track: Track) -> None:
        if self.tracks.get(track.session_id) is track:
            self.drop(track.session_id)

    def _words(self, track: Track, step: Repair) -> list[Word]:
        """Return the arguments of the script for one step."""
        parts = step.parts or {}
        words: list[Word] = [
            *("restore", track.term, *self._process, track.claimed_ms),
            *(track.quiz_id, track.pin, track.created_us, int(track.ended)),
            *(step.behind, step.before),
            *(track.saved_index if step.parts is not None else 0, track.saved_hash),
            len(parts),
        ]
        for name, part in parts.items():
            words += (name, part)
        for index, kept in step.batches:
            words += (kept.term, index, kept.hash, kept.content)
        return words
