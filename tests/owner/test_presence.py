"""Who is waited for, and the early close that follows from it."""

from hypothesis import given
from hypothesis import strategies as st

from quizd.owner.presence import GRACE_MS, Presence
from quizd.owner.runner import Runner
from quizd.session import effects as fx
from quizd.session import events as ev
from tests.owner.stage import (
    Stage,
    answering,
    in_virtual_time,
    join,
    pass_ms,
    settle,
    submitted,
)
from tests.session.play import quiz, single

T0 = 1_000_000

# -- presence by itself ------------------------------------------------------------


def test_who_is_connected_is_waited_for() -> None:
    """Nobody else is, to begin with."""
    presence = Presence()
    assert presence.expected() == set()
    presence.came(3)
    presence.came(5)
    presence.came(3)
    assert presence.expected() == {3, 5}
    assert presence.next_expiry_ms() is None


def test_who_dropped_out_is_waited_for_a_while() -> None:
    """Until the grace is over, to the millisecond."""
    presence = Presence()
    presence.came(3)
    presence.went(3, T0)
    assert not presence.connected
    presence.expire(T0 + GRACE_MS - 1)
    assert presence.expected() == {3}
    assert presence.next_expiry_ms() == T0 + GRACE_MS
    presence.expire(T0 + GRACE_MS)
    assert presence.expected() == set()
    assert presence.next_expiry_ms() is None


def test_who_comes_back_and_drops_out_again_has_a_new_grace() -> None:
    """The first break counts no more."""
    presence = Presence()
    presence.came(3)
    presence.went(3, T0)
    presence.came(3)
    presence.expire(T0 + GRACE_MS)
    assert presence.expected() == {3}
    presence.went(3, T0 + GRACE_MS)
    presence.expire(T0 + 2 * GRACE_MS - 1)
    assert presence.expected() == {3}
    presence.expire(T0 + 2 * GRACE_MS)
    assert presence.expected() == set()


def test_who_was_removed_is_forgotten_for_good() -> None:
    """The end of their line, which comes later, starts no grace."""
    presence = Presence()
    presence.came(3)
    presence.forget(3)
    assert presence.expected() == set()
    presence.went(3, T0)
    presence.came(3)
    assert presence.expected() == set()
    assert presence.next_expiry_ms() is None


MOVES = st.lists(
    st.tuples(
        st.sampled_from(["came", "went", "forget", "expire"]),
        st.integers(0, 3),
        st.sampled_from([0, 1, GRACE_MS - 1, GRACE_MS, GRACE_MS + 1]),
    ),
    max_size=30,
)


@given(MOVES)
def test_presence_is_its_plain_description(moves: list[tuple[str, int, int]]) -> None:
    """Connected, or gone for less than the grace; kept small, whatever happens."""
    presence, now_ms = Presence(), T0
    up: set[int] = set()
    down: dict[int, int] = {}
    removed: set[int] = set()
    for move, who, wait_ms in moves:
        now_ms += wait_ms
        if move == "came":
            presence.came(who)
            up, down = up | {who}, {k: v for k, v in down.items() if k != who}
        elif move == "went":
            presence.went(who, now_ms)
            up, down = up - {who}, {**down, who: now_ms + GRACE_MS}
        elif move == "forget":
            presence.forget(who)
            removed.add(who)
        presence.expire(now_ms)
        down = {k: until for k, until in down.items() if until > now_ms}
        assert presence.expected() == (up | set(down)) - removed
        assert presence.connected.keys() == up - removed


def test_a_line_that_comes_and_goes_for_hours_leaves_nothing() -> None:
    """Where nobody asks who is expected, breaks that are long over are forgotten."""
    presence = Presence()
    for step in range(10_000):
        presence.came(0)
        presence.went(0, T0 + step * GRACE_MS)
    assert presence.next_expiry_ms() == T0 + 10_000 * GRACE_MS


# -- the early close ---------------------------------------------------------------


async def answer(stage: Stage, runner: Runner, *participants: int) -> None:
    """Let *participants* answer the first question now."""
    for who in participants:
        await submitted(runner, answering(who, "green", stage.clock.now_ms()))


@in_virtual_time
async def test_a_question_closes_when_all_have_answered() -> None:
    """At once, with the last answer, and not before it."""
    async with Stage() as stage:
        runner = await stage.asking("Ann", "Ben", "Cem")
        witness = stage.witness(runner)
        await pass_ms(1000)
        await answer(stage, runner, 0, 2)
        assert witness.when(fx.RevealQuestion) == []
        await pass_ms(1000)
        await answer(stage, runner, 1)
        assert witness.when(fx.RevealQuestion) == [stage.clock.now_ms()]


@in_virtual_time
async def test_who_never_connected_is_not_waited_for() -> None:
    """Joined, but without a line: the others' answers are enough."""
    async with Stage() as stage:
        runner = await stage.opened("Ann")
        await submitted(runner, join("Ben"))
        await submitted(runner, ev.HostStarted())
        await submitted(runner, ev.HostAdvanced(0))
        await answer(stage, runner, 0)
        assert len(stage.witness(runner).when(fx.RevealQuestion)) == 1


@in_virtual_time
async def test_where_nobody_is_connected_time_decides() -> None:
    """Nobody's answers are not everybody's."""
    async with Stage() as stage:
        runner = await stage.asking("Ann")
        await submitted(runner, answering(0, "green", stage.clock.now_ms()))
        closed = stage.witness(runner).when(fx.RevealQuestion)
        assert len(closed) == 1
        runner.went(0)
        await submitted(runner, ev.HostSkipped(0))
        opened_ms = stage.clock.now_ms()
        await pass_ms(25_000)
        closed = stage.witness(runner).when(fx.RevealQuestion)
        assert closed[1:] == [opened_ms + 20_000]


@in_virtual_time
async def test_who_dropped_out_has_a_grace_to_come_back_in() -> None:
    """The close waits for it to end, to the millisecond, and not for the timer."""
    async with Stage() as stage:
        runner = await stage.asking("Ann", "Ben")
        await pass_ms(1000)
        runner.went(1)
        dropped_ms = stage.clock.now_ms()
        await pass_ms(500)
        await answer(stage, runner, 0)
        await pass_ms(10_000)
        closed = stage.witness(runner).when(fx.RevealQuestion)
        assert closed == [dropped_ms + GRACE_MS]


@in_virtual_time
async def test_who_came_back_in_time_is_waited_for() -> None:
    """Then the close comes with the answer, long after the grace."""
    async with Stage() as stage:
        runner = await stage.asking("Ann", "Ben")
        runner.went(1)
        await answer(stage, runner, 0)
        await pass_ms(GRACE_MS - 1)
        runner.came(1)
        await pass_ms(GRACE_MS)
        assert stage.witness(runner).when(fx.RevealQuestion) == []
        await answer(stage, runner, 1)
        assert len(stage.witness(runner).when(fx.RevealQuestion)) == 1


@in_virtual_time
async def test_who_dropped_out_after_answering_is_no_reason_to_wait() -> None:
    """The answer is there."""
    async with Stage() as stage:
        runner = await stage.asking("Ann", "Ben")
        await answer(stage, runner, 1)
        runner.went(1)
        await answer(stage, runner, 0)
        assert len(stage.witness(runner).when(fx.RevealQuestion)) == 1


@in_virtual_time
async def test_who_was_removed_is_not_waited_for() -> None:
    """The end of the removed player's line closes the question for the others."""
    async with Stage() as stage:
        runner = await stage.asking("Ann", "Ben")
        await answer(stage, runner, 0)
        await submitted(runner, ev.HostKicked("ben"))
        runner.presence.forget(1)  # what the connections' side does with the effect
        runner.went(1)
        await settle()
        assert len(stage.witness(runner).when(fx.RevealQuestion)) == 1


@in_virtual_time
async def test_a_newcomer_is_waited_for() -> None:
    """Who connects during the question can still answer it."""
    async with Stage() as stage:
        runner = await stage.asking("Ann")
        who = await submitted(runner, join("Ben"))
        assert who == 1
        runner.came(who)
        await answer(stage, runner, 0)
        assert stage.witness(runner).when(fx.RevealQuestion) == []
        await answer(stage, runner, 1)
        assert len(stage.witness(runner).when(fx.RevealQuestion)) == 1


@in_virtual_time
async def test_the_next_question_waits_for_its_own_answers() -> None:
    """An early close of one question is none of the next."""
    definition = quiz(single(), single(), reveal_s=1)
    async with Stage() as stage:
        runner = await stage.asking("Ann", definition=definition)
        await answer(stage, runner, 0)
        await pass_ms(2000)
        witness = stage.witness(runner)
        assert len(witness.when(fx.ShowQuestion)) == 2
        assert len(witness.when(fx.RevealQuestion)) == 1
