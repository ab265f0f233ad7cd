"""The tick: decided together, durable first, told afterwards."""

import asyncio

import pytest

from quizd.codes import Reason, Refused
from quizd.session import effects as fx
from quizd.session import events as ev
from quizd.session.state import State
from tests.owner.stage import (
    Stage,
    answering,
    in_virtual_time,
    join,
    pass_ms,
    settle,
    soon,
    submitted,
)
from tests.session.play import multiple, quiz


def reason_of(reply: asyncio.Future[int | None]) -> Reason:
    """Return why *reply* failed."""
    error = reply.exception()
    assert isinstance(error, Refused)
    return error.reason


async def all_of(*replies: asyncio.Future[int | None]) -> list[int | None]:
    """Return the results of *replies*, which take no time."""
    return [await soon(reply) for reply in replies]


# -- durable first -----------------------------------------------------------------


@in_virtual_time
async def test_nothing_is_told_before_it_is_durable() -> None:
    """While a commit is under way there are no effects, replies or readings."""
    async with Stage() as stage:
        runner = await stage.open()
        witness = stage.witness(runner)
        stage.journal.hold()
        joined = runner.submit(join("Ann"))
        await settle()
        names = runner.read(lambda state: list(state.names))
        await settle()
        assert (joined.done(), names.done(), witness.heard) == (False, False, [])
        assert stage.journal.depth == 1
        stage.journal.release()
        assert await soon(joined) == 0
        assert await soon(names) == ["Ann"]
        assert witness.kinds() == ["WelcomeParticipant", "RefreshBoard"]


@in_virtual_time
async def test_what_arrives_during_a_commit_is_the_next_batch() -> None:
    """Five events in between are decided together and kept as one."""
    async with Stage() as stage:
        runner = await stage.open()
        stage.journal.hold()
        first = runner.submit(join("Ann"))
        await settle()
        later = [runner.submit(join(name)) for name in ("Ben", "Cem", "Dia", "Eli")]
        locked = runner.submit(ev.HostLocked())
        await settle()
        assert stage.journal.depth == 1
        stage.journal.release()
        await soon(asyncio.gather(first, *later, locked))
        assert [reply.result() for reply in (first, *later)] == [0, 1, 2, 3, 4]
        assert stage.journal.batches == 3


@in_virtual_time
async def test_an_idle_session_commits_at_once() -> None:
    """Each event by itself takes no time and is a batch of its own."""
    async with Stage() as stage:
        before_ms = stage.clock.now_ms()
        await stage.opened("Ann", "Ben", "Cem")
        assert stage.clock.now_ms() == before_ms
        assert stage.journal.batches == 4


@in_virtual_time
async def test_an_event_that_changes_nothing_is_answered_without_a_record() -> None:
    """The reply to a repeated command comes at once, and nothing is written."""
    async with Stage() as stage:
        runner = await stage.opened("Ann")
        batches = stage.journal.batches
        assert await submitted(runner, ev.HostLocked(locked=False)) is None
        assert stage.journal.batches == batches


@in_virtual_time
async def test_a_reply_without_a_record_waits_for_what_it_shows() -> None:
    """The same key joins again during the commit of the first: told after it."""
    async with Stage() as stage:
        runner = await stage.open()
        stage.journal.hold()
        first = runner.submit(join("Ann", "key"))
        again = runner.submit(join("Ann", "key"))
        await settle()
        assert not again.done()
        stage.journal.release()
        assert await all_of(first, again) == [0, 0]
        assert stage.journal.batches == 2


@in_virtual_time
async def test_an_unavailable_journal_is_asked_until_it_answers() -> None:
    """Ever more slowly, up to two seconds; nothing is told meanwhile, nothing twice."""
    async with Stage(fail_on=range(1, 9)) as stage:
        runner = await stage.open()
        witness = stage.witness(runner)
        joined = runner.submit(join("Ann"))
        began_ms = round(runner.loop.time() * 1000)
        await pass_ms(7000)
        assert (joined.done(), witness.heard) == (False, [])
        other = runner.submit(join("Ben"))
        await pass_ms(2000)
        assert (await soon(joined), await soon(other)) == (0, 1)
        waits = [at - began_ms for at in stage.journal.asked_ms]
        assert waits[:9] == [0, 50, 150, 350, 750, 1550, 3150, 5150, 7150]
        assert stage.journal.kinds(runner.state.session_id) == [
            "SessionOpened",
            "ParticipantAdded",
            "ParticipantAdded",
        ]
        assert stage.journal.batches == 3


@in_virtual_time
async def test_a_batch_whose_outcome_was_unknown_is_kept_once() -> None:
    """The journal had it after all: the same batch again is no second one."""
    async with Stage(lose_reply_on={1, 2, 3}) as stage:
        runner = await stage.open()
        joined = runner.submit(join("Ann"))
        await pass_ms(1000)
        assert joined.result() == 0
        entry = await stage.journal.entry(runner.state.session_id)
        assert entry.last_index == 2
        assert stage.witness(runner).kinds() == ["WelcomeParticipant", "RefreshBoard"]
        assert await submitted(runner, join("Ben")) == 1


@in_virtual_time
async def test_time_that_passes_in_a_commit_is_not_in_its_records() -> None:
    """Records carry the instant of the tick; the next tick has its own."""
    async with Stage() as stage:
        runner = await stage.open()
        stage.journal.hold()
        first = runner.submit(join("Ann"))
        await settle()
        second = runner.submit(join("Ben"))
        began_ms = stage.clock.now_ms()
        await pass_ms(400)
        stage.journal.release()
        await soon(asyncio.gather(first, second))
        records = stage.journal.durable[runner.state.session_id]
        assert [record.at_ms - began_ms for record in records[1:]] == [0, 400]


# -- readings ----------------------------------------------------------------------


@in_virtual_time
async def test_a_reader_s_mistake_is_the_reader_s() -> None:
    """What a reading raises goes to whoever asked; the session goes on."""
    async with Stage() as stage:
        runner = await stage.open()

        def mistaken(state: State) -> int:
            return len(state.names) // 0

        with pytest.raises(ZeroDivisionError):
            await soon(runner.read(mistaken))
        assert await submitted(runner, join("Ann")) == 0
        assert stage.witness(runner).closed == []


@in_virtual_time
async def test_a_reader_who_went_away_is_no_matter() -> None:
    """A cancelled reading or reply disturbs nobody else."""
    async with Stage() as stage:
        runner = await stage.open()
        stage.journal.hold()
        gone = runner.submit(join("Ann"))
        stays = runner.submit(join("Ben"))
        late = runner.submit(join("Ann", "same"))
        refused = runner.submit(ev.HostResumed())
        await settle()
        reading = runner.read(lambda state: len(state.names))
        gone.cancel()
        reading.cancel()
        refused.cancel()
        stage.journal.release()
        assert await all_of(stays, late) == [1, 2]
        assert await soon(runner.read(lambda state: len(state.names))) == 3


# -- answers -----------------------------------------------------------------------


@in_virtual_time
async def test_answers_in_the_inbox_wake_the_session() -> None:
    """One record for all that wait, told to those who answered, in their order."""
    async with Stage() as stage:
        runner = await stage.asking("Ann", "Ben", "Cem")
        witness, now_ms = stage.witness(runner), stage.clock.now_ms()
        batches = stage.journal.batches
        for who, option in ((2, b"green"), (0, b"red"), (2, b"green"), (0, b"green")):
            runner.inbox.add(who, now_ms, b"q1", option)
        runner.inbox.add(1, now_ms, b"q1", b"yellow")
        runner.inbox.add(1, now_ms, b"q2", b"green")
        await settle()
        assert stage.journal.batches == batches + 1
        results = [e for _, e in witness.heard if isinstance(e, fx.SendResults)]
        assert results == [fx.SendResults(0, (2, 0))]
        assert witness.repeated == [(2, 0)]
        told = [(who, r.reason, r.details) for who, r in witness.refused]
        assert told == [
            (0, Reason.ALREADY_ANSWERED, {"questionId": "q1"}),
            (1, Reason.INVALID_OPTION, {"questionId": "q1"}),
            (1, Reason.TOO_EARLY, {"questionId": "q2"}),
        ]


@in_virtual_time
async def test_refusals_of_answers_wait_for_the_commit_too() -> None:
    """A repetition is told the result only when that result is durable."""
    async with Stage() as stage:
        runner = await stage.asking("Ann", "Ben")
        witness, now_ms = stage.witness(runner), stage.clock.now_ms()
        stage.journal.hold()
        for option in (b"green", b"green", b"red"):
            runner.inbox.add(0, now_ms, b"q1", option)
        await settle()
        assert (witness.repeated, witness.refused) == ([], [])
        stage.journal.release()
        await settle()
        assert witness.repeated == [(0, 0)]
        assert [refused.reason for _, refused in witness.refused] == [
            Reason.ALREADY_ANSWERED
        ]


@in_virtual_time
async def test_general_answers_from_the_inbox_count_like_others() -> None:
    """A multiple choice by one option's text is decided in the same tick."""
    async with Stage() as stage:
        runner = await stage.asking("Ann", definition=quiz(multiple("green")))
        now_ms = stage.clock.now_ms()
        runner.inbox.add(0, now_ms, b"q1", b"green", b"noon")
        runner.inbox.add(0, now_ms, b"q1", b"green", b"later")
        await settle()
        assert await soon(runner.read(lambda state: state.board.score(0))) == 1000
        assert stage.witness(runner).repeated == [(0, 0)]


@in_virtual_time
async def test_posted_answers_are_told_by_their_connection() -> None:
    """Accepted, repeated or refused; nobody waits for a future."""
    async with Stage() as stage:
        runner = await stage.asking("Ann", "Ben")
        witness, now_ms = stage.witness(runner), stage.clock.now_ms()
        for option in ("green", "green", "red"):
            event = answering(0, option, now_ms)
            assert isinstance(event, ev.AnswerSubmitted)
            runner.post(event)
        await settle()
        assert witness.kinds().count("SendResults") == 1
        assert witness.repeated == [(0, 0)]
        assert [who for who, _ in witness.refused] == [0]


@in_virtual_time
async def test_submitted_answers_return_their_question() -> None:
    """Also when it is a repetition, of an earlier question, in any phase."""
    async with Stage() as stage:
        runner = await stage.asking("Ann")
        answer = answering(0, "green", stage.clock.now_ms())
        assert await submitted(runner, answer) == 0
        assert await submitted(runner, answer) == 0
        await submitted(runner, ev.HostSkipped(0))
        assert await submitted(runner, answer) == 0
        second = answering(0, "red", stage.clock.now_ms(), "q2")
        assert await submitted(runner, second) == 1
        with pytest.raises(Refused) as caught:
            await submitted(runner, answering(0, "blue", stage.clock.now_ms()))
        assert caught.value.reason is Reason.ALREADY_ANSWERED


# -- bounds ------------------------------------------------------------------------


@in_virtual_time
async def test_a_full_queue_refuses_by_name() -> None:
    """What is over the bound is refused at once, the rest is done in its turn."""
    async with Stage(waiting=3) as stage:
        runner = await stage.opened("Ann")
        witness = stage.witness(runner)
        stage.journal.hold()
        first = runner.submit(join("Ben"))
        await settle()
        waiting = [runner.submit(join(name)) for name in ("Cem", "Dia", "Eli")]
        assert reason_of(runner.submit(join("Fay"))) is Reason.SHARD_UNAVAILABLE
        answer = answering(0, "green", stage.clock.now_ms())
        assert isinstance(answer, ev.AnswerSubmitted)
        runner.post(answer)
        assert [(who, r.reason) for who, r in witness.refused] == [
            (0, Reason.SHARD_UNAVAILABLE)
        ]
        stage.journal.release()
        assert await all_of(first, *waiting) == [1, 2, 3, 4]


@in_virtual_time
async def test_a_full_inbox_takes_nothing() -> None:
    """The bound is that of the queue; the next tick makes room."""
    async with Stage(waiting=3) as stage:
        runner = await stage.asking("Ann", "Ben", "Cem", "Dia")
        now_ms = stage.clock.now_ms()
        taken = [runner.inbox.add(who, now_ms, b"q1", b"green") for who in range(4)]
        assert taken == [True, True, True, False]
        await settle()
        assert runner.inbox.add(3, now_ms, b"q1", b"green")
        await settle()
        answered = await soon(runner.read(lambda state: state.sheets[0].answered))
        assert answered == 4
