"""What the audit of a session's stored log proves, on each database."""

import random
from collections.abc import AsyncIterator

import pytest
from sqlalchemy import Executable, delete, insert, select, update
from sqlalchemy.ext.asyncio import AsyncEngine

from quizd.clock import ManualClock
from quizd.journal.memory import MemoryJournal
from quizd.session import records as rec
from quizd.session.live import LiveSession
from quizd.store.audit import Audit
from quizd.store.log import log_form, next_head
from quizd.store.tables import answers, log_heads, participants, session_log
from quizd.store.write_behind import Options, Pacing, WriteBehind
from quizd.store.write_behind.results import Incomplete, results_in
from tests.contract.stores import Backend, backend_fixture
from tests.store.games import batches, game, record

KEY = bytes(range(32))
PACING = Pacing(linger_s=0)

backend = backend_fixture


@pytest.fixture
async def engine(backend: Backend) -> AsyncIterator[AsyncEngine]:
    """An engine on a database that two games were written to: ``s`` and ``other``."""
    async with MemoryJournal() as journal:
        for name in ("s", "other"):
            await record(journal, name, PACKED[name])
        options = Options(key=KEY, pacing=PACING)
        queue = WriteBehind(journal, backend.sink(), ManualClock(), options)
        queue.start()
        await queue.drain(30)
        await queue.stop()
    engine = backend.engine()
    yield engine
    await engine.dispose()


RECORDS = {"s": game("s", 31), "other": game("other", 32)}
PACKED = {n: batches(r, random.Random(31)) for n, r in RECORDS.items()}


async def change(engine: AsyncEngine, statement: Executable) -> None:
    """Do as somebody does who has the database but not the key."""
    async with engine.begin() as connection:
        await connection.execute(statement)


async def problems(engine: AsyncEngine, key: bytes = KEY) -> list[str]:
    """Return what the audit finds wrong; the other session is always fine."""
    audit = Audit(engine, key)
    if key == KEY:
        assert (await audit.verify("other")).ok
    return (await audit.verify("s")).problems


async def test_an_untouched_log_is_whole(engine: AsyncEngine) -> None:
    """To the last batch."""
    verdict = await Audit(engine, KEY).verify("s")
    assert verdict.ok
    assert verdict.index == len(PACKED["s"])


async def test_another_key_proves_nothing(engine: AsyncEngine) -> None:
    """Who does not have the key can't say that it is whole, nor make it so."""
    assert await problems(engine, bytes(32)) == ["the log does not lead to its head"]


async def test_one_byte_of_an_answer_in_the_log(engine: AsyncEngine) -> None:
    """Any byte of any batch."""
    rng = random.Random(1)
    async with engine.connect() as connection:
        here = session_log.c.session_id == "s"
        query = select(session_log.c.idx, session_log.c.batch).where(here)
        rows = (await connection.execute(query)).all()
    for index, batch in rng.sample([tuple(row) for row in rows], 5):
        damaged = bytearray(batch)
        damaged[rng.randrange(len(batch))] ^= 1 << rng.randrange(8)
        this = here & (session_log.c.idx == index)
        damage = update(session_log).where(this).values(batch=bytes(damaged))
        await change(engine, damage)
        assert "the log does not lead to its head" in await problems(engine)
        await change(engine, update(session_log).where(this).values(batch=batch))
        assert await problems(engine) == []


@pytest.mark.parametrize("column", ["points", "received_ms", "credit", "response"])
async def test_one_value_of_a_stored_answer(engine: AsyncEngine, column: str) -> None:
    """That reports read: the audit names the question."""
    here = (answers.c.session_id == "s") & (answers.c.question == 0)
    value = b"!" if column == "response" else 77
    await change(engine, update(answers).where(here).values({column: value}))
    assert await problems(engine) == [
        "the answers to question 0 are not those of the log"
    ]


async def test_an_answer_that_was_taken_out_or_added(engine: AsyncEngine) -> None:
    """Also one that was doubled under another participant."""
    here = answers.c.session_id == "s"
    async with engine.connect() as connection:
        row = (await connection.execute(select(answers).where(here))).mappings().first()
    assert row is not None
    this = here & (answers.c.question == row["question"])
    this &= answers.c.participant == row["participant"]
    await change(engine, delete(answers).where(this))
    assert len(await problems(engine)) == 1
    await change(engine, insert(answers).values(dict(row)))
    assert await problems(engine) == []
    await change(engine, insert(answers).values({**row, "participant": 9_999}))
    assert len(await problems(engine)) == 1


async def test_a_tail_that_was_cut(engine: AsyncEngine) -> None:
    """With or without the head being set back to an index."""
    last = len(PACKED["s"])
    here = (session_log.c.session_id == "s") & (session_log.c.idx == last)
    await change(engine, delete(session_log).where(here))
    problem = (await problems(engine))[0]
    assert f"ends with batch {last - 1}, its head is of {last}" in problem
    heads = log_heads.c.session_id == "s"
    await change(engine, update(log_heads).where(heads).values(idx=last - 1))
    assert "the log does not lead to its head" in await problems(engine)


async def test_a_batch_that_was_taken_out(engine: AsyncEngine) -> None:
    """From the middle."""
    here = (session_log.c.session_id == "s") & (session_log.c.idx == 2)
    await change(engine, delete(session_log).where(here))
    assert "batch 2 is missing" in await problems(engine)


async def test_a_chain_that_was_made_again_without_the_key(engine: AsyncEngine) -> None:
    """The head is another one."""
    head = bytes(32)
    for index, batch in enumerate(PACKED["s"], 1):
        head = next_head(
            bytes(32), head, "s", index, log_form(batch, list(rec.unpack(batch)))
        )
    heads = log_heads.c.session_id == "s"
    await change(engine, update(log_heads).where(heads).values(head=head))
    assert await problems(engine) == ["the log does not lead to its head"]


async def test_a_log_without_a_head(engine: AsyncEngine) -> None:
    """Nor without a log: an unknown session is not whole."""
    await change(engine, delete(log_heads).where(log_heads.c.session_id == "s"))
    assert await problems(engine) == ["there is no head for this log"]
    assert not (await Audit(engine, KEY).verify("unknown")).ok


async def test_erasing_a_name_leaves_the_log_whole(engine: AsyncEngine) -> None:
    """No name is in the log, in any form."""
    here = participants.c.session_id == "s"
    await change(engine, update(participants).where(here).values(name=None, key=None))
    assert await problems(engine) == []
    names = {
        each.name for each in RECORDS["s"] if isinstance(each, rec.ParticipantAdded)
    }
    async with engine.connect() as connection:
        batches = (
            (await connection.execute(select(session_log.c.batch))).scalars().all()
        )
    for name in names:
        assert not any(name.encode() in batch for batch in batches)


async def test_replay_gives_the_session_at_any_batch(engine: AsyncEngine) -> None:
    """With the scores and ranks that it had."""
    audit, played = Audit(engine, KEY), [rec.unpack(each) for each in PACKED["s"]]
    records: list[rec.Record] = []
    for index, batch in enumerate(played, 1):
        records += batch
        if index % 7 and index != len(played):
            continue
        session, again = await audit.replay("s", index), LiveSession.replay(records)
        assert results_in(session) == results_in(again)
        assert session.state.seq == again.state.seq
    again = LiveSession.replay(records)
    assert results_in(await audit.replay("s")) == results_in(again)
    with pytest.raises(Incomplete):
        await audit.replay("unknown")


async def test_the_journal_can_be_made_again(engine: AsyncEngine) -> None:
    """Byte for byte, names and all, as long as nobody was erased."""
    found = [each async for each in Audit(engine, KEY).batches("s")]
    assert found == list(enumerate(PACKED["s"], 1))
