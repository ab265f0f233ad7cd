"""What the owner of sessions remembers, to give it back to a Redis that has lost it.

A Redis that is killed may come back without the end of what it had acknowledged, or
without anything: it depends on its append-only file. The owner of a session that is
still alive has appended all of that, so it keeps the batches for a while and appends
the missing ones again (`plan`). What it can give back is bounded by `Held`.
"""

import asyncio
from collections import OrderedDict
from collections.abc import Mapping
from dataclasses import dataclass, field

from quizd.journal.base import NO_HASH, Fenced, Snapshot, chain
from quizd.journal.redis_entry import Look

HELD_BYTES = 64 * 1024 * 1024
"""What a process keeps of its sessions' batches and snapshots unless told otherwise."""

CHUNK_BATCHES = 500
CHUNK_BYTES = 8 * 1024 * 1024

_OVERHEAD_BYTES = 200  # of an entry of no bytes: two keys, the entry, its hash


@dataclass(frozen=True, slots=True)
class Kept:
    """A batch, the term it was kept under and the log's hash up to it.

    A part of a snapshot is only its content.
    """

    content: bytes
    term: int = 0
    hash: bytes = NO_HASH


class Held:
    """Batches (by index) and parts of snapshots (by name) of all owned sessions.

    When they are more than *limit_bytes*, the oldest are dropped.
    """

    def __init__(self, limit_bytes: int = HELD_BYTES) -> None:
        self.bytes = 0
        self.dropped = 0
        self._limit_bytes = limit_bytes
        self._all: OrderedDict[tuple[str, int | str], Kept] = OrderedDict()
        self._keys: dict[str, set[int | str]] = {}

    def has_room(self, size_bytes: int) -> bool:
        """Tell whether something of *size_bytes* drops nothing else."""
        return self.bytes + size_bytes + _OVERHEAD_BYTES <= self._limit_bytes

    def has(self, session_id: str, indices: range) -> bool:
        """Tell whether all of these batches are held."""
        return all((session_id, index) in self._all for index in indices)

    def get(self, session_id: str, key: int | str) -> Kept | None:
        """Return what is held under *key*, None if nothing is."""
        return self._all.get((session_id, key))

    def put(self, session_id: str, key: int | str, kept: Kept) -> None:
        """Hold *kept*, as the latest that will be dropped."""
        self.discard(session_id, key)
        self._all[session_id, key] = kept
        self._keys.setdefault(session_id, set()).add(key)
        self.bytes += len(kept.content) + _OVERHEAD_BYTES
        while self.bytes > self._limit_bytes:
            self.discard(*next(iter(self._all)))
            self.dropped += 1

    def discard(self, session_id: str, key: int | str) -> None:
        """Let go of what is held under *key*, if anything is."""
        kept = self._all.pop((session_id, key), None)
        if kept is None:
            return
        self.bytes -= len(kept.content) + _OVERHEAD_BYTES
        keys = self._keys[session_id]
        keys.discard(key)
        if not keys:
            del self._keys[session_id]

    def discard_through(self, session_id: str, index: int) -> None:
        """Let go of the batches of a session up to *index*."""
        for key in list(self._keys.get(session_id, ())):
            if isinstance(key, int) and key <= index:
                self.discard(session_id, key)

    def discard_all(self, session_id: str) -> None:
        """Let go of everything of a session."""
        for key in list(self._keys.get(session_id, ())):
            self.discard(session_id, key)


@dataclass(eq=False, slots=True)
class Track:
    """A session that this process owns, as far as it has been told.

    ``last_index`` and ``hash`` are acknowledged. ``parts`` are the names of the
    snapshot's parts; None if there is a snapshot that this process has never seen.
    ``lost`` is set once it is known that the log has another history: nothing is
    appended any more under this term.
    """

    session_id: str
    term: int
    last_index: int
    hash: bytes
    quiz_id: str
    pin: str
    created_us: int
    claimed_ms: int
    trimmed: int = 0
    ended: bool = False
    saved_index: int = 0
    saved_hash: bytes = NO_HASH
    parts: set[str] | None = field(default_factory=set)
    lost: bool = False
    restoring: asyncio.Lock = field(default_factory=asyncio.Lock)

    @classmethod
    def of(cls, look: Look) -> "Track":
        """Return the track of a session that was looked at."""
        return cls(
            look.session_id,
            look.term,
            look.last_index,
            look.hash,
            look.quiz_id,
            look.pin,
            look.created_us,
            look.claimed_ms,
            look.trimmed,
            look.ended,
            look.saved_index,
            parts=None if look.saved_index else set(),
        )

    def goes_on(self, before: "Track") -> bool:
        """Take over from this process's track of an earlier term, if that can be."""
        here, there = self.last_index, before.last_index
        if before.lost or there < here or (there == here and before.hash != self.hash):
            return False
        self.last_index, self.hash = before.last_index, before.hash
        if before.saved_index >= self.saved_index:
            self.saved_index, self.saved_hash = before.saved_index, before.saved_hash
            self.parts = before.parts
        self.trimmed = max(self.trimmed, before.trimmed)
        return True

    def kept(self, held: Held, index: int, content: bytes) -> None:
        """Note that *content* was acknowledged at *index*."""
        if index != self.last_index + 1:
            return
        self.hash = chain(self.hash, content)
        self.last_index = index
        held.put(self.session_id, index, Kept(content, self.term, self.hash))

    def saved(
        self, held: Held, index: int, log_hash: bytes, parts: Mapping[str, bytes]
    ) -> None:
        """Note that a snapshot was saved, over the parts of the one before."""
        self.saved_index, self.saved_hash = index, log_hash
        if self.parts is not None:
            for name, content in parts.items():
                held.put(self.session_id, name, Kept(content))
            self.parts.update(parts)

    def loaded(self, held: Held, snapshot: Snapshot) -> None:
        """Note that a whole snapshot was read; an elder one says nothing."""
        if snapshot.index < self.saved_index:
            return
        self.parts = set()
        self.saved(held, snapshot.index, snapshot.hash, snapshot.parts)


@dataclass(frozen=True, slots=True)
class Repair:
    """What makes Redis have again what its session's owner has.

    ``behind`` is the index that Redis must have, ``before`` the hash up to there.
    """

    behind: int
    before: bytes
    parts: Mapping[str, bytes] | None
    batches: list[tuple[int, Kept]]


def plan(track: Track, held: Held, look: Look | None) -> Repair | None:
    """Return the next step from what Redis has towards what *track* has; None: no need.

    Raises `Fenced` where somebody else owns the session, where Redis has another
    history, and where too little is held.
    """
    if track.lost or (look is not None and look.term > track.term):
        raise Fenced("the session has another owner or another history")
    parts = _missing_parts(track, held, look)
    if look is None:
        behind, before = _beginning(track, held)
    else:
        behind, before = look.last_index, look.hash
    batches = _missing_batches(track, held, behind)
    if look is not None:
        if behind > track.last_index:  # an append whose outcome is unknown yet
            return None
        if not _goes_on(track, before, batches):
            raise Fenced("Redis has another history than the owner of the session")
        if not batches and parts is None and _is_same(track, look):
            return None
    return Repair(behind, before, parts, batches)


def _beginning(track: Track, held: Held) -> tuple[int, bytes]:
    """Return behind which index, of which hash, an empty Redis begins.

    Where the batches before the snapshot are not held, the snapshot stands for them.
    The hash is not known of what is trimmed: nobody sees it, as a batch follows.
    """
    behind = track.trimmed
    if not held.has(track.session_id, range(behind + 1, track.saved_index + 1)):
        behind = track.saved_index
    if behind > track.saved_index:
        raise Fenced("Redis has lost a snapshot that its owner does not have either")
    return behind, track.saved_hash if behind == track.saved_index else NO_HASH


def _goes_on(track: Track, before: bytes, batches: list[tuple[int, Kept]]) -> bool:
    """Tell whether the log of hash *before* goes on with *batches*."""
    if not batches:
        return before == track.hash
    first = batches[0][1]
    return chain(before, first.content) == first.hash


def _is_same(track: Track, look: Look) -> bool:
    return look.term == track.term and look.ended >= track.ended


def _missing_parts(
    track: Track, held: Held, look: Look | None
) -> dict[str, bytes] | None:
    """Return the whole snapshot if Redis has an older one or none."""
    if track.saved_index <= (look.saved_index if look else 0):
        return None
    if track.parts is None:
        raise Fenced("Redis has lost a snapshot that its owner has never seen whole")
    parts = {}
    for name in track.parts:
        kept = held.get(track.session_id, name)
        if kept is None:
            raise Fenced("Redis has lost a snapshot that is no longer held")
        parts[name] = kept.content
    return parts


def _missing_batches(track: Track, held: Held, behind: int) -> list[tuple[int, Kept]]:
    """Return the batches after *behind*, as many as go in one step."""
    batches = []
    size_bytes = 0
    for index in range(behind + 1, track.last_index + 1):
        kept = held.get(track.session_id, index)
        if kept is None:
            raise Fenced(f"Redis has lost batch {index}, which is no longer held")
        batches.append((index, kept))
        size_bytes += len(kept.content)
        if len(batches) >= CHUNK_BATCHES or size_bytes >= CHUNK_BYTES:
            break
    return batches
