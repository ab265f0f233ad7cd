"""The reading side of the journal on Redis."""

from collections.abc import AsyncIterator, Sequence
from itertools import chain as join
from typing import Any

from quizd.journal.base import JournalUnavailable, Snapshot, Trimmed, Unknown
from quizd.journal.redis_entry import FIELDS, Alive, Look, parse
from quizd.journal.redis_keys import Keys
from quizd.journal.redis_lane import ask
from quizd.journal.redis_track import Kept
from quizd.redis_client import Client, Command, shared_trips

PAGE_BYTES = 256 * 1024
PAGE_BATCHES = 500
FIRST_PAGE_BATCHES = 16  # before it is known how large they are
LOOKS = 50  # sessions asked for in one round trip

Numbered = tuple[int, Kept]
Entry = tuple[bytes, dict[bytes, bytes]]


class Reader:
    """Asks Redis; every method may raise `JournalUnavailable`."""

    def __init__(self, client: Client, keys: Keys) -> None:
        self._trips = shared_trips(client)
        self._keys = keys

    async def close(self) -> None:
        """Hang up."""
        await self._trips.close()

    async def look(self, session_id: str) -> Look | None:
        """Return what there is to know of a session, None if there is none."""
        return (await self.looks([session_id]))[0]

    async def looks(self, session_ids: Sequence[str]) -> list[Look | None]:
        """Return the same of several sessions, in their order."""
        found: list[Look | None] = []
        for start in range(0, len(session_ids), LOOKS):
            some = session_ids[start : start + LOOKS]
            commands = join.from_iterable(map(self._look_at, some))
            replies = await self._ask(*commands)
            found += map(parse, some, replies[::2], replies[1::2])
        return found

    def _look_at(self, session_id: str) -> tuple[Command, Command]:
        return (
            ("HMGET", self._keys.meta(session_id), *FIELDS),
            ("HGET", self._keys.snapshot(session_id), "index"),
        )

    async def look_and_alive(self, session_id: str) -> tuple[Look | None, Alive]:
        """Return what `look` and `alive` do."""
        commands = (*self._look_at(session_id), ("HGETALL", self._keys.alive))
        fields, saved, alive = await self._ask(*commands)
        return parse(session_id, fields, saved), alive or {}

    async def alive(self) -> Alive:
        """Return when each process renewed."""
        return (await self._ask(("HGETALL", self._keys.alive)))[0] or {}

    async def snapshot(self, session_id: str) -> Snapshot | None:
        """Return the latest snapshot, None if there is none. Raises `Unknown`."""
        meta, snap = self._keys.meta(session_id), self._keys.snapshot(session_id)
        fields: dict[bytes, bytes]
        known, fields = await self._ask(("EXISTS", meta), ("HGETALL", snap))
        if not known:
            raise Unknown(session_id)
        if not fields:
            return None
        parts = {
            name[2:].decode(): part
            for name, part in fields.items()
            if name.startswith(b"p:")
        }
        return Snapshot(int(fields[b"index"]), fields[b"hash"], parts)

    async def batches(
        self, session_id: str, after_index: int
    ) -> AsyncIterator[list[Numbered]]:
        """Yield pages of batches. Raises `Unknown` and `Trimmed`."""
        start = await self._start(session_id, after_index)
        count = FIRST_PAGE_BATCHES
        while entries := await self._page(session_id, after_index, start, count):
            page = []
            for name, fields in entries:
                term, index = name.split(b"-")
                page.append((int(index), Kept(fields[b"b"], int(term), fields[b"h"])))
            yield page
            after_index = page[-1][0]
            start = f"({entries[-1][0].decode()}"
            mean_bytes = 1 + sum(len(kept.content) for _, kept in page) // len(page)
            count = max(1, min(PAGE_BYTES // mean_bytes, PAGE_BATCHES))

    async def _start(self, session_id: str, after_index: int) -> str:
        """Return where the batch behind *after_index* is or will be.

        Its name begins with the term that has it.
        """
        if not after_index:
            return "-"
        key = self._keys.meta(session_id)
        [[terms]] = await self._ask(("HMGET", key, "terms"))
        if terms is None:
            raise Unknown(session_id)
        name = "-"
        for span in terms.decode().split():
            term, first = span.split(":")
            if int(first) <= after_index + 1:
                name = f"{term}-{after_index + 1}"
        return name

    async def _page(
        self, session_id: str, after_index: int, start: str, count: int
    ) -> list[Entry]:
        """Return the entries from *start* on, nothing if there is none yet.

        What is trimmed is looked at last: it may have been, between the pages.
        """
        meta, log = self._keys.meta(session_id), self._keys.log(session_id)
        entries, [trimmed] = await self._ask(
            ("XRANGE", log, start, "+", "COUNT", count), ("HMGET", meta, "trimmed")
        )
        if trimmed is None:
            raise Unknown(session_id)
        if int(trimmed) > after_index:
            raise Trimmed(int(trimmed) + 1)
        if entries and int(entries[0][0].split(b"-")[1]) != after_index + 1:
            raise JournalUnavailable(
                f"Redis has lost batch {after_index + 1} of session {session_id}"
            )
        return list(entries)

    async def _ask(self, *commands: Command) -> list[Any]:
        """Return the replies; what is refused is raised."""
        return await ask(self._trips.demand(commands))
