"""What write-behind makes of a journal that is read again, is short or has changed.

On each database, by what is in it then.
"""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import replace

import pytest
from sqlalchemy.ext.asyncio import AsyncEngine

from quizd.journal.memory import MemoryJournal
from quizd.session import records as rec
from quizd.store.write_behind import State
from quizd.store.write_behind.collect import LOOKS
from quizd.store.write_behind.queue import TRIM_BATCHES
from quizd.store.write_behind.trail import MARK_BATCHES
from tests.contract.stores import Backend, backend_fixture, engine_fixture
from tests.store.games import expected, game, record, stored
from tests.store.unsteady import (
    PACING,
    UNIT_BATCHES,
    UNITS,
    Changing,
    Counting,
    Parting,
    Watched,
    finished,
    lobby,
    packed,
    queue,
    until,
    written,
)

PLAYERS = 600
RECORDS = lobby(PLAYERS)
BATCHES = packed(RECORDS)
FEW = lobby(20)

backend = backend_fixture
engine = engine_fixture


def never(_number: int) -> bool:
    """Have no write fail."""
    return False


def always(_number: int) -> bool:
    """Have every write fail."""
    return True


def after_two(number: int) -> bool:
    """Have every write fail but two."""
    return number > 2


@pytest.fixture
async def journal(backend: Backend) -> AsyncIterator[MemoryJournal]:
    """A journal with all of :data:`FEW` but the last, and all of that is written."""
    async with MemoryJournal() as journal:
        await record(journal, "s1", packed(FEW[:-1]))
        await written(journal, backend.sink())
        yield journal


@pytest.fixture
async def short() -> AsyncIterator[MemoryJournal]:
    """The same journal, as it was much earlier."""
    async with MemoryJournal() as short:
        await record(short, "s1", packed(FEW[:5]))
        yield short


class TestProving:
    """The journal is held to each cursor that is read, at the cost of once."""

    @pytest.mark.parametrize("failing", [range(1, 6), range(1, 1000, 2)])
    async def test_what_waits_is_not_read_again_after_each_failure(
        self, backend: Backend, engine: AsyncEngine, failing: range
    ) -> None:
        """Neither where nothing can be written nor where every other unit can.

        It is read to be proved, and to be written; with a failure two units are lost.
        """
        async with Counting() as journal:
            await record(journal, "s1", BATCHES)
            sink = Watched(backend.sink(), failing.__contains__)
            done = await written(journal, sink, UNITS)
        assert sink.faults >= 5
        assert done.units_written >= PLAYERS / UNIT_BATCHES
        lost = sink.faults * (2 * UNIT_BATCHES + MARK_BATCHES)
        assert journal.batches_read < 2 * len(BATCHES) + lost
        assert await stored(engine) == expected([RECORDS])

    async def test_an_end_that_was_not_written_may_be_lost(
        self, backend: Backend, engine: AsyncEngine
    ) -> None:
        """Play went on with others; what was proved before says nothing of them."""
        async with MemoryJournal() as before, MemoryJournal() as after:
            await record(before, "s1", BATCHES[:-2])
            await record(after, "s1", [*BATCHES[:300], *BATCHES[301:]])
            source, sink = Changing(before), Watched(backend.sink(), after_two)
            made = queue(source, sink, UNITS)
            await sink.tried(5)
            source.journal, sink.fails = after, never
            made.notify("s1", PLAYERS)
            await finished(made)
        assert (made.parked, made.batches_written) == ({}, PLAYERS)
        assert len((await stored(engine)).participants) == PLAYERS - 1

    async def test_an_end_that_was_written_may_not(self, backend: Backend) -> None:
        """Although all of it was proved before."""
        async with MemoryJournal() as before, MemoryJournal() as after:
            await record(before, "s1", BATCHES[:-2])
            await record(after, "s1", [*BATCHES[:5], *BATCHES[6:]])
            source, sink = Changing(before), Watched(backend.sink(), after_two)
            made = queue(source, sink, UNITS)
            await sink.tried(5)
            source.journal = after
            await finished(made)
        assert "differ" in made.parked["s1"]

    async def test_a_gap_is_found_in_what_was_proved(self, backend: Backend) -> None:
        """Somebody had the journal forget what nobody had written."""
        async with MemoryJournal() as journal:
            term = await record(journal, "s1", BATCHES)
            sink = Watched(backend.sink(), always)
            made = queue(journal, sink, UNITS)
            await sink.tried(3)
            await journal.save_snapshot("s1", term, 300, {"state": b""})
            assert await journal.trim("s1", 300) == 300
            await finished(made)
        assert "forgotten" in made.parked["s1"]


class TestShort:
    """A journal that lacks what is stored may be about to have it again."""

    async def test_what_is_given_back_is_gone_on_with(
        self,
        backend: Backend,
        engine: AsyncEngine,
        journal: MemoryJournal,
        short: MemoryJournal,
    ) -> None:
        """Nothing is parked, and no other session waits meanwhile."""
        good, last = game("good", 17), packed(FEW)[-1]
        source = Changing(short)
        made = queue(source, backend.sink(), replace(PACING, certain_s=5))
        await source.looked_at(1)
        await record(short, "good", [rec.pack(good)])
        made.notify("good", 1)
        await until(lambda: made.batches_written == 1)
        assert (made.depth_batches, made.parked) == (5, {})
        source.journal = journal
        term = (await journal.position("s1")).term
        await journal.append("s1", term, len(FEW), last)
        made.notify("s1", len(FEW), last)
        await finished(made)
        assert (made.parked, made.failures) == ({}, 0)
        assert await stored(engine) == expected([FEW, good])

    @pytest.mark.usefixtures("journal")
    async def test_it_is_waited_for_as_long_as_it_grows(
        self, backend: Backend, engine: AsyncEngine, short: MemoryJournal
    ) -> None:
        """Giving much back may take longer than to be certain of a loss."""
        loop, source = asyncio.get_running_loop(), Changing(short)
        term, began_s = (await short.position("s1")).term, loop.time()
        made = queue(source, backend.sink())
        *given_back, last = packed(FEW)[5:]
        for index, batch in enumerate(given_back, 6):
            await source.looked_at(2)
            await short.append("s1", term, index, batch)
        await short.append("s1", term, len(FEW), last)
        made.notify("s1", len(FEW))
        await finished(made)
        assert loop.time() - began_s > PACING.certain_s
        assert made.parked == {}
        assert await stored(engine) == expected([FEW])

    @pytest.mark.usefixtures("journal")
    async def test_it_is_looked_at_now_and_then(
        self, backend: Backend, engine: AsyncEngine, short: MemoryJournal
    ) -> None:
        """Not all the time, until it is certain that its end is lost."""
        loop = asyncio.get_running_loop()
        began_s = loop.time()
        source, sink = Changing(short), Watched(backend.sink(), always)
        done = await written(source, sink)
        assert loop.time() - began_s >= PACING.certain_s
        assert done.parked == {"s1": "the store is ahead of the journal"}
        assert 2 <= source.looks <= LOOKS + 2
        assert sink.asked == source.looks
        assert await stored(engine) == expected([FEW[:-1]])

    @pytest.mark.usefixtures("journal")
    async def test_an_outage_begins_the_wait_anew(
        self, backend: Backend, short: MemoryJournal
    ) -> None:
        """Nobody can give anything back meanwhile."""
        loop = asyncio.get_running_loop()
        source, sink = Changing(short), Watched(backend.sink(), always)
        made = queue(source, sink)
        await source.looked_at(2)
        sink.away, end_s = True, loop.time() + PACING.certain_s
        await until(lambda: made.failures > 0 and loop.time() > end_s)
        sink.away, back_s = False, loop.time()
        await finished(made)
        assert loop.time() - back_s >= PACING.certain_s
        assert "ahead" in made.parked["s1"]


async def test_a_session_may_be_handed_over_while_it_is_trimmed(
    backend: Backend,
) -> None:
    """That is no failure."""
    async with Parting() as journal:
        await record(journal, "s1", BATCHES[:TRIM_BATCHES])
        made = journal.queue = queue(journal, backend.sink())
        await finished(made)
    assert journal.parted
    assert (made.failures, made.error, made.state) == (0, "", State.OK)
    assert made.batches_written == TRIM_BATCHES
