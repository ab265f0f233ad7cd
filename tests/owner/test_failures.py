"""Sessions that fail: fenced off, met by a bug, or left without their journal."""

import asyncio
from typing import NoReturn

import pytest

from quizd.cluster.base import LeaseGone
from quizd.codes import Close, Reason, Refused
from quizd.journal.base import JournalUnavailable
from quizd.owner.owner import (
    FAILURES_MAX,
    FAILURES_MS,
    KEEP_ENDED_MS,
    PATIENCE_S,
    RELOAD_RETRY_S,
)
from quizd.owner.runner import Runner
from quizd.session import effects as fx
from quizd.session import events as ev
from quizd.session.live import DECIDE
from quizd.session.state import State
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
from tests.session.play import quiz, single

QUESTION_MS = 20_000


def broken(*_: object) -> NoReturn:
    """Do nothing, being a bug."""
    raise RuntimeError("a bug")


async def away(*_: object) -> NoReturn:
    """Do nothing, as the journal is away."""
    raise JournalUnavailable("away")


async def fail(
    stage: Stage, monkeypatch: pytest.MonkeyPatch, quiz_id: str = "colours"
) -> None:
    """Let the session of *quiz_id* meet a bug."""
    with monkeypatch.context() as patch:
        patch.setitem(DECIDE, ev.HostLocked, broken)
        failed = (await stage.owner.find(quiz_id)).submit(ev.HostLocked())
        await settle()
    assert isinstance(failed.exception(), Refused)


# -- fenced ------------------------------------------------------------------------


@in_virtual_time
async def test_a_fenced_session_is_reloaded_and_nobody_told_a_lie() -> None:
    """Who waited is refused, the lines are closed, and the journal is read again."""
    async with Stage() as stage:
        runner = await stage.opened("Ann")
        other = await stage.opened("Ben", quiz_id="other")
        witness, session_id = stage.witness(runner), runner.state.session_id
        await stage.journal.claim(session_id, stage.clock.now_ms() + 1)
        heard = len(witness.heard)
        waiting = [runner.submit(join(name)) for name in ("Cem", "Dia")]
        await settle()
        for reply in waiting:
            error = reply.exception()
            assert isinstance(error, Refused)
            assert error.reason is Reason.SHARD_UNAVAILABLE
        assert witness.closed == [Close.SERVICE_RESTART]
        assert len(witness.heard) == heard
        again = await stage.owner.find("colours")
        assert again is not runner
        assert await soon(again.read(lambda state: list(state.names))) == ["Ann"]
        assert await submitted(again, join("Cem")) == 1
        assert (await stage.owner.find("other")) is other
        assert stage.witness(other).closed == []
        assert stage.owner.failures == 1


@in_virtual_time
async def test_a_batch_of_a_fenced_owner_changes_nothing() -> None:
    """What it decided in vain is not in the session that comes back."""
    async with Stage() as stage:
        runner = await stage.asking("Ann")
        stage.journal.hold()
        lost = runner.submit(answering(0, "green", stage.clock.now_ms()))
        await settle()
        claim = asyncio.ensure_future(
            stage.journal.claim(runner.state.session_id, stage.clock.now_ms() + 1)
        )
        lock = runner.submit(ev.HostLocked())
        await settle()
        stage.journal.release()
        await settle()
        assert lost.result() == 0
        assert isinstance(lock.exception(), Refused)
        await claim
        again = await stage.owner.find("colours")
        answered, locked = await soon(
            again.read(lambda state: (state.sheets[0].answered, state.locked))
        )
        assert (answered, locked) == (1, False)


# -- without the lease -------------------------------------------------------------


class StageLease:
    """A lease that the test takes away, for a while or for good."""

    def __init__(self) -> None:
        self.gone = False
        self._may = asyncio.Event()
        self._may.set()

    def holds(self) -> bool:
        """Tell whether it was not taken away."""
        return self._may.is_set() and not self.gone

    async def held(self) -> None:
        """Wait until it is given back; fail once it never will be."""
        await self._may.wait()
        if self.gone:
            raise LeaseGone("a/1 was replaced")

    def lose(self) -> None:
        """Take it away for a while."""
        self._may.clear()

    def regain(self) -> None:
        """Give it back."""
        self._may.set()


@in_virtual_time
async def test_a_replaced_process_lets_its_sessions_go() -> None:
    """It claims none of them back, whoever has them by then."""
    lease, fenced = StageLease(), list[Runner]()
    async with Stage(lease=lease) as stage:
        stage.owner.on_fenced = fenced.append
        runners = [
            await stage.opened("Ann"),
            await stage.opened("Ben", quiz_id="other"),
        ]
        taken = runners[0].state.session_id
        await stage.journal.claim(taken, stage.clock.now_ms() + 1)
        terms = [entry.term for entry in await stage.journal.sessions()]
        lease.gone = True
        joining = [runner.submit(join("Cem")) for runner in runners]
        await pass_ms(60_000)
        assert fenced == runners
        assert stage.owner.runners() == []
        assert [entry.term for entry in await stage.journal.sessions()] == terms
        for reply in joining:
            assert isinstance(reply.exception(), Refused)


@in_virtual_time
@pytest.mark.parametrize("taken", [False, True])
async def test_a_reload_waits_for_the_lease(
    taken: bool,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """After a bug nothing is claimed without it; what another one has stays his."""
    lease, fenced = StageLease(), list[Runner]()
    async with Stage(lease=lease) as stage:
        stage.owner.on_fenced = fenced.append
        runner = await stage.opened("Ann")
        session_id, term = runner.state.session_id, runner.term

        def clumsy(*_: object) -> None:
            lease.lose()
            raise RuntimeError("a bug")

        monkeypatch.setattr(stage.witness(runner), "release", clumsy)
        joined = runner.submit(join("Ben"))
        await pass_ms(1000)
        assert isinstance(joined.exception(), Refused)
        assert (await stage.journal.entry(session_id)).term == term
        if taken:
            term = (await stage.journal.claim(session_id, term + 1)).term
        lease.regain()
        await pass_ms(60_000)
        entry = await stage.journal.entry(session_id)
        assert (entry.term > term) is not taken
        assert fenced == ([runner] if taken else [])
        assert (stage.owner.known(session_id) is None) is taken


@in_virtual_time
async def test_alone_a_replaced_process_forgets_its_sessions() -> None:
    """Where nobody is told of it, nobody is promised the session any more."""
    lease = StageLease()
    async with Stage(lease=lease) as stage:
        runner = await stage.opened("Ann")
        lease.gone = True
        joining = runner.submit(join("Ben"))
        await pass_ms(1000)
        assert isinstance(joining.exception(), Refused)
        assert stage.owner.known(runner.state.session_id) is None
        entry = await stage.journal.entry(runner.state.session_id)
        assert entry.term == runner.term


# -- bugs --------------------------------------------------------------------------


@in_virtual_time
async def test_a_bug_costs_its_session_a_reload_and_others_nothing(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The session comes back as it was before the event that it could not decide."""
    async with Stage() as stage:
        runner = await stage.asking("Ann", "Ben")
        other = await stage.opened("Zoe", quiz_id="other")
        await submitted(runner, answering(0, "green", stage.clock.now_ms()))
        witness, before = stage.witness(runner), await state_of(runner)
        with monkeypatch.context() as patch:
            patch.setitem(DECIDE, ev.HostLocked, broken)
            joined = runner.submit(join("Cem"))
            locked = runner.submit(ev.HostLocked())
            await settle()
        for reply in (joined, locked):
            error = reply.exception()
            assert isinstance(error, Refused)
            assert error.reason is Reason.SHARD_UNAVAILABLE
        assert witness.closed == [Close.SERVICE_RESTART]
        again = await stage.owner.find("colours")
        assert again is not runner
        assert await state_of(again) == before
        await submitted(again, ev.HostLocked())
        assert stage.owner.failures == 1
        assert (await stage.owner.find("other")) is other
        assert await submitted(other, join("Yan")) == 1
        assert stage.witness(other).closed == []


@in_virtual_time
async def test_a_bug_in_telling_loses_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    """What was durable is in the session that comes back, told by its picture."""
    async with Stage() as stage:
        runner = await stage.opened("Ann")

        def clumsy(_: object) -> None:
            raise RuntimeError("a bug")

        monkeypatch.setattr(stage.witness(runner), "release", clumsy)
        joined = runner.submit(join("Ben"))
        await settle()
        assert isinstance(joined.exception(), Refused)
        again = await stage.owner.find("colours")
        assert await soon(again.read(lambda state: list(state.names))) == ["Ann", "Ben"]


@in_virtual_time
async def test_a_question_goes_on_after_a_bug(monkeypatch: pytest.MonkeyPatch) -> None:
    """Its time is moved by no more than the reload took, and its end is met."""
    async with Stage() as stage:
        runner = await stage.asking("Ann", "Ben")
        opened_ms = stage.clock.now_ms()
        await pass_ms(5000)
        with monkeypatch.context() as patch:
            patch.setitem(DECIDE, ev.HostLocked, broken)
            locked = runner.submit(ev.HostLocked())
            await settle()
        assert isinstance(locked.exception(), Refused)
        again = await stage.owner.find("colours")
        await pass_ms(60_000)
        closed_ms = stage.witness(again).when(fx.RevealQuestion)[0]
        assert 0 <= closed_ms - opened_ms - QUESTION_MS <= 500


@in_virtual_time
async def test_a_session_that_always_fails_is_given_up(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """After some reloads in a row nobody finds it; the others play on."""
    async with Stage() as stage:
        await stage.asking("Ann", definition=quiz(single(time_s=1)))
        other = await stage.opened("Zoe", quiz_id="other")
        monkeypatch.setitem(DECIDE, ev.DeadlinePassed, broken)
        await pass_ms(60_000)
        assert stage.owner.failures == FAILURES_MAX + 1
        assert stage.owner.find_open_here("colours") is None
        assert stage.owner.runners() == [other]
        assert await submitted(other, join("Yan")) == 1


@in_virtual_time
async def test_whoever_waits_for_a_reload_finds_the_next_runner() -> None:
    """From the failure on, the old runner takes nothing and says so."""
    async with Stage() as stage:
        runner = await stage.opened("Ann")
        await stage.journal.claim(runner.state.session_id, stage.clock.now_ms() + 1)
        failed = runner.submit(join("Ben"))
        await settle()
        assert isinstance(failed.exception(), Refused)
        again = await stage.owner.session(runner.state.session_id)
        assert await submitted(again, join("Ben")) == 1


@in_virtual_time
async def test_failures_that_lie_far_apart_are_not_added_up(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A bug now and then is a reload each time, and no end of the session."""
    async with Stage() as stage:
        await stage.opened("Ann")
        for number in range(3 * FAILURES_MAX):
            await fail(stage, monkeypatch)
            await pass_ms(FAILURES_MS)
            again = await stage.owner.find("colours")
            assert await submitted(again, join(f"Ben {number}")) == number + 1
        assert stage.owner.failures == 3 * FAILURES_MAX


# -- without the journal -----------------------------------------------------------


@in_virtual_time
async def test_a_reload_waits_for_its_journal(monkeypatch: pytest.MonkeyPatch) -> None:
    """Away when the session fails, back later: the session comes back, too."""
    async with Stage() as stage:
        runner = await stage.opened("Ann")
        claim, left = stage.journal.claim, [3]

        async def away_at_first(session_id: str, now_ms: int) -> object:
            left[0] -= 1
            if left[0] >= 0:
                raise JournalUnavailable("away")
            return await claim(session_id, now_ms)

        monkeypatch.setattr(stage.journal, "claim", away_at_first)
        await fail(stage, monkeypatch)
        assert (await stage.owner.find("colours")) is runner
        await pass_ms(5000)
        again = await stage.owner.find("colours")
        assert again is not runner
        assert await submitted(again, join("Ben")) == 1


@in_virtual_time
async def test_a_runner_that_was_given_up_keeps_nobody_waiting(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Until the session is back, whoever asks is refused at once."""
    async with Stage() as stage:
        runner = await stage.opened("Ann")
        looked: list[State] = []
        with monkeypatch.context() as patch:
            patch.setattr(stage.journal, "claim", away)
            await fail(stage, monkeypatch)
            joining = runner.submit(join("Ben"))
            reading = runner.read(lambda state: len(state.names))
            runner.look(looked.append)
            for reply in (joining, reading):
                error = reply.exception()
                assert isinstance(error, Refused)
                assert error.reason is Reason.SHARD_UNAVAILABLE
        await pass_ms(5000)
        assert looked == []
        assert await submitted(await stage.owner.find("colours"), join("Ben")) == 1


@in_virtual_time
async def test_an_end_that_can_t_be_marked_is_marked_at_the_next_start(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The session is over all the same, and nothing is left in the loop."""
    async with Stage() as stage:
        runner = await stage.opened("Ann")
        with monkeypatch.context() as patch:
            patch.setattr(stage.journal, "finish", away)
            await submitted(runner, ev.HostEnded())
            await settle()
            assert stage.owner.find_open_here("colours") is None
            session_id = runner.state.session_id
            assert not (await stage.journal.entry(session_id)).ended
            await stage.die()
        assert await stage.come_back() == 1
        assert (await stage.journal.entry(session_id)).ended


@in_virtual_time
async def test_an_end_is_marked_as_soon_as_the_journal_is_back(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """It is tried until then, also past the time for which the session is kept."""
    async with Stage() as stage:
        runner = await stage.opened("Ann")
        session_id = runner.state.session_id
        with monkeypatch.context() as patch:
            patch.setattr(stage.journal, "finish", away)
            await submitted(runner, ev.HostEnded())
            await pass_ms(KEEP_ENDED_MS + 2000)
            assert stage.owner.known(session_id) is None
            assert not (await stage.journal.entry(session_id)).ended
        await pass_ms(RELOAD_RETRY_S * 1000)
        assert (await stage.journal.entry(session_id)).ended


@in_virtual_time
async def test_an_end_that_another_owner_marks_is_left_to_it() -> None:
    """Who is fenced asks once, and no more."""
    async with Stage() as stage:
        runner = await stage.opened("Ann")
        finish, asked = stage.journal.finish, list[int]()

        async def fenced(session_id: str, term: int) -> None:
            asked.append(term)
            await stage.journal.claim(session_id, stage.clock.now_ms() + 1)
            await finish(session_id, term)

        stage.journal.finish = fenced  # type: ignore[method-assign]
        await submitted(runner, ev.HostEnded())
        await pass_ms(60_000)
        assert asked == [runner.term]


@in_virtual_time
async def test_stopping_does_not_wait_for_a_journal_that_says_nothing(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """An end that is not marked by then is found by whoever comes next."""
    stage = Stage()
    async with stage:
        runner = await stage.opened("Ann")

        async def silent(*_: object) -> None:
            await asyncio.Event().wait()

        monkeypatch.setattr(stage.journal, "finish", silent)
        await submitted(runner, ev.HostEnded())
        await settle()
        async with asyncio.timeout(2 * PATIENCE_S):
            await stage.owner.stop()


@in_virtual_time
async def test_an_ended_session_that_fails_is_forgotten_once(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """It is found ended twice, and the others' owner goes on saying that it lives."""
    async with Stage() as stage:
        runner = await stage.opened("Ann")
        other = await stage.opened("Ben", quiz_id="other")
        await submitted(runner, ev.HostEnded())
        await settle()
        monkeypatch.setattr(stage.witness(runner), "release", broken)
        joining = runner.submit(join("Cem"))
        await settle()
        assert isinstance(joining.exception(), Refused)
        assert stage.owner.failures == 1
        assert stage.owner.known(runner.state.session_id) is not runner
        await pass_ms(KEEP_ENDED_MS + 2000)
        assert stage.owner.runners() == [other]
        renewed = len(stage.journal.renewed)
        await pass_ms(10_000)
        assert len(stage.journal.renewed) > renewed
