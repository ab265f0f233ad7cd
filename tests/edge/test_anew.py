"""A hub whose session is not what it was: shown anew, reloaded, or taken elsewhere."""

import asyncio
from collections.abc import Callable
from typing import Any, cast

import pytest

from quizd.accounts.tokens import Tokens
from quizd.clock import SystemClock
from quizd.codes import Close
from quizd.edge.admission import Admitted, Turned
from quizd.edge.connection import Visit
from quizd.edge.edge import Edge
from quizd.owner.handle import Handle
from quizd.session import events as ev
from quizd.settings import Settings
from tests.edge.stage import Stage, seqs, stage
from tests.support.wires import Caller, StageRunner, session

PLAYERS = 130


async def settle() -> None:
    """Let all steps of a fan-out happen."""
    for _ in range(20):
        await asyncio.sleep(0)


def goes_back_to(one: Stage, players: int) -> None:
    """Let the session be as it was when only so many had joined."""
    one.live = session(players)
    one.runner.state = one.live.state
    one.hub.show_anew()


async def test_everybody_is_given_the_picture_anew() -> None:
    """What follows is numbered from there, and nothing says that it is as it was."""
    one = stage(PLAYERS)
    callers = [Caller.player(one.hub, index) for index in range(PLAYERS)]
    callers.append(Caller.host(one.hub))
    one.opens_question()
    for caller in callers:
        caller.got()
    goes_back_to(one, PLAYERS)
    await settle()
    one.does(ev.HostStarted())
    await settle()
    for caller in callers:
        welcome, *rest = [m for m in caller.got() if m["type"] != "host_state"]
        assert (welcome["type"], welcome["payload"]["resumed"]) == ("welcome", False)
        assert welcome["payload"]["seq"] == 0
        assert seqs(rest) == [1]


@pytest.mark.parametrize("lost", [0, 60, PLAYERS - 1])
async def test_whose_joining_is_lost_is_sent_to_join_again(lost: int) -> None:
    """The others are shown what there is, wherever in the list they stand."""
    one = stage(PLAYERS)
    callers = [Caller.player(one.hub, index) for index in range(PLAYERS)]
    for caller in callers:
        caller.got()
    goes_back_to(one, lost)
    await settle()
    for caller in callers[lost:]:
        assert caller.line.close_code() == Close.UNAUTHORIZED
    for caller in callers[:lost]:
        assert caller.kinds() == ["welcome"]


async def test_nobody_is_shown_what_is_another_players() -> None:
    """Somebody else has the number now under which a lost player was known."""
    one = stage(1)
    player = Caller.player(one.hub, 0)
    player.got()
    goes_back_to(one, 0)
    one.does(ev.ParticipantJoined("other", "Other"))
    await settle()
    assert player.line.close_code() == Close.UNAUTHORIZED


async def test_new_epoch_is_shown_to_all() -> None:
    """Nobody is told that nothing was missed by the numbers of the epoch before."""
    one = stage(2)
    player, host = Caller.player(one.hub, 0), Caller.host(one.hub)
    one.opens_question()
    for caller in (player, host):
        caller.got()
    one.does(ev.HistoryLost(1))
    one.does(ev.HistoryLost(1))
    await settle()
    for caller in (player, host):
        (welcome,) = [m for m in caller.got() if m["type"] == "welcome"]
        assert (welcome["payload"]["epoch"], welcome["payload"]["seq"]) == (2, 2)
    again = Caller.player(one.hub, 1, epoch=1, after=2)
    (welcome,) = again.got()
    assert welcome["payload"]["resumed"] is False


async def test_who_comes_after_a_loss_is_looked_at_again() -> None:
    """Admitted by what was, and gone by the time that there is a picture."""
    one = stage(2)
    looks: list[Callable[[Any], None]] = []
    one.runner.look = looks.append  # type: ignore[method-assign, assignment]
    caller = Caller.player(one.hub, 1)
    for look in looks:
        look(session(1).state)
    assert caller.line.close_code() == Close.UNAUTHORIZED
    assert one.runner.present == []


async def test_who_waits_for_a_picture_is_closed_as_well() -> None:
    """The session fails before there is one; no line is left that nobody knows of."""
    one = stage(3)
    seen = Caller.player(one.hub, 0)
    one.runner.look = lambda _: None  # type: ignore[method-assign, assignment]
    waiting, gone = Caller.player(one.hub, 1), Caller.player(one.hub, 2)
    gone.down()
    one.hub.close_all(Close.SERVICE_RESTART)
    assert seen.line.close_code() == Close.SERVICE_RESTART
    assert waiting.line.close_code() == Close.SERVICE_RESTART
    assert gone.line.close_code() is None


async def test_who_came_during_a_reload_is_sent_to_the_new_hub() -> None:
    """It waits for a runner that answers no more; it is closed, and comes back."""
    clock = SystemClock()
    edge = Edge(Settings(), Tokens(bytes(32), 60), clock)
    runner = StageRunner(session(1).state)
    runner.look = lambda _: None  # type: ignore[method-assign, assignment]
    elder = edge.lines("s1", cast("Handle", runner))
    caller = Caller.player(elder, 0)
    newer = edge.lines("s1", cast("Handle", StageRunner(session(1).state)))
    assert caller.line.close_code() == Close.SERVICE_RESTART
    assert Caller.player(newer, 0).kinds() == ["welcome"]


async def test_who_comes_where_no_lines_are_is_asked_to_come_again() -> None:
    """The session is known, and its hub is gone: nobody falls into the hole."""
    edge = Edge(Settings(), Tokens(bytes(32), 60), SystemClock())
    runner = cast("Handle", StageRunner(session(1).state))
    edge.lines("s1", runner)
    edge.forget("s1")
    with pytest.raises(Turned) as turned:
        edge._connector()(Admitted(runner, Visit(0, "p0")))
    assert turned.value.code is Close.TRY_AGAIN_LATER


async def test_no_broadcast_overtakes_the_picture() -> None:
    """The new story is longer than the old one, and goes on before all are shown it."""
    one = stage(PLAYERS)
    callers = [Caller.player(one.hub, index) for index in range(PLAYERS)]
    callers.append(Caller.host(one.hub))
    for caller in callers:
        caller.got()
    for event in (ev.HostStarted(), ev.HostAdvanced()):  # nobody here hears of these
        for record in one.live.decide(event, one.now_ms):
            one.live.apply(record)
    one.hub.show_anew()
    await asyncio.sleep(0)
    one.does(ev.HostAdvanced())
    await settle()
    for caller in callers:
        welcome, *rest = [
            m for m in caller.got() if m["type"] == "welcome" or "seq" in m
        ]
        assert welcome["type"] == "welcome"
        due = welcome["payload"]["seq"] + 1
        assert seqs(rest) == list(range(due, 4))
