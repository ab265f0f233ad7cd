"""The stored log as JSON lines, on each database."""

import random
from typing import Any

import orjson
import pytest
from sqlalchemy import select, update
from sqlalchemy.ext.asyncio import AsyncEngine

from quizd._fast import scoring
from quizd.reports import Reports, log
from quizd.session import records as rec
from quizd.store.tables import log_heads, session_log
from tests.reports import stored
from tests.reports.stored import ENDED, GAMES, KEY, NAMES, OPEN, PACKED, change

filled, engine, reports = stored.filled, stored.engine, stored.reports

Line = dict[str, Any]


async def read(
    reports: Reports,
    session_id: str,
    after: int = 0,
    limit: int | None = None,
    *,
    ended: bool = True,
) -> list[Line]:
    """Return the lines of a page of the log."""
    chunks = reports.log.chunks(session_id, after, limit, ended=ended)
    text = b"".join([chunk async for chunk in chunks])
    assert text.endswith(b"\n")
    return [orjson.loads(line) for line in text.splitlines()]


def expected(session_id: str) -> list[tuple[int, str]]:
    """Return the batch and kind of each line, by the records."""
    found = []
    for index, batch in enumerate(PACKED[session_id], 1):
        for record in rec.unpack(batch):
            answers = isinstance(record, rec.AnswersAccepted)
            count = len(scoring.answers_in(record.packed)) if answers else 1  # type: ignore[attr-defined]
            found += [(index, type(record).__name__)] * count
    return found


@pytest.mark.parametrize("session_id", ENDED)
async def test_a_line_for_each_record_and_answer(
    reports: Reports, session_id: str
) -> None:
    """In their order, and at last that the log is whole."""
    *lines, last = await read(reports, session_id)
    assert [(line["batch"], line["kind"]) for line in lines] == expected(session_id)
    assert last.pop("head") == (await reports.log.verify(session_id)).head.hex()
    assert last == {
        "session_id": session_id,
        "batch": len(PACKED[session_id]),
        "verified": True,
        "problems": [],
    }


async def test_answers_name_their_participant(reports: Reports) -> None:
    """As the records have it, by the id, and never by the name."""
    session_id = ENDED[0]
    joined = [r for r in GAMES[session_id] if isinstance(r, rec.ParticipantAdded)]
    wanted = [
        (scoring.question_of(record.packed), joined[each["participant"]].participant_id)
        for record in GAMES[session_id]
        if isinstance(record, rec.AnswersAccepted)
        for each in scoring.answers_in(record.packed)
    ]
    lines = await read(reports, session_id)
    answers = [line for line in lines if line.get("kind") == "AnswersAccepted"]
    told = [(line["question"], line["participant_id"]) for line in answers]
    assert told == wanted
    assert all(line["name"] == "" for line in lines if "name" in line)
    assert not any(name in str(lines) for name in NAMES if name != "plain")


@pytest.mark.parametrize("limit", [1, 2, 7, 1000])
async def test_pages_are_the_whole(reports: Reports, limit: int) -> None:
    """Each says where the next begins; names of participants are known in all."""
    session_id = ENDED[1]
    *whole, verdict = await read(reports, session_id)
    found: list[Line] = []
    for after in range(0, len(PACKED[session_id]), limit):
        *lines, last = await read(reports, session_id, after, limit)
        assert all(after < line["batch"] <= after + limit for line in lines)
        found += lines
        is_last = after + limit >= len(PACKED[session_id])
        following = {"session_id": session_id, "next": after + limit}
        assert last == (verdict if is_last else following)
    assert found == whole


async def test_chunks_are_bounded(
    reports: Reports, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A chunk ends with the line that fills it."""
    monkeypatch.setattr(log, "CHUNK_BYTES", 300)
    chunks = [chunk async for chunk in reports.log.chunks(ENDED[0])]
    assert len(chunks) > 10
    assert all(chunk.endswith(b"\n") for chunk in chunks)
    for chunk in chunks[:-1]:
        assert len(chunk) - len(chunk.splitlines(keepends=True)[-1]) < 300
    assert b"".join(chunks).splitlines() == [
        orjson.dumps(line) for line in await read(reports, ENDED[0])
    ]


async def test_no_chunk_is_empty(
    reports: Reports, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Also where the last line fills one: who takes the last chunk has that line."""
    monkeypatch.setattr(log, "CHUNK_BYTES", 1)
    chunks = [chunk async for chunk in reports.log.chunks(ENDED[0])]
    assert [chunk.count(b"\n") for chunk in chunks] == [1] * len(chunks)
    assert orjson.loads(chunks[-1])["verified"]


async def test_slices_are_the_whole(
    reports: Reports, monkeypatch: pytest.MonkeyPatch
) -> None:
    """However many batches are read at once."""
    for batches in (1, 2, 1000):
        monkeypatch.setattr(log, "SLICE_BATCHES", batches)
        found = [index async for index, _ in reports.log.batches(ENDED[0])]
        assert found == list(range(1, len(PACKED[ENDED[0]]) + 1))


async def test_a_log_that_goes_on_has_no_verdict(reports: Reports) -> None:
    """Its head is that which is stored."""
    *lines, last = await read(reports, OPEN, ended=False)
    assert [(line["batch"], line["kind"]) for line in lines] == expected(OPEN)
    assert (last["verified"], last["problems"]) == (None, None)
    assert last["batch"] == len(PACKED[OPEN])
    assert last["head"] == (await reports.log.verify(OPEN)).head.hex()


async def test_a_log_that_is_not_there(reports: Reports) -> None:
    """Is not whole."""
    [last] = await read(reports, "unknown")
    assert (last["verified"], last["batch"]) == (False, 0)
    [last] = await read(reports, "unknown", ended=False)
    assert (last["verified"], last["batch"]) == (None, 0)


async def test_any_damaged_byte_is_told(reports: Reports, engine: AsyncEngine) -> None:
    """Whatever it is, all that can be read is told, and that it is not whole."""
    session_id, rng = ENDED[2], random.Random(11)
    here = session_log.c.session_id == session_id
    for _ in range(40):
        index = rng.randrange(1, len(PACKED[session_id])) + 1
        this = here & (session_log.c.idx == index)
        async with engine.connect() as connection:
            query = select(session_log.c.batch).where(this)
            batch: bytes = (await connection.execute(query)).scalar_one()
        damaged = bytearray(batch)
        damaged[rng.randrange(len(batch))] ^= 1 << rng.randrange(8)
        await change(
            engine, update(session_log).where(this).values(batch=bytes(damaged))
        )
        *lines, last = await read(reports, session_id)
        assert not last["verified"], (index, damaged)
        assert last["problems"]
        assert index in {line["batch"] for line in lines}
        await change(engine, update(session_log).where(this).values(batch=batch))
    assert (await reports.log.verify(session_id)).ok


async def test_another_key_proves_nothing(engine: AsyncEngine) -> None:
    """The verdict depends on the secret."""
    wrong = Reports(engine, bytes(reversed(KEY)))
    *_, last = await read(wrong, ENDED[0])
    assert last["problems"] == ["the log does not lead to its head"]


async def test_a_lost_head(reports: Reports, engine: AsyncEngine) -> None:
    """Is a problem of its own."""
    this = log_heads.c.session_id == ENDED[0]
    name = log_heads.c.session_id.name
    await change(engine, update(log_heads).where(this).values({name: "aside"}))
    *_, last = await read(reports, ENDED[0])
    assert last["problems"] == ["there is no head for this log"]
    aside = log_heads.c.session_id == "aside"
    await change(engine, update(log_heads).where(aside).values({name: ENDED[0]}))
