"""Playing a stored log again, on each database."""

import pytest
from sqlalchemy import delete, insert, update
from sqlalchemy.ext.asyncio import AsyncEngine

from quizd.clock import iso
from quizd.reports import Reports
from quizd.reports.replay import Until, differences, moment, replayed
from quizd.session import records as rec
from quizd.session.live import LiveSession
from quizd.store.tables import results
from quizd.store.write_behind.results import results_in
from tests.reports import stored
from tests.reports.stored import ENDED, GAMES, OPEN, PACKED, change, counted

filled, engine, reports = stored.filled, stored.engine, stored.reports


@pytest.mark.parametrize("session_id", ENDED)
async def test_the_end_is_the_oracles_and_the_stored(
    reports: Reports, session_id: str
) -> None:
    """Scores and ranks of everybody."""
    session = await replayed(reports.log, session_id, Until())
    assert results_in(session) == [
        (index, each.score, each.rank) for index, each in counted(session_id).items()
    ]
    assert [each async for each in differences(reports.results, session)] == []


async def test_any_batch(reports: Reports) -> None:
    """The session is as the records up to it make it."""
    records: list[rec.Record] = []
    for index, batch in enumerate(PACKED[ENDED[0]], 1):
        records += rec.unpack(batch)
        session = await replayed(reports.log, ENDED[0], Until(index=index))
        _same(session, records)


async def test_any_instant(reports: Reports) -> None:
    """Also one inside a batch: what was recorded until then, and nothing later."""
    session_id = ENDED[0]
    records = GAMES[session_id]
    for at_ms in sorted({record.at_ms for record in records}):
        for instant_ms in (at_ms, at_ms + 1):
            early = [record for record in records if record.at_ms <= instant_ms]
            until = moment(iso(instant_ms))
            _same(await replayed(reports.log, session_id, until), early)


def _same(session: LiveSession, records: list[rec.Record]) -> None:
    again = LiveSession.replay(records)
    assert results_in(session) == results_in(again)
    assert session.state.seq == again.state.seq
    assert session.state.phase == again.state.phase
    assert session.state.version == again.state.version


async def test_before_the_beginning(reports: Reports) -> None:
    """And of a session that is unknown: there is nothing to replay."""
    for session_id, until in (
        (ENDED[0], Until(index=0)),
        (ENDED[0], moment("1999-01-01T00:00:00Z")),
        ("unknown", Until()),
    ):
        with pytest.raises(ValueError, match="nothing to replay"):
            await replayed(reports.log, session_id, until)


async def test_a_session_that_goes_on(reports: Reports) -> None:
    """Has no results, and ought to have none."""
    session = await replayed(reports.log, OPEN, Until())
    assert [each async for each in differences(reports.results, session)] == []


async def test_every_difference_is_told(reports: Reports, engine: AsyncEngine) -> None:
    """Another score, another rank, a result too few and one too many."""
    session_id = ENDED[2]
    session = await replayed(reports.log, session_id, Until())
    expected = results_in(session)
    here = results.c.session_id == session_id

    def of(who: int, score: int, rank: int) -> dict[str, object]:
        key = {"session_id": session_id, "participant": who}
        return {**key, "score": score, "rank": rank}

    await change(
        engine,
        update(results).where(here, results.c.participant == 0).values(score=77),
        update(results).where(here, results.c.participant == 1).values(rank=77),
        delete(results).where(here, results.c.participant == 2),
        insert(results).values(of(99, 5, 1)),
    )
    (_, s0, r0), (_, s1, r1), (_, s2, r2), *_ = expected
    told = [each async for each in differences(reports.results, session)]
    assert told == [
        f"participant 0: stored score 77, rank {r0}; replayed score {s0}, rank {r0}",
        f"participant 1: stored score {s1}, rank 77; replayed score {s1}, rank {r1}",
        "participant 99: stored score 5, rank 1; replayed nothing",
        f"participant 2: stored nothing; replayed score {s2}, rank {r2}",
    ]
    await change(
        engine,
        delete(results).where(here, results.c.participant.in_((0, 1, 99))),
        *(insert(results).values(of(*each)) for each in expected[:3]),
    )
    assert [each async for each in differences(reports.results, session)] == []


class TestMoment:
    """What may be said of a moment."""

    def test_batches_and_instants(self) -> None:
        """A number, or an instant with its offset."""
        assert moment("17") == Until(index=17)
        assert moment("1970-01-01T00:00:01.500Z") == Until(at_ms=1500)
        assert moment("1970-01-01T01:00:00+01:00") == Until(at_ms=0)

    @pytest.mark.parametrize(
        "text", ["", "soon", "-1", "1.5", "2026-01-31T09:30:00", "2026-01-31", "٣"]
    )
    def test_others(self, text: str) -> None:
        """Are refused, with an example of what is wanted."""
        with pytest.raises(ValueError, match="instant such as"):
            moment(text)
