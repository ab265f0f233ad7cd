"""What time itself brings to a session, and how far ahead questions start."""

import pytest

from quizd.codes import Reason
from quizd.owner import runner as runner_module
from quizd.session import effects as fx
from quizd.session import events as ev
from quizd.session import picture as pic
from quizd.session.phases import Phase
from tests.owner.stage import (
    LEAD_MS,
    Stage,
    in_virtual_time,
    pass_ms,
    settle,
    soon,
    submitted,
)
from tests.session.play import quiz


@in_virtual_time
async def test_a_game_plays_itself() -> None:
    """Every deadline is met to the millisecond, from the countdown to the end."""
    async with Stage() as stage:
        runner = await stage.opened("Ann", definition=quiz(start="auto", reveal_s=6))
        witness, began_ms = stage.witness(runner), stage.clock.now_ms()
        await submitted(runner, ev.HostStarted())
        await pass_ms(3_600_000)
        assert runner.ended.done()
        opened = [5000, 5000 + LEAD_MS + 20_000 + 6000]
        closed = [at + LEAD_MS + 20_000 for at in opened]
        when = [at_ms - began_ms for at_ms in witness.when(fx.ShowQuestion)]
        assert when == opened
        when = [at_ms - began_ms for at_ms in witness.when(fx.RevealQuestion)]
        assert when == closed
        when = [at_ms - began_ms for at_ms in witness.when(fx.AnnounceEnd)]
        assert when == [closed[1] + 6000]


@pytest.mark.parametrize(
    ("fan_out_ms", "lead_ms"), [(0.0, 300), (100.0, 300), (1000.0, 1500), (333.3, 500)]
)
def test_a_question_starts_when_all_can_have_it(
    fan_out_ms: float, lead_ms: int
) -> None:
    """One and a half times the last fan-out ahead, and never less than the least."""

    @in_virtual_time
    async def main() -> None:
        async with Stage() as stage:
            runner = await stage.opened("Ann")
            stage.witness(runner).fan_out = fan_out_ms
            assert runner.lead_ms() == lead_ms
            await submitted(runner, ev.HostStarted())
            await pass_ms(5000)
            (shown,) = (
                effect
                for _, effect in stage.witness(runner).heard
                if isinstance(effect, fx.ShowQuestion)
            )
            assert shown.start_ms == stage.clock.now_ms() + lead_ms

    main()


@in_virtual_time
async def test_a_paused_session_waits_for_its_host() -> None:
    """No deadline comes during a pause, and after it the rest of the time does."""
    async with Stage() as stage:
        runner = await stage.asking("Ann")
        await pass_ms(5000)
        await submitted(runner, ev.HostPaused())
        await pass_ms(10_000_000)
        phase = await soon(runner.read(lambda state: state.phase))
        assert phase is Phase.PAUSED
        await submitted(runner, ev.HostResumed(0))
        resumed_ms = stage.clock.now_ms()
        await pass_ms(20_000)
        assert stage.witness(runner).when(fx.RevealQuestion) == [resumed_ms + 15_000]


@in_virtual_time
async def test_answers_come_before_the_deadline_of_their_tick() -> None:
    """What was received in time counts, though the tick is later than the end."""
    async with Stage() as stage:
        runner = await stage.asking("Ann", "Ben")
        end_ms = await soon(runner.read(lambda state: state.deadline_ms))
        assert end_ms is not None
        stage.journal.hold()
        busy = runner.submit(ev.HostLocked())
        await pass_ms(30_000)
        runner.inbox.add(0, end_ms, b"q1", b"green")
        runner.inbox.add(1, end_ms + 1, b"q1", b"green")
        stage.journal.release()
        await soon(busy)
        await settle()
        own = await soon(runner.read(lambda state: pic.own(state, 0)))
        assert own.score == 500
        assert [(who, r.reason) for who, r in stage.witness(runner).refused] == [
            (1, Reason.TOO_LATE)
        ]
        kinds = stage.journal.kinds(runner.state.session_id)
        assert kinds[-2:] == ["AnswersAccepted", "QuestionClosed"]


@in_virtual_time
async def test_no_timer_is_left_behind(monkeypatch: pytest.MonkeyPatch) -> None:
    """A runner that is given up wakes nobody any more."""
    async with Stage() as stage:
        runner = await stage.asking("Ann")
        ticks: list[float] = []
        monkeypatch.setattr(
            runner_module.Runner, "wake", lambda _: ticks.append(runner.loop.time())
        )
        await stage.owner.stop()
        await pass_ms(60_000)
        assert ticks == []
