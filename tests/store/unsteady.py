"""Journals and sinks that change, fail and count, for tests of the write-behind queue.

The session that is played is ``s1``.
"""

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from dataclasses import replace

from quizd.clock import ManualClock
from quizd.journal.memory import MemoryJournal
from quizd.session import events as ev
from quizd.session import records as rec
from quizd.store.write_behind import Options, Pacing, WriteBehind, write_all
from quizd.store.write_behind import source as own
from quizd.store.write_behind.sink import Refusal, Sink, SinkUnavailable
from quizd.store.write_behind.unit import Cursor, Unit
from tests.session.play import Play, quiz
from tests.store.passing import PassingOn

KEY = bytes(range(32))
PACING = Pacing(linger_s=0, retry_first_s=0.001, retry_max_s=0.01, certain_s=0.5)
UNITS = replace(PACING, unit_bytes=2000)
UNIT_BATCHES = 15
"""Joins that fill one of :data:`UNITS`, at most."""

PATIENCE_S = 30


def lobby(players: int) -> list[rec.Record]:
    """Return the records of a session that so many have joined.

    They are decided without `Play.decide`, which looks at all players before and after
    each of them.
    """
    play = Play(quiz())
    for number in range(players):
        joined = ev.ParticipantJoined(f"p{number}", f"Player {number}")
        play.enter(play.session.decide(joined, play.now_ms))
    return play.records


def packed(records: Sequence[rec.Record]) -> list[bytes]:
    """Return a batch for each of *records*."""
    return [rec.pack([each]) for each in records]


def queue(source: own.Source, sink: Sink, pacing: Pacing = PACING) -> WriteBehind:
    """Return a queue that was started and keeps no batch in memory."""
    options = Options(key=KEY, pacing=pacing, keep_bytes=0)
    made = WriteBehind(source, sink, ManualClock(), options)
    made.start()
    return made


async def written(
    source: own.Source, sink: Sink, pacing: Pacing = PACING
) -> WriteBehind:
    """Write all that *source* has; return the queue, which has ended."""
    options = Options(key=KEY, pacing=pacing, keep_bytes=0)
    async with asyncio.timeout(PATIENCE_S):
        return await write_all(source, sink, ManualClock(), options)


async def finished(made: WriteBehind) -> None:
    """Wait until *made* has written what there is, and end it."""
    await made.drain(PATIENCE_S)
    await made.stop()


async def until(done: Callable[[], bool]) -> None:
    """Wait until *done* says so."""
    async with asyncio.timeout(PATIENCE_S):
        # ASYNC110: the task works in rounds; nobody else wants to know of them.
        while not done():  # noqa: ASYNC110
            await asyncio.sleep(0.001)


class Watched(PassingOn):
    """A sink whose writes fail where *fails* says so of their numbers, from 1 on.

    ``away``: everything fails. ``asked`` and ``tries`` count questions for cursors
    and writes, ``faults`` the writes that failed.
    """

    def __init__(self, sink: Sink, fails: Callable[[int], bool]) -> None:
        super().__init__(sink)
        self.fails = fails
        self.away = False
        self.asked = 0
        self.tries = 0
        self.faults = 0

    async def cursors(self, session_ids: Sequence[str]) -> dict[str, Cursor]:
        """Ask and count."""
        self.asked += 1
        if self.away:
            raise SinkUnavailable("made to fail")
        return await self.sink.cursors(session_ids)

    async def write(self, unit: Unit, now_ms: int) -> list[Refusal]:
        """Write, or fail as told."""
        self.tries += 1
        if self.away or self.fails(self.tries):
            self.faults += 1
            raise SinkUnavailable("made to fail")
        return await self.sink.write(unit, now_ms)

    async def tried(self, times: int) -> None:
        """Wait until so many writes were tried from now on."""
        wanted = self.tries + times
        await until(lambda: self.tries >= wanted)


class Counting(MemoryJournal):
    """A journal that counts the batches that are read from it."""

    batches_read = 0

    async def read(
        self, session_id: str, after_index: int = 0
    ) -> AsyncIterator[tuple[int, bytes]]:
        """Read and count."""
        async for each in super().read(session_id, after_index):
            self.batches_read += 1
            yield each


class Parting(MemoryJournal):
    """A journal whose sessions *queue* loses to another shard as they are trimmed."""

    queue: WriteBehind | None = None
    parted = False

    async def trim(self, session_id: str, through_index: int) -> int:
        """Trim, after the session was handed over."""
        assert self.queue is not None
        self.queue.release(session_id)
        self.parted = True
        return await super().trim(session_id, through_index)


class Changing:
    """A source that is another journal from one moment to the next.

    As a Redis is that comes back without its end. ``looks`` counts how often it was
    asked where ``s1`` stands.
    """

    def __init__(self, journal: MemoryJournal) -> None:
        self.journal = journal
        self.looks = 0

    def read(
        self, session_id: str, after_index: int = 0
    ) -> AsyncIterator[tuple[int, bytes]]:
        """Read what is there now."""
        return self.journal.read(session_id, after_index)

    async def sessions(self, *, include_ended: bool = False) -> Sequence[own.Entry]:
        """Return what is there now."""
        return await self.journal.sessions(include_ended=include_ended)

    async def position(self, session_id: str) -> own.Position:
        """Return where a session stands now."""
        self.looks += session_id == "s1"
        return await self.journal.position(session_id)

    async def trim(self, session_id: str, through_index: int) -> int:
        """Trim what is there now."""
        return await self.journal.trim(session_id, through_index)

    async def looked_at(self, times: int) -> None:
        """Wait until it was asked so often from now on where ``s1`` stands."""
        wanted = self.looks + times
        await until(lambda: self.looks >= wanted)
