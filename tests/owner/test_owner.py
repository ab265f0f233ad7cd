"""Opening, finding, ending and forgetting sessions."""

import asyncio
from itertools import pairwise

import pytest

from quizd.codes import Close, Reason, Refused
from quizd.journal.base import JournalUnavailable
from quizd.owner.owner import KEEP_ENDED_MS
from quizd.session import events as ev
from quizd.session.phases import Phase
from tests.owner.stage import (
    Stage,
    in_virtual_time,
    join,
    pass_ms,
    settle,
    soon,
    submitted,
)
from tests.session.play import quiz

RENEW_MS = 500


# -- opening -----------------------------------------------------------------------


@in_virtual_time
async def test_a_session_is_durable_before_it_is_there() -> None:
    """Nobody finds a session whose opening is not yet in the journal."""
    async with Stage() as stage:
        stage.journal.hold()
        opening = asyncio.ensure_future(stage.open())
        await settle()
        assert stage.owner.find_open_here("colours") is None
        stage.journal.release()
        runner = await soon(opening)
        assert stage.owner.find_open_here("colours") is runner


@in_virtual_time
async def test_opening_twice_at_once_is_one_session() -> None:
    """Whoever asks during the opening gets the same session."""
    async with Stage() as stage:
        stage.journal.hold()
        openings = [asyncio.ensure_future(stage.open()) for _ in range(5)]
        await settle()
        stage.journal.release()
        runners = [await soon(opening) for opening in openings]
        assert len(set(map(id, runners))) == 1
        assert len(stage.journal.durable) == len(stage.owner) == 1
        assert await stage.open() is runners[0]
        assert not stage.owner._locks


@in_virtual_time
async def test_who_stops_asking_for_all_leaves_no_question_behind() -> None:
    """Of a session that is too busy to answer nobody reads the refusal any more."""
    async with Stage() as stage:
        runner = await stage.open()
        stage.journal.hold()
        busy = runner.submit(ev.HostLocked())
        asking = asyncio.ensure_future(stage.owner.open_now())
        await settle()
        assert len(runner._open) == 2
        asking.cancel()
        await settle()
        assert runner._open == {busy}
        stage.journal.release()
        await soon(busy)


@in_virtual_time
async def test_different_quizzes_are_different_sessions() -> None:
    """Each has an id and a pin of its own, and is found by quiz, pin and id."""
    async with Stage() as stage:
        runners = [await stage.open(f"quiz{n}") for n in range(20)]
        assert len(stage.owner) == 20
        assert stage.owner.runners() == runners
        assert len({runner.state.pin for runner in runners}) == 20
        for number, runner in enumerate(runners):
            assert (await stage.owner.find(f"quiz{number}")) is runner
            assert (await stage.owner.find(runner.state.pin)) is runner
            assert (await stage.owner.session(runner.state.session_id)) is runner
            assert len(runner.state.pin) == 6


@in_virtual_time
async def test_the_session_embeds_the_quiz_and_its_version() -> None:
    """What is played is what was handed in, whatever happens to the original."""
    async with Stage() as stage:
        definition = quiz(scoring="fixed")
        runner = await stage.owner.open("colours", definition, 7)
        (opened,) = stage.journal.durable[runner.state.session_id]
        assert runner.state.quiz == definition
        assert getattr(opened, "quiz_version", None) == 7


@pytest.mark.parametrize("address", ["", "nobody", "123456"])
def test_an_unknown_address_is_refused(address: str) -> None:
    """By its name, as the session's absence."""

    @in_virtual_time
    async def main() -> None:
        async with Stage() as stage:
            await stage.open()
            assert stage.owner.find_open_here(address) is None
            for find in (stage.owner.find, stage.owner.session):
                with pytest.raises(Refused) as caught:
                    await find(address)
                assert caught.value.reason is Reason.SESSION_NOT_FOUND
                assert list(caught.value.details.values()) == [address]

    main()


@in_virtual_time
async def test_there_are_no_more_sessions_than_the_bound() -> None:
    """Open ones count; where one has ended there is room for another."""
    async with Stage(sessions=2) as stage:
        first = await stage.open("one")
        await stage.open("two")
        with pytest.raises(Refused) as caught:
            await stage.open("three")
        assert caught.value.reason is Reason.SESSION_FULL
        assert caught.value.details == {"limit": 2}
        assert await stage.open("one") is first
        await submitted(first, ev.HostEnded())
        await settle()
        await stage.open("three")


@in_virtual_time
async def test_a_journal_that_takes_nothing_opens_nothing() -> None:
    """It is said as what it is, and the next try may work."""
    async with Stage() as stage:
        await stage.journal.stop()
        with pytest.raises(Refused) as caught:
            await stage.open()
        assert caught.value.reason is Reason.SHARD_UNAVAILABLE
        assert len(stage.owner) == 0
        await stage.journal.start()
        runner = await stage.open()
        assert await submitted(runner, join("Ann")) == 0


# -- ending ------------------------------------------------------------------------


@in_virtual_time
async def test_an_ended_session_is_finished_and_kept_for_a_while() -> None:
    """The journal knows that it is over; its results can still be asked for."""
    async with Stage() as stage:
        runner = await stage.opened("Ann")
        session_id, pin = runner.state.session_id, runner.state.pin
        await submitted(runner, ev.HostEnded())
        await settle()
        assert runner.ended.done()
        assert (await stage.journal.entry(session_id)).ended
        assert len(stage.owner) == 0
        assert stage.owner.find_open_here("colours") is None
        assert stage.owner.find_open_here(pin) is None
        assert (await stage.owner.find("colours")) is runner
        await pass_ms(KEEP_ENDED_MS - RENEW_MS)
        assert (await stage.owner.session(session_id)) is runner
        assert await soon(runner.read(lambda state: state.phase)) is Phase.ENDED


@in_virtual_time
async def test_an_ended_session_is_forgotten_in_time() -> None:
    """Its task ends, its connections are closed, and nobody finds it."""
    async with Stage() as stage:
        runner = await stage.opened("Ann")
        witness = stage.witness(runner)
        await submitted(runner, ev.HostEnded())
        await pass_ms(KEEP_ENDED_MS + 2 * RENEW_MS)
        assert witness.closed == [Close.NORMAL]
        assert stage.owner.runners() == []
        for find in (stage.owner.find, stage.owner.session):
            with pytest.raises(Refused):
                await find("colours")


@in_virtual_time
async def test_a_quiz_can_be_played_again() -> None:
    """The next session is another one, and forgetting the first leaves it alone."""
    async with Stage() as stage:
        first = await stage.opened("Ann")
        await submitted(first, ev.HostEnded())
        await settle()
        second = await stage.opened("Ann")
        assert second is not first
        assert second.state.session_id != first.state.session_id
        assert (await stage.owner.find("colours")) is second
        await pass_ms(KEEP_ENDED_MS // 2)
        assert stage.owner.runners() == [first, second]
        await submitted(second, ev.HostEnded())
        await pass_ms(KEEP_ENDED_MS // 2 + 2 * RENEW_MS)
        assert stage.owner.runners() == [second]
        assert (await stage.owner.find("colours")) is second


@in_virtual_time
async def test_a_quiz_that_is_played_again_is_not_forgotten_with_its_first() -> None:
    """The open session is found by quiz and pin after the ended one has gone."""
    async with Stage() as stage:
        first = await stage.open()
        await submitted(first, ev.HostEnded())
        await settle()
        second = await stage.open()
        await pass_ms(KEEP_ENDED_MS + 2 * RENEW_MS)
        assert stage.owner.runners() == [second]
        assert stage.owner.find_open_here("colours") is second
        assert stage.owner.find_open_here(second.state.pin) is second


# -- signs of life -----------------------------------------------------------------


@in_virtual_time
async def test_the_owner_gives_signs_of_life() -> None:
    """Every half second while a session is open, and none otherwise."""
    async with Stage() as stage:
        await pass_ms(3000)
        assert stage.journal.renewed == []
        runner = await stage.open()
        began_ms = stage.clock.now_ms()
        await pass_ms(2000)
        times = [at_ms - began_ms for at_ms in stage.journal.renewed]
        assert len(times) == 4
        assert {later - at for at, later in pairwise(times)} == {RENEW_MS}
        await submitted(runner, ev.HostEnded())
        await settle()
        stage.journal.renewed.clear()
        await pass_ms(3000)
        assert stage.journal.renewed == []


@in_virtual_time
async def test_a_sign_that_nobody_takes_is_given_again(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A journal that is away for a while stops no owner."""
    async with Stage() as stage:
        await stage.open()
        tried: list[int] = []

        async def away(now_ms: int) -> None:
            tried.append(now_ms)
            raise JournalUnavailable("away")

        with monkeypatch.context() as patch:
            patch.setattr(stage.journal, "renew", away)
            await pass_ms(2000)
        assert len(tried) == 4
        await pass_ms(1000)
        assert len(stage.journal.renewed) == 2


# -- stopping ----------------------------------------------------------------------


@in_virtual_time
async def test_who_waits_when_the_owner_stops_is_told() -> None:
    """As an unavailable shard, which is a reason to try again."""
    async with Stage() as stage:
        runner = await stage.opened("Ann")
        stage.journal.hold()
        deciding = runner.submit(join("Ben"))
        await settle()
        waiting = runner.submit(join("Cem"))
        reading = runner.read(lambda state: state.phase)
        await stage.owner.stop()
        for reply in (deciding, waiting, reading):
            error = reply.exception()
            assert isinstance(error, Refused)
            assert error.reason is Reason.SHARD_UNAVAILABLE


@in_virtual_time
async def test_nothing_runs_after_a_stop() -> None:
    """No task is left, and no sign of life given."""
    async with Stage() as stage:
        await stage.opened("Ann")
        await stage.owner.stop()
        await settle()
        assert asyncio.all_tasks() == {asyncio.current_task()}
        stage.journal.renewed.clear()
        await pass_ms(5000)
        assert stage.journal.renewed == []
