"""A session is read as it was played, from whatever is left of its log."""

from quizd.journal.base import chain
from quizd.owner.logbook import read_session, save_snapshot
from quizd.session import events as ev
from tests.owner.stage import LEAD_MS, Stage, in_virtual_time, pass_ms, submitted
from tests.session.snapshot import snapshot


@in_virtual_time
async def test_a_closed_question_makes_the_log_short() -> None:
    """After each reveal there is a snapshot, and the rest of the log may go."""
    async with Stage() as stage:
        runner = await stage.asking("Ann", "Ben")
        session_id = runner.state.session_id
        for number in (1, 2):
            await submitted(runner, ev.HostAdvanced(LEAD_MS))
            await pass_ms(10)
            kept = await stage.journal.load_snapshot(session_id)
            assert kept is not None
            assert len(kept.parts) == number
            assert kept.index == runner.index
            assert kept.hash == runner.last
            assert await stage.journal.trim(session_id, kept.index) == kept.index
            reading = await read_session(stage.journal, session_id)
            assert snapshot(reading.session.state) == snapshot(runner.state)
            assert (reading.index, reading.last) == (runner.index, runner.last)
            await submitted(runner, ev.HostAdvanced(LEAD_MS))
            await pass_ms(LEAD_MS)


@in_virtual_time
async def test_reading_stops_where_it_is_told() -> None:
    """At the batch asked for, or, where that is compact by now, at the end."""
    async with Stage() as stage:
        runner = await stage.asking("Ann", "Ben")
        session_id = runner.state.session_id
        reading = await read_session(stage.journal, session_id, 3)
        assert reading.index == 3
        batches = [b async for _, b in stage.journal.read(session_id)]
        last = b""
        for batch in batches[:3]:
            last = chain(last, batch)
        assert reading.last == last
        await save_snapshot(stage.journal, session_id, runner.term, None)
        await stage.journal.trim(session_id, runner.index)
        reading = await read_session(stage.journal, session_id, 3)
        assert reading.index == runner.index


@in_virtual_time
async def test_a_new_owner_begins_from_a_snapshot() -> None:
    """Nothing is missing, and the next snapshot is put behind the elder parts."""
    async with Stage() as stage:
        runner = await stage.asking("Ann", "Ben")
        session_id = runner.state.session_id
        await submitted(runner, ev.HostAdvanced(LEAD_MS))
        await pass_ms(10)
        before = snapshot(runner.state)
        await stage.journal.trim(session_id, runner.index)
        await stage.die()
        await stage.come_back()
        again = await stage.owner.session(session_id)
        assert {**snapshot(again.state), **_changed(again)} == {
            **before,
            **_changed(again),
        }
        await submitted(again, ev.HostAdvanced(LEAD_MS))
        await submitted(again, ev.HostAdvanced(LEAD_MS))
        await pass_ms(10)
        kept = await stage.journal.load_snapshot(session_id)
        assert kept is not None
        assert len(kept.parts) == 2
        reading = await read_session(stage.journal, session_id)
        assert snapshot(reading.session.state) == snapshot(again.state)


def _changed(runner: object) -> dict[str, object]:
    """Return what noticing an outage may change."""
    state = runner.state  # type: ignore[attr-defined]
    frozen = snapshot(state)
    return {key: frozen[key] for key in ("version", "last_ms", "deadline_ms")}
