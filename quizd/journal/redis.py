"""The journal on Redis Streams, which many processes share.

The rules are the interface's. Redis keeps them in one script (`redis_script`), so that
each of them is looked at and acted on in one step; the instants are Redis's, because
the clocks of several machines cannot be compared. Nothing is sent twice by itself: a
write without an answer is `JournalUnavailable`, and whoever repeats it is told whether
it had been kept.

Redis may be killed, and come back with less than it has acknowledged. An owner that
lives notices when it appends, renews or saves next, and gives back what is missing
(`redis_track`) before it goes on. If it has not got that any more, or Redis has another
history, it is `Fenced`: it may not go on as if nothing had been lost.
"""

import secrets
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import suppress
from typing import TypeVar, cast

from quizd.journal.base import (
    MAX_WAITING,
    NO_HASH,
    Claim,
    Exists,
    JournalFull,
    JournalUnavailable,
    OnCommit,
    Position,
    SessionEntry,
    Snapshot,
    Unknown,
    chain,
)
from quizd.journal.fence import check_parts, still_running
from quizd.journal.intake import IntakeJournal
from quizd.journal.redis_entry import Look, parse
from quizd.journal.redis_gather import Gathering
from quizd.journal.redis_health import FULL_PERCENT, Survey, survey
from quizd.journal.redis_index import Index
from quizd.journal.redis_keys import Keys
from quizd.journal.redis_lane import Lanes, Reply, Word, accept, ok
from quizd.journal.redis_read import Reader
from quizd.journal.redis_repair import Repairs
from quizd.journal.redis_track import HELD_BYTES, Held, Track
from quizd.redis_client import Client

UNLISTED_MS = 3_600_000
"""How long a session stays that was created, but whose creator died over it."""

ALIVE_KEPT_MS = 7 * 86_400_000
"""How long Redis remembers when a process was last alive."""

GONE_MS = 86_400_000
"""How long Redis remembers that a session was removed on request."""

COMPARE_EVERY = 20
"""Renewals after which Redis is compared with what this process has appended."""

T = TypeVar("T")


class RedisJournal(IntakeJournal):
    """Keeps batches in the Redis of *client*, which stays its maker's to close.

    *owner* names this process in `SessionEntry`. *held_bytes* bounds what is kept of
    the sessions that this process owns, to be given back to a Redis that has lost it.
    """

    def __init__(
        self,
        client: Client,
        *,
        owner: str,
        prefix: str = "quizd",
        max_waiting: int = MAX_WAITING,
        on_commit: OnCommit | None = None,
        held_bytes: int = HELD_BYTES,
    ) -> None:
        super().__init__(max_waiting, on_commit)
        self._client = client
        self._owner = owner
        # A process that comes back under the same name must not speak for the last.
        self._run = f"{owner}/{secrets.token_hex(4)}"
        self._keys = Keys(prefix)
        self._reader = Reader(client, self._keys)
        self._index = Index(client, self._keys)
        self._held = Held(held_bytes)
        self._repairs = Repairs(
            self._reader, self._held, (owner, self._run), self._restore
        )
        self._gathering = Gathering(self._reader, self._repairs)
        self._survey = Survey("Redis Streams: not yet asked what they survive", ())
        self._renewals = 0
        self._renewed = b""
        self._lanes: Lanes | None = None

    async def start(self) -> None:
        """Ask the servers what they are; they must answer."""
        if self._lanes is not None:
            raise RuntimeError("journal is running")
        self._survey = await survey(self._client)
        self._lanes = Lanes(self._client, self._intake)
        self._intake.open()
        self._gathering.open()
        try:
            await self._call([self._keys.alive], ("prune", ALIVE_KEPT_MS), ok)
        except BaseException:
            await self.stop()
            raise

    async def stop(self) -> None:
        """Send what waits, refuse what comes; harmless when not running."""
        self._intake.close()
        lanes, self._lanes = self._lanes, None
        if lanes is not None:
            await lanes.close()
        await self._gathering.stop()
        await self._reader.close()

    async def warnings(self) -> list[str]:
        """Return what is wrong with the servers, in sentences for an operator."""
        self._survey = await survey(self._client)
        return list(self._survey.warnings)

    @property
    def durability(self) -> str:
        """One sentence on what an acknowledged batch survives."""
        return self._survey.durability

    @property
    def held_bytes(self) -> int:
        """What is kept to be given back to a Redis that has lost it."""
        return self._held.bytes

    @property
    def dropped(self) -> int:
        """Batches and parts that were kept so, and no longer as they were too many."""
        return self._held.dropped

    @property
    def repaired(self) -> int:
        """Times that Redis was given back what it had lost of a session."""
        return self._repairs.repaired

    async def create(
        self,
        session_id: str,
        quiz_id: str,
        pin: str,
        batch: bytes,
        now_ms: int,  # noqa: ARG002 - Redis has a clock of its own
    ) -> int:
        """Create a session, then list it; see `Journal.create`.

        The term is Redis's time, not *now_ms*. A process that dies in between leaves
        a session that nobody hears of and that expires.
        """

        def created(reply: Reply) -> tuple[int, Track]:
            if reply[0] == b"exists":
                raise Exists(session_id)
            if reply[0] == b"full":
                raise JournalFull(f"Redis uses {FULL_PERCENT} % of its memory limit")
            term, created_us = int(reply[1]), int(reply[2])
            track = Track(session_id, term, 0, NO_HASH, quiz_id, pin, created_us, term)
            self._repairs.own(track)
            track.kept(self._held, 1, batch)
            return 1, track

        words: list[Word] = ["create", self._owner, self._run, quiz_id, pin]
        words += (chain(NO_HASH, batch), batch, UNLISTED_MS, FULL_PERCENT)
        track = await self._call(self._keys.of(session_id), words, created)
        try:
            await self._index.put(track)
            await self._call(self._keys.of(session_id), ("list",), ok)
        except BaseException:
            self._repairs.drop(session_id)
            raise
        return track.term

    async def claim(self, session_id: str, now_ms: int) -> Claim:  # noqa: ARG002
        """Own the session under a new term of Redis's time; see `Journal.claim`.

        If this process has owned it until now, Redis gets back what it has lost. What
        others have written is read beside all else, to be given back from now on.
        """

        def claimed(reply: Reply) -> tuple[int, Look]:
            look = parse(session_id, reply[2], reply[1]) if len(reply) > 1 else None
            if look is None:
                raise Unknown(session_id)
            self._repairs.own(Track.of(look))
            return 0, look

        keys = self._keys.of(session_id)
        words = ("claim", self._owner, self._run)
        look = await self._repairs.insist(
            self._repairs.tracks.get(session_id),
            lambda: self._call(keys, words, claimed),
        )
        track = await self._repairs.reach(self._repairs.tracks[session_id], look)
        alive_ms = look.alive(await self._reader.alive())
        if look.alive_of:
            with suppress(JournalUnavailable):  # the claim stands
                await self._call(keys, ("freeze", track.term, alive_ms), ok)
        self._gathering.begin(session_id)
        return Claim(track.term, track.last_index, alive_ms, track.hash)

    async def append(
        self, session_id: str, term: int, index: int, batch: bytes
    ) -> None:
        """Add *batch* and wait until Redis has it; see `Journal.append`."""
        self._intake.check_open()
        track = await self._repairs.track(session_id, term)
        await self._repairs.insist(track, lambda: self._append(track, index, batch))

    async def finish(self, session_id: str, term: int) -> None:
        """Mark the session as ended; see `Journal.finish`."""
        self._intake.check_open()
        track = await self._repairs.track(session_id, term)

        def finished(reply: Reply) -> tuple[int, None]:
            accept(reply)
            track.ended = True
            return 0, None

        keys = self._keys.of(session_id)
        await self._repairs.insist(
            track, lambda: self._call(keys, ("finish", term), finished)
        )
        await self._index.put(track)

    async def renew(self, now_ms: int) -> None:  # noqa: ARG002
        """Note that this process is alive, by Redis's time; see `Journal.renew`.

        Now and then, and whenever Redis may have lost something, it is compared with
        what this process has been told, and is given back what it lost.
        """

        def renewed(reply: Reply) -> tuple[int, bool]:
            is_as_left = reply[1] == self._renewed
            self._renewed = reply[2]
            return 0, is_as_left

        words = ("renew", self._run)
        is_as_left = await self._call([self._keys.alive], words, renewed)
        self._renewals += 1
        is_time = self._renewals % COMPARE_EVERY == 0
        if is_time or not is_as_left or self._running().failed:
            await self.compare()

    async def compare(self) -> int:
        """Give back to Redis what it has lost; return how many sessions needed it."""
        lanes = self._running()
        lanes.failed = False
        try:
            return await self._repairs.compare()
        except JournalUnavailable:
            lanes.failed = True
            raise

    async def read(
        self, session_id: str, after_index: int = 0
    ) -> AsyncIterator[tuple[int, bytes]]:
        """Yield ``(index, batch)`` in order; see `Journal.read`."""
        self._intake.check_open()
        async for page in self._reader.batches(session_id, after_index):
            for index, kept in page:
                self._repairs.hold(session_id, index, kept)
                yield index, kept.content

    async def sessions(self, *, include_ended: bool = False) -> list[SessionEntry]:
        """Return the sessions that have not ended, or all, oldest first."""
        self._intake.check_open()
        names = await self._index.listed(include_ended=include_ended)
        looks = await self._reader.looks(names)
        alive = await self._reader.alive()
        return [
            look.entry(alive)
            for look in looks
            if look is not None and (include_ended or not look.ended)
        ]

    async def entry(self, session_id: str) -> SessionEntry:
        """Return what is known of one session. Raises `Unknown`."""
        self._intake.check_open()
        look, alive = await self._reader.look_and_alive(session_id)
        if look is None:
            raise Unknown(session_id)
        return look.entry(alive)

    async def position(self, session_id: str) -> Position:
        """Return where the session's log stands. Raises `Unknown`.

        A Redis that has less than was acknowledged gets that back before.
        """
        self._intake.check_open()
        look = await self._repairs.look(session_id)
        if look is None:
            raise Unknown(session_id)
        return look.position

    async def save_snapshot(
        self, session_id: str, term: int, index: int, parts: Mapping[str, bytes]
    ) -> None:
        """Keep a snapshot; see `Journal.save_snapshot`."""
        check_parts(parts)
        self._intake.check_open()
        track = await self._repairs.track(session_id, term)

        def saved(reply: Reply) -> tuple[int, None]:
            accept(reply)
            track.saved(self._held, index, reply[1], parts)
            return 0, None

        keys = self._keys.of(session_id)
        words: list[Word] = ["snapshot", term, index]
        for name, part in parts.items():
            words += (name, part)
        await self._repairs.insist(track, lambda: self._call(keys, words, saved))

    async def load_snapshot(self, session_id: str) -> Snapshot | None:
        """Return the latest snapshot, if there is one. Raises `Unknown`."""
        self._intake.check_open()
        snapshot = await self._reader.snapshot(session_id)
        track = self._repairs.tracks.get(session_id)
        if track is not None and snapshot is not None:
            track.loaded(self._held, snapshot)
        return snapshot

    async def trim(self, session_id: str, through_index: int) -> int:
        """Forget batches before the latest snapshot; see `Journal.trim`."""

        def trimmed(reply: Reply) -> tuple[int, int]:
            if reply[0] == b"missing":
                raise Unknown(session_id)
            return 0, int(reply[1])

        keys = self._keys.of(session_id)
        track = self._repairs.tracks.get(session_id)
        words = ("trim", through_index)
        through = await self._repairs.insist(
            track, lambda: self._call(keys, words, trimmed)
        )
        self._held.discard_through(session_id, through)
        if track is not None:
            track.trimmed = through
        return through

    async def expire(self, session_id: str, after_s: float) -> None:
        """Let Redis drop an ended session later; see `Journal.expire`."""

        def expiring(reply: Reply) -> tuple[int, None]:
            if reply[0] == b"running":
                raise still_running(session_id)
            return 0, None

        words = ("expire", round(after_s * 1000), GONE_MS)
        await self._call(self._keys.of(session_id), words, expiring)
        self._repairs.drop(session_id)
        await self._index.remove(session_id)

    async def forget(self, session_id: str) -> None:
        """Remove an ended session; see `Journal.forget`."""
        await self.expire(session_id, 0)

    async def _call(
        self,
        keys: Sequence[str],
        words: Sequence[Word],
        digest: Callable[[Reply], tuple[int, T]],
    ) -> T:
        self._intake.enter()
        return cast("T", await self._running().put(keys, words, digest))

    async def _append(self, track: Track, index: int, batch: bytes) -> None:
        before = track.hash if index == track.last_index + 1 else NO_HASH
        log_hash = chain(before, batch)

        def appended(reply: Reply) -> tuple[int, None]:
            accept(reply, b"kept", b"same")
            track.kept(self._held, index, batch)
            return int(reply[0] == b"kept"), None

        self._intake.enter_append(track.session_id, batch)
        await self._running().put(
            self._keys.of(track.session_id)[:2],  # fewer words, a tenth of the time
            ("append", track.term, index, before, log_hash, batch),
            appended,
            appends_to=track.session_id,
            size_bytes=len(batch),
        )

    async def _restore(self, track: Track, words: Sequence[Word]) -> None:
        def restored(reply: Reply) -> tuple[int, None]:
            if reply[0] == b"moved":  # an append whose outcome is unknown was kept
                raise JournalUnavailable("Redis is ahead of what it has told")
            accept(reply)
            return 0, None

        await self._call(self._keys.of(track.session_id), words, restored)
        await self._index.put(track)

    def _running(self) -> Lanes:
        if self._lanes is None:
            raise JournalUnavailable("journal is not running")
        return self._lanes
