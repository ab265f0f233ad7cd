"""What the write-behind queue promises, held on each database."""

import asyncio
import random
from collections.abc import AsyncIterator, Sequence
from dataclasses import replace
from typing import Any

import pytest
from sqlalchemy import Executable, Table, delete, insert, select, text
from sqlalchemy.ext.asyncio import AsyncEngine

from quizd.clock import ManualClock
from quizd.journal.base import NO_HASH, Trimmed, chain
from quizd.journal.memory import MemoryJournal
from quizd.session import records as rec
from quizd.store import tables
from quizd.store.partitions import making, start_of
from quizd.store.write_behind import (
    Options,
    Pacing,
    State,
    WriteBehind,
    rejected,
    write_all,
)
from quizd.store.write_behind import source as own
from quizd.store.write_behind.sink import Refusal, Sink, SinkUnavailable
from quizd.store.write_behind.unit import Cursor, Unit
from tests.contract.stores import Backend, backend_fixture, engine_fixture
from tests.session.play import T0, Play, quiz
from tests.store.games import batches, expected, game, record, stored
from tests.store.passing import PassingOn

KEY = bytes(range(32))
PACING = Pacing(linger_s=0, retry_first_s=0.001, retry_max_s=0.01, certain_s=0.05)
PATIENCE_S = 30

backend = backend_fixture
engine = engine_fixture


@pytest.fixture
async def journal() -> AsyncIterator[MemoryJournal]:
    """A journal that is running."""
    async with MemoryJournal() as journal:
        yield journal


def _called_mine(entries: Sequence[own.Entry]) -> list[own.Entry]:
    return [entry for entry in entries if entry.session_id == "mine"]


class Faulty(PassingOn):
    """A sink that fails when *rng* says so, before the unit is kept or after it."""

    def __init__(self, sink: Sink, rng: random.Random, share: float) -> None:
        super().__init__(sink)
        self.rng = rng
        self.share = share
        self.faults = 0

    def _fault(self) -> None:
        if self.rng.random() < self.share:
            self.faults += 1
            raise SinkUnavailable("made to fail")

    async def cursors(self, session_ids: Sequence[str]) -> dict[str, Cursor]:
        """Ask, maybe."""
        self._fault()
        return await self.sink.cursors(session_ids)

    async def write(self, unit: Unit, now_ms: int) -> list[Refusal]:
        """Write, maybe, and maybe without saying so."""
        self._fault()
        refused = await self.sink.write(unit, now_ms)
        self._fault()
        return refused


class Late(PassingOn):
    """A sink whose first word of the cursors is from before anything was written."""

    asked = 0

    async def cursors(self, session_ids: Sequence[str]) -> dict[str, Cursor]:
        """Ask; what is said at first is old."""
        self.asked += 1
        found = await super().cursors(session_ids)
        return found if self.asked > 1 else {}


def queue(
    journal: MemoryJournal, sink: Sink, pacing: Pacing = PACING, keep_bytes: int = 1000
) -> WriteBehind:
    """Return a queue that was started."""
    options = Options(key=KEY, pacing=pacing, keep_bytes=keep_bytes)
    made = WriteBehind(journal, sink, ManualClock(), options)
    made.start()
    return made


async def written(
    journal: MemoryJournal, sink: Sink, pacing: Pacing = PACING
) -> WriteBehind:
    """Write all that *journal* has; return the queue, which has ended."""
    options = Options(key=KEY, pacing=pacing, keep_bytes=1000)
    async with asyncio.timeout(PATIENCE_S):
        return await write_all(journal, sink, ManualClock(), options)


async def all_of(engine: AsyncEngine, table: Table) -> list[dict[str, Any]]:
    """Return all rows of *table*."""
    async with engine.connect() as connection:
        rows = await connection.execute(select(table))
        return [dict(row) for row in rows.mappings()]


async def change(engine: AsyncEngine, statement: Executable) -> None:
    """Do as somebody does who has the database but not the key."""
    async with engine.begin() as connection:
        await connection.execute(statement)


class TestWriting:
    """What is recorded comes to be in the database."""

    @pytest.mark.parametrize("unit_bytes", [1, 2000, 10**6])
    async def test_the_database_has_what_the_records_say(
        self,
        backend: Backend,
        engine: AsyncEngine,
        journal: MemoryJournal,
        unit_bytes: int,
    ) -> None:
        """Several random games, whatever the size of a unit."""
        seed = random.randrange(2**32)
        print(f"seed {seed}")
        rng = random.Random(seed)
        games = [game(f"session-{n}", rng.randrange(2**32)) for n in range(3)]
        for n, records in enumerate(games):
            await record(journal, f"session-{n}", batches(records, rng))
        sink = backend.sink()
        done = await written(journal, sink, replace(PACING, unit_bytes=unit_bytes))
        assert await stored(engine) == expected(games)
        assert (done.depth_batches, done.depth_bytes, done.kept_bytes) == (0, 0, 0)
        assert (done.batches_rejected, done.failures, done.parked) == (0, 0, {})
        assert done.state is State.OK

    async def test_it_follows_a_game_as_it_is_played(
        self, backend: Backend, engine: AsyncEngine, journal: MemoryJournal
    ) -> None:
        """Batches are told of with or without their content, and some are not."""
        seed = random.randrange(2**32)
        print(f"seed {seed}")
        rng = random.Random(seed)
        records = game("s", rng.randrange(2**32))
        made = queue(journal, backend.sink())
        term = 0
        for index, batch in enumerate(batches(records, rng), 1):
            if index == 1:
                term = await journal.create("s", "colours", "1", batch, 1)
            else:
                await journal.append("s", term, index, batch)
            if rng.random() < 0.9:
                made.notify("s", index, batch if rng.random() < 0.7 else None)
            if rng.random() < 0.2:
                await made.drain(PATIENCE_S)
        made.notify("s", (await journal.position("s")).index)
        await made.drain(PATIENCE_S)
        await made.stop()
        assert await stored(engine) == expected([records])

    async def test_two_queues_on_one_journal_write_everything_once(
        self, backend: Backend, engine: AsyncEngine, journal: MemoryJournal
    ) -> None:
        """As when an owner does not know yet that it is one no more."""
        seed = random.randrange(2**32)
        print(f"seed {seed}")
        rng = random.Random(seed)
        games = [game(f"session-{n}", rng.randrange(2**32)) for n in range(3)]
        for n, records in enumerate(games):
            await record(journal, f"session-{n}", batches(records, rng))
        pacing = replace(PACING, unit_bytes=1500)
        queues = [queue(journal, backend.sink(), pacing) for _ in range(2)]
        await asyncio.gather(*(each.drain(PATIENCE_S) for each in queues))
        for each in queues:
            await each.stop()
        assert await stored(engine) == expected(games)

    async def test_faults_lose_nothing_and_double_nothing(
        self, backend: Backend, engine: AsyncEngine, journal: MemoryJournal
    ) -> None:
        """Also where a unit was kept and nobody has been told."""
        seed = random.randrange(2**32)
        print(f"seed {seed}")
        rng = random.Random(seed)
        games = [game(f"session-{n}", rng.randrange(2**32)) for n in range(2)]
        for n, records in enumerate(games):
            await record(journal, f"session-{n}", batches(records, rng))
        sink = Faulty(backend.sink(), rng, 0.3)
        done = await written(journal, sink, replace(PACING, unit_bytes=700))
        assert sink.faults
        assert done.failures == sink.faults
        assert await stored(engine) == expected(games)

    async def test_another_queue_goes_on_where_one_has_stopped(
        self, backend: Backend, engine: AsyncEngine, journal: MemoryJournal
    ) -> None:
        """At any batch: what a row needs of earlier ones is beside the cursor."""
        rng = random.Random(7)
        records = game("s", 7)
        packed = batches(records, rng)
        term = await journal.create("s", "colours", "1", packed[0], 1)
        for index, batch in enumerate(packed[1:], 2):
            await journal.append("s", term, index, batch)
            if rng.random() < 0.2:
                await written(journal, backend.sink())
        await written(journal, backend.sink())
        assert await stored(engine) == expected([records])

    async def test_a_change_after_the_end_makes_the_results_new(
        self, backend: Backend, engine: AsyncEngine, journal: MemoryJournal
    ) -> None:
        """Everybody has one result, that of the last record."""
        play = Play(quiz())
        play.join("Ann", "Ben")
        play.start()
        play.answer(0, "green")
        play.due()
        while play.phase() != "ended":
            play.due()
        records = [*play.records, rec.ParticipantRemoved(play.now_ms, 1, banned=False)]
        await record(journal, "s1", [rec.pack(play.records), rec.pack(records[-1:])])
        await written(journal, backend.sink())
        assert [row[1:] for row in (await stored(engine)).results] == [
            (0, 1000, 1),
            (1, 0, 0),
        ]


class TestWhose:
    """Which sessions a queue writes, and what it tells of them."""

    async def test_sessions_of_other_shards_are_left_to_them(
        self, backend: Backend, engine: AsyncEngine, journal: MemoryJournal
    ) -> None:
        """As the application says which are this shard's."""
        games = {name: game(name, 40) for name in ("mine", "theirs")}
        for name, records in games.items():
            await record(journal, name, [rec.pack(records)])
        mine = Options(key=KEY, pacing=PACING, mine=_called_mine)
        await write_all(journal, backend.sink(), ManualClock(), mine)
        assert await stored(engine) == expected([games["mine"]])

    async def test_a_session_that_was_handed_over_is_written_no_more(
        self, backend: Backend, engine: AsyncEngine, journal: MemoryJournal
    ) -> None:
        """Until it is told of again."""
        records = game("s", 41)
        packed = [rec.pack([each]) for each in records]
        made = queue(journal, backend.sink())
        term = await journal.create("s", "colours", "1", packed[0], 1)
        made.notify("s", 1, packed[0])
        await made.drain(PATIENCE_S)
        for index, batch in enumerate(packed[1:], 2):
            await journal.append("s", term, index, batch)
        made.notify("s", 2, packed[1])
        made.release("s")
        await made.drain(PATIENCE_S)
        assert (await stored(engine)).participants == []
        made.notify("s", len(packed))
        await made.drain(PATIENCE_S)
        await made.stop()
        assert await stored(engine) == expected([records])

    async def test_a_session_that_is_written_whole_is_told_of(
        self, backend: Backend, journal: MemoryJournal
    ) -> None:
        """When it has ended, and not before."""
        told: list[str] = []
        ended = game("ended", 42)
        await record(journal, "ended", [rec.pack([each]) for each in ended])
        await record(journal, "open", [rec.pack(game("open", 43)[:1])])
        options = Options(key=KEY, pacing=PACING, on_written=told.append)
        await write_all(journal, backend.sink(), ManualClock(), options)
        assert told == ["ended"]
        await write_all(journal, backend.sink(), ManualClock(), options)
        assert told == ["ended"] * 2, "one that was written before is told of, too"

    async def test_looking_around_finds_what_nobody_has_told_of(
        self, backend: Backend, engine: AsyncEngine, journal: MemoryJournal
    ) -> None:
        """A session that another shard had, and could not write any more."""
        made = queue(journal, backend.sink())
        await made.drain(PATIENCE_S)
        records = game("late", 45)
        await record(journal, "late", [rec.pack(records)])
        await made.look_around()
        await made.drain(PATIENCE_S)
        await made.stop()
        assert await stored(engine) == expected([records])

    async def test_a_short_key_is_refused(
        self, backend: Backend, journal: MemoryJournal
    ) -> None:
        """It could be guessed."""
        with pytest.raises(ValueError, match="16 bytes"):
            WriteBehind(journal, backend.sink(), ManualClock(), Options(key=b"short"))

    async def test_stopping_is_harmless(
        self, backend: Backend, journal: MemoryJournal
    ) -> None:
        """Before a start, twice, and while the database is away."""
        sink = Faulty(backend.sink(), random.Random(1), 1.0)
        options = Options(key=KEY, pacing=PACING)
        made = WriteBehind(journal, sink, ManualClock(), options)
        await made.stop()
        await record(journal, "s", [rec.pack(game("s", 44))])
        made.start()
        with pytest.raises(TimeoutError):
            await made.drain(0.05)
        assert made.state is State.DEGRADED
        await made.stop()
        await made.stop()


class TestRejecting:
    """What the database refuses is set aside; the rest goes on."""

    @pytest.fixture
    async def conflict(
        self, engine: AsyncEngine, journal: MemoryJournal
    ) -> list[list[rec.Record]]:
        """Two games, and a row in the way of one of the first one's batches."""
        games = [game("bad", 11), game("good", 12)]
        for records in games:
            packed = [rec.pack([each]) for each in records]
            first = records[0]
            assert isinstance(first, rec.SessionOpened)
            await record(journal, first.session_id, packed)
        row = {
            "session_id": "bad",
            "participant": 1,
            "participant_id": "in the way",
            "joined_ms": 1,
        }
        async with engine.begin() as connection:
            await connection.execute(insert(tables.participants).values(row))
        return games

    async def test_a_bad_batch_is_set_aside_alone(
        self,
        backend: Backend,
        engine: AsyncEngine,
        journal: MemoryJournal,
        conflict: list[list[rec.Record]],
    ) -> None:
        """As it was, with the reason; all other rows are there."""
        done = await written(journal, backend.sink())
        assert done.batches_rejected == 1
        (row,) = await all_of(engine, tables.rejected_records)
        (index,) = (
            n
            for n, each in enumerate(conflict[0], 1)
            if isinstance(each, rec.ParticipantAdded) and each.participant_id == "p1"
        )
        assert (row["session_id"], row["idx"], row["participants"]) == ("bad", index, 1)
        assert row["batch"] == rec.pack([conflict[0][index - 1]])
        assert row["error"]
        found, wanted = await stored(engine), expected(conflict)
        assert found.answers == wanted.answers
        assert found.results == wanted.results
        names = [each[2] for each in found.participants]
        assert names.count("in the way") == 1
        assert len(found.participants) == len(wanted.participants)

    async def test_the_list_shows_tries_again_and_drops(
        self,
        backend: Backend,
        engine: AsyncEngine,
        journal: MemoryJournal,
        conflict: list[list[rec.Record]],
    ) -> None:
        """A batch is written when nothing is in its way any more."""
        sink = backend.sink()
        await written(journal, sink)
        (listed,) = await rejected.listed(engine)
        assert (listed.session_id, listed.tries) == ("bad", 1)
        assert await rejected.listed(engine, after_id=listed.id) == []
        shown = await rejected.show(engine, listed.id)
        assert shown is not None
        assert shown[0] == listed
        assert rejected.records_in(shown[1]) == [conflict[0][listed.index - 1]]
        assert await rejected.show(engine, listed.id + 1) is None
        ((again_id, refusal),) = await again(engine, sink, "bad")
        assert again_id == listed.id
        assert refusal is not None
        assert (await rejected.listed(engine))[0].tries == 2
        await change(engine, delete(tables.participants).where(IN_THE_WAY))
        assert await again(engine, sink, "bad") == [(listed.id, None)]
        assert await stored(engine) == expected(conflict)
        assert await rejected.listed(engine) == []
        assert await again(engine, sink, "bad") == []
        assert await again(engine, sink, "unknown") == []
        await sink.disconnect()

    async def test_what_is_dropped_is_gone(
        self,
        backend: Backend,
        engine: AsyncEngine,
        journal: MemoryJournal,
        conflict: list[list[rec.Record]],
    ) -> None:
        """For good; the answer says whether it was there."""
        assert conflict
        await written(journal, backend.sink())
        (listed,) = await rejected.listed(engine)
        assert await rejected.drop(engine, listed.id)
        assert not await rejected.drop(engine, listed.id)
        assert await rejected.listed(engine) == []

    async def test_a_change_of_a_refused_row_waits_for_it(
        self, backend: Backend, engine: AsyncEngine, journal: MemoryJournal
    ) -> None:
        """Nothing of it is lost: both are tried again, in order."""
        records = game("bad", 13)
        await record(journal, "bad", [rec.pack([each]) for each in records])
        row = {
            "session_id": "bad",
            "question": 0,
            "question_id": "in the way",
            "start_ms": 1,
            "end_ms": 1,
        }
        await change(engine, insert(tables.session_questions).values(row))
        await change(engine, delete(tables.session_questions))
        await change(engine, insert(tables.session_questions).values(row))
        sink = backend.sink()
        await written(journal, sink)
        there = tables.session_questions.c.question_id == "in the way"
        await change(engine, delete(tables.session_questions).where(there))
        assert {refusal for _, refusal in await again(engine, sink, "bad")} <= {None}
        found = (await stored(engine)).questions
        assert [each[:5] for each in found] == [
            each[:5] for each in expected([records]).questions
        ]
        await sink.disconnect()

    async def test_what_cannot_be_read_is_set_aside_and_read_later(
        self,
        backend: Backend,
        engine: AsyncEngine,
        journal: MemoryJournal,
        monkeypatch: pytest.MonkeyPatch,
    ) -> None:
        """So are the batches behind it, whose rows depend on it; none is lost."""
        games = [game("newer", 14), game("other", 15)]
        for records in games:
            first = records[0]
            assert isinstance(first, rec.SessionOpened)
            packed = [rec.pack([each]) for each in records]
            await record(journal, first.session_id, packed)
        sink = backend.sink()
        with monkeypatch.context() as patch:
            patch.delitem(rec.KINDS, rec.QuestionOpened.kind)
            await written(journal, sink)
        assert (await stored(engine)).answers == []
        listed = await rejected.listed(engine, 10_000)
        assert {each.code for each in listed} == {"unreadable"}
        for session_id in ("newer", "other"):
            outcome = await again(engine, sink, session_id)
            assert {refusal for _, refusal in outcome} == {None}
        assert await stored(engine) == expected(games)
        cursors = await all_of(engine, tables.write_behind)
        assert [row["participants"] < 0 for row in cursors] == [False, False]
        await sink.disconnect()


IN_THE_WAY = tables.participants.c.participant_id == "in the way"


async def again(
    engine: AsyncEngine, sink: Sink, session_id: str
) -> list[tuple[int, Refusal | None]]:
    """Try the rejected batches of a session again."""
    return [each async for each in rejected.retry(engine, sink, session_id)]


class TestParking:
    """A session that can't be written keeps nobody else from being written."""

    async def test_a_store_that_is_ahead_is_left_alone(
        self, backend: Backend, engine: AsyncEngine, journal: MemoryJournal
    ) -> None:
        """The journal has lost batches; what is stored is more than it has."""
        records = game("lost", 16)
        packed = [rec.pack([each]) for each in records]
        await record(journal, "lost", packed)
        await written(journal, backend.sink())
        before = await stored(engine)
        async with MemoryJournal() as other:
            await record(other, "lost", packed[:5])
            good = game("good", 17)
            await record(other, "good", [rec.pack(good)])
            done = await written(other, backend.sink())
            assert set(done.parked) == {"lost"}
            assert "ahead" in done.parked["lost"]
        assert (await stored(engine)).sessions == expected([records, good]).sessions
        after = [row for row in (await stored(engine)).answers if row[0] == "lost"]
        assert after == before.answers

    async def test_another_history_is_not_added(
        self, backend: Backend, journal: MemoryJournal
    ) -> None:
        """As many batches, but not the same ones."""
        packed = [rec.pack([each]) for each in game("s", 18)]
        await record(journal, "s", packed[:5])
        await written(journal, backend.sink())
        async with MemoryJournal() as other:
            await record(other, "s", [*packed[:4], packed[5]])
            done = await written(other, backend.sink())
            assert "differ" in done.parked["s"]

    async def test_another_history_is_not_added_to_where_it_has_grown(
        self, backend: Backend, engine: AsyncEngine, journal: MemoryJournal
    ) -> None:
        """The journal lost its end, and play went on; what is stored stays as it is."""
        packed = [rec.pack([each]) for each in game("s", 18)]
        await record(journal, "s", packed[:5])
        await written(journal, backend.sink())
        before = await stored(engine)
        async with MemoryJournal() as other:
            term = await record(other, "s", [*packed[:4], *packed[5:]])
            await other.save_snapshot("s", term, len(packed) - 1, {"state": b""})
            done = await written(other, backend.sink())
            assert "differ" in done.parked["s"]
            assert len([each async for each in other.read("s")]) == len(packed) - 1
        assert await stored(engine) == before

    async def test_what_another_has_written_meanwhile_is_no_gap(
        self, backend: Backend, engine: AsyncEngine, journal: MemoryJournal
    ) -> None:
        """The cursor was read, then another shard wrote on, and the journal let go."""
        records = game("s", 19)
        packed = [rec.pack([each]) for each in records]
        term = await record(journal, "s", packed[:-1])
        await written(journal, backend.sink())
        await journal.save_snapshot("s", term, 5, {"state": b""})
        assert await journal.trim("s", 5) == 5
        await journal.append("s", term, len(packed), packed[-1])
        done = await written(journal, Late(backend.sink()))
        assert done.parked == {}
        assert await stored(engine) == expected([records])

    async def test_a_gap_in_the_journal_is_told(
        self, backend: Backend, journal: MemoryJournal
    ) -> None:
        """What was forgotten before it was written can't be made up."""
        packed = [rec.pack([each]) for each in game("s", 19)]
        term = await record(journal, "s", packed)
        await journal.save_snapshot("s", term, 5, {"state": b""})
        assert await journal.trim("s", 5) == 5
        done = await written(journal, backend.sink())
        assert "forgotten" in done.parked["s"]

    async def test_a_damaged_session_is_found_among_others(
        self, backend: Backend, engine: AsyncEngine, journal: MemoryJournal
    ) -> None:
        """Its log has a row already that no cursor knows of."""
        games = {name: game(name, 20 + n) for n, name in enumerate(("a", "b", "c"))}
        for name, records in games.items():
            await record(journal, name, [rec.pack([each]) for each in records])
        row = {"session_id": "b", "idx": 3, "opened_ms": T0, "batch": b""}
        async with engine.begin() as connection:
            if engine.dialect.name == "postgresql":
                for statement in making("session_log", start_of(T0)):
                    await connection.execute(text(statement))
            await connection.execute(insert(tables.session_log).values(row))
        done = await written(journal, backend.sink())
        assert set(done.parked) == {"b"}
        assert (await stored(engine)).sessions == expected(
            [games["a"], games["c"]]
        ).sessions


class TestTrimming:
    """The journal may forget what is written, and nothing else."""

    async def test_nothing_is_trimmed_before_it_is_written(
        self, backend: Backend, journal: MemoryJournal
    ) -> None:
        """And an ended session at once when it is."""
        packed = [rec.pack([each]) for each in game("s", 22)]
        term = await record(journal, "s", packed)
        await journal.save_snapshot("s", term, len(packed), {"state": b""})
        sink = Faulty(backend.sink(), random.Random(1), 1.0)
        made = queue(journal, sink)
        with pytest.raises(TimeoutError):
            await made.drain(0.05)
        assert made.state is State.DEGRADED
        assert "made to fail" in made.error
        assert (await read(journal))[0][0] == 1
        sink.share = 0.0
        await made.drain(PATIENCE_S)
        await made.stop()
        assert await read(journal) == []

    async def test_results_come_from_the_log_where_the_journal_is_trimmed(
        self, backend: Backend, engine: AsyncEngine, journal: MemoryJournal
    ) -> None:
        """They are the same."""
        records = game("s", 23)
        packed = [rec.pack([each]) for each in records]
        term = await journal.create("s", "colours", "1", packed[0], 1)
        for index, batch in enumerate(packed[1:-1], 2):
            await journal.append("s", term, index, batch)
        await written(journal, backend.sink())
        await journal.save_snapshot("s", term, len(packed) - 1, {"state": b""})
        assert await journal.trim("s", len(packed) - 1)
        await journal.append("s", term, len(packed), packed[-1])
        await written(journal, backend.sink())
        assert await stored(engine) == expected([records])


async def read(journal: MemoryJournal) -> list[tuple[int, bytes]]:
    """Return what *journal* still has of the session ``s``."""
    after = 0
    try:
        return [each async for each in journal.read("s", after)]
    except Trimmed as trimmed:
        after = trimmed.first_index - 1
        return [each async for each in journal.read("s", after)]


class TestBounds:
    """Memory does not grow with what waits."""

    async def test_batches_in_memory_are_bounded(
        self, backend: Backend, engine: AsyncEngine, journal: MemoryJournal
    ) -> None:
        """However long the database is away; the rest is read from the journal."""
        records = game("s", 24)
        packed = [rec.pack([each]) for each in records]
        term = await journal.create("s", "colours", "1", packed[0], 1)
        sink = Faulty(backend.sink(), random.Random(1), 1.0)
        made = queue(journal, sink, keep_bytes=300)
        for index, batch in enumerate(packed[1:], 2):
            await journal.append("s", term, index, batch)
            made.notify("s", index, batch)
            assert made.kept_bytes <= 300
        await asyncio.sleep(0.02)
        assert made.depth_batches == len(packed)
        assert made.depth_bytes == sum(map(len, packed[1:]))
        sink.share = 0.0
        await made.drain(PATIENCE_S)
        assert (made.depth_batches, made.depth_bytes, made.kept_bytes) == (0, 0, 0)
        assert made.lag_s == 0
        await made.stop()
        assert await stored(engine) == expected([records])

    async def test_lag_is_the_age_of_the_oldest_batch(
        self, backend: Backend, journal: MemoryJournal
    ) -> None:
        """In seconds, by the clock of the shard."""
        clock = ManualClock(T0)
        sink = Faulty(backend.sink(), random.Random(1), 1.0)
        made = WriteBehind(journal, sink, clock, Options(key=KEY, pacing=PACING))
        made.start()
        opened = rec.pack(Play(quiz()).records)
        await journal.create("s1", "colours", "1", opened, 1)
        assert made.lag_s == 0
        made.notify("s1", 1, opened)
        clock.advance(1500)
        assert made.lag_s == 1.5
        sink.share = 0.0
        await made.drain(PATIENCE_S)
        assert made.lag_s == 0
        await made.stop()


def test_the_hash_is_the_journals() -> None:
    """Cursor and journal can be compared."""
    hash_, other = own.NO_HASH, NO_HASH
    for batch in (b"", b"1", b"22"):
        hash_, other = own.chain(hash_, batch), chain(other, batch)
        assert hash_ == other
