"""Sessions that come back after a restart, with the time that they were away."""

import pytest

from quizd.codes import Refused
from quizd.journal.memory import MemoryJournal
from quizd.owner.presence import GRACE_MS
from quizd.session import effects as fx
from quizd.session import events as ev
from quizd.session import picture as pic
from quizd.session import records as rec
from quizd.session.phases import Phase
from tests.oracle.game import recount
from tests.owner.stage import (
    Stage,
    answering,
    in_virtual_time,
    join,
    pass_ms,
    settle,
    soon,
    state_of,
    submitted,
)
from tests.session.agreement import agree

QUESTION_MS = 20_000


# -- restart -----------------------------------------------------------------------


@in_virtual_time
async def test_a_lobby_survives_a_restart() -> None:
    """Participants, names, keys, locks: all that was acknowledged."""
    async with Stage() as stage:
        runner = await stage.opened("Ann", "Ben")
        await submitted(runner, join("Ann", "key"))
        await submitted(runner, ev.HostLocked())
        before = await state_of(runner)
        await stage.die()
        assert await stage.come_back() == 1
        again = await stage.owner.find("colours")
        assert again is not runner
        assert await state_of(again) == before
        assert again.term > runner.term
        assert await submitted(again, join("Zoe", "key")) == 2


@in_virtual_time
async def test_a_damaged_log_keeps_no_other_session_from_coming_back() -> None:
    """It is told in the log and counted; everybody else plays on."""
    async with Stage() as stage:
        await stage.opened("Ann", "Ben")
        journal: MemoryJournal = stage.journal
        await MemoryJournal.create(journal, "broken", "other", "100", b"\x01\xff", 1)
        await stage.die()
        await stage.come_back()
        assert (await stage.owner.find("colours")).state.names == ["Ann", "Ben"]
        assert stage.owner.failures == 1
        with pytest.raises(Refused, match="session_not_found"):
            await stage.owner.find("other")


@in_virtual_time
async def test_a_question_gets_its_remaining_time_back() -> None:
    """7 s played, an hour away, 13 s left; the time away is worth no points."""
    async with Stage() as stage:
        runner = await stage.asking("Ann", "Ben")
        await pass_ms(7000)
        await submitted(runner, answering(0, "green", stage.clock.now_ms()))
        await stage.die()
        await pass_ms(3_600_000)
        await stage.come_back()
        again, back_ms = (await stage.owner.find("colours")), stage.clock.now_ms()
        picture = await soon(
            again.read(lambda state: pic.picture(state, 1, back_ms, 10))
        )
        assert picture.question is not None
        assert picture.question.remaining_ms == QUESTION_MS - 7000
        await pass_ms(3000)
        await submitted(again, answering(1, "green", stage.clock.now_ms()))
        scores = await soon(
            again.read(lambda state: [state.board.score(who) for who in (0, 1)])
        )
        assert scores == [825, 750]
        game = recount(stage.journal.durable[again.state.session_id])
        agree(again.state, game)


@in_virtual_time
async def test_an_untouched_question_closes_when_its_time_is_really_over() -> None:
    """The deadline of a question that was interrupted is met to the millisecond."""
    async with Stage() as stage:
        await stage.asking("Ann")
        await pass_ms(5000)
        alive_ms = stage.journal.renewed[-1]
        died_ms = stage.clock.now_ms()
        assert died_ms - alive_ms < 500
        await stage.die()
        await pass_ms(60_000)
        await stage.come_back()
        again, back_ms = (await stage.owner.find("colours")), stage.clock.now_ms()
        await pass_ms(60_000)
        closed = stage.witness(again).when(fx.RevealQuestion)[0]
        assert closed - back_ms == QUESTION_MS - 5000 + (died_ms - alive_ms)


@in_virtual_time
async def test_a_quiet_question_is_not_given_more_than_the_outage() -> None:
    """Signs of life, not the last record, tell when the outage began."""
    async with Stage() as stage:
        runner = await stage.asking("Ann")
        end_ms = await soon(runner.read(lambda state: state.deadline_ms))
        assert end_ms is not None
        await pass_ms(15_000)
        alive_ms = stage.journal.renewed[-1]
        await stage.die()
        await pass_ms(10_000)
        back_ms = stage.clock.now_ms()
        await stage.come_back()
        again = await stage.owner.find("colours")
        moved_ms = await soon(again.read(lambda state: state.deadline_ms))
        assert moved_ms == end_ms + back_ms - alive_ms


@in_virtual_time
async def test_two_deaths_in_a_row_are_both_given_back() -> None:
    """Who dies again before anything is recorded hides nothing of the first time."""
    async with Stage() as stage:
        runner = await stage.asking("Ann")
        await pass_ms(5000)
        await submitted(runner, answering(0, "red", stage.clock.now_ms()))
        await stage.die()
        died_ms = stage.clock.now_ms()
        for _ in range(3):
            await pass_ms(30_000)
            await stage.journal.start()
            await stage.journal.claim(runner.state.session_id, stage.clock.now_ms())
            await stage.journal.stop()
        await pass_ms(30_000)
        back_ms = stage.clock.now_ms()
        await stage.come_back()
        again = await stage.owner.find("colours")
        outages = [
            record.outage_ms
            for record in stage.journal.durable[again.state.session_id]
            if isinstance(record, rec.OutageEnded)
        ]
        assert outages == [back_ms - died_ms]


@in_virtual_time
async def test_a_countdown_goes_on_after_a_restart() -> None:
    """With what was left of it."""
    async with Stage() as stage:
        runner = await stage.opened("Ann")
        await submitted(runner, ev.HostStarted())
        await pass_ms(2000)
        alive_ms = stage.journal.renewed[-1]
        starts_ms = await soon(runner.read(lambda state: state.deadline_ms))
        assert starts_ms is not None
        await stage.die()
        await pass_ms(10_000)
        await stage.come_back()
        back_ms = stage.clock.now_ms()
        again = await stage.owner.find("colours")
        await pass_ms(10_000)
        shown = stage.witness(again).when(fx.ShowQuestion)
        assert shown == [back_ms + starts_ms - alive_ms]


@in_virtual_time
async def test_after_a_restart_everybody_is_waited_for() -> None:
    """Who is back first and answers does not close the question for the others."""
    async with Stage() as stage:
        await stage.asking("Ann", "Ben", "Cem")
        await stage.die()
        await stage.come_back()
        again = await stage.owner.find("colours")
        again.came(0)
        await submitted(again, answering(0, "green", stage.clock.now_ms()))
        await pass_ms(GRACE_MS - 1)
        witness = stage.witness(again)
        assert witness.when(fx.RevealQuestion) == []
        await pass_ms(1)
        assert witness.when(fx.RevealQuestion) == [stage.clock.now_ms()]


@in_virtual_time
async def test_removed_participants_are_not_waited_for_after_a_restart() -> None:
    """They don't come back."""
    async with Stage() as stage:
        runner = await stage.asking("Ann", "Ben")
        await submitted(runner, ev.HostKicked("ben"))
        await stage.die()
        await stage.come_back()
        again = await stage.owner.find("colours")
        again.came(0)
        await submitted(again, answering(0, "green", stage.clock.now_ms()))
        assert len(stage.witness(again).when(fx.RevealQuestion)) == 1


@pytest.mark.parametrize("recorded", [False, True])
def test_time_never_runs_backwards_over_a_restart(
    monkeypatch: pytest.MonkeyPatch, *, recorded: bool
) -> None:
    """A clock that is behind the last record or sign of life goes on from there."""

    @in_virtual_time
    async def main() -> None:
        async with Stage() as stage:
            runner = await stage.opened("Ann")
            await pass_ms(10_001)
            last_ms = stage.journal.renewed[-1]
            if recorded:
                await submitted(runner, ev.HostLocked())
                last_ms = stage.clock.now_ms()
            await stage.die()
            monkeypatch.setattr(stage.clock, "_offset_ms", -(10**9))
            assert stage.clock.now_ms() < last_ms
            await stage.come_back()
            assert stage.clock.now_ms() >= last_ms

    main()


@in_virtual_time
async def test_an_end_that_was_not_marked_is_marked_after_a_restart() -> None:
    """Killed between the last record and its mark: over is over."""
    async with Stage() as stage:
        runner = await stage.opened("Ann")
        session_id, term = runner.state.session_id, runner.term
        await stage.die()
        await stage.journal.start()
        ended = rec.pack([rec.SessionEnded(stage.clock.now_ms(), "host")])
        await stage.journal.append(session_id, term, 3, ended)
        await stage.journal.stop()
        assert await stage.come_back() == 1
        assert stage.owner.find_open_here("colours") is None
        assert (await stage.journal.entry(session_id)).ended
        again = await stage.owner.find("colours")
        assert await soon(again.read(lambda state: state.phase)) is Phase.ENDED
        kinds = stage.journal.kinds(session_id)
        assert kinds == ["SessionOpened", "ParticipantAdded", "SessionEnded"]


@in_virtual_time
async def test_finished_sessions_stay_away() -> None:
    """They are not taken over again."""
    async with Stage() as stage:
        runner = await stage.opened("Ann")
        await submitted(runner, ev.HostEnded())
        await settle()
        await stage.die()
        assert await stage.come_back() == 0
        with pytest.raises(Refused):
            await stage.owner.find("colours")
