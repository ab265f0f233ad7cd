"""A hub: who is attached, what effects become, and what is said only once.

The session behind it is real, its runner is a fake that is always durable, and each
connection is one end of a socket pair.
"""

import asyncio
import random
from collections.abc import Callable
from typing import Any

import pytest

from quizd.codes import Close, Reason, Refused
from quizd.edge import fanout
from quizd.edge.connection import Visit
from quizd.edge.hub import LINGER_S
from quizd.session import events as ev
from tests.edge.stage import only, seqs, stage
from tests.support import virtual_time
from tests.support.wires import Caller, Census

# -- coming and going --------------------------------------------------------------


async def test_newcomer_is_given_the_picture() -> None:
    """The first thing on a line is the welcome, with the seq that it contains."""
    one = stage(3)
    one.opens_question()
    player = Caller.player(one.hub, 1)
    (welcome,) = player.got()
    assert welcome["payload"]["seq"] == one.live.state.seq == 2
    assert welcome["payload"]["question"]["questionId"] == "q1"
    assert one.runner.present == [("came", 1)]


@pytest.mark.parametrize(
    ("epoch", "after", "resumed"),
    [(1, 2, True), (1, 1, False), (1, 3, False), (2, 2, False), (None, None, False)],
)
async def test_resumed_means_that_nothing_was_missed(
    epoch: int | None, after: int | None, resumed: bool
) -> None:
    """Only with the very epoch and seq of the picture."""
    one = stage(1)
    one.opens_question()
    caller = Caller(one.hub, Visit(0, "p0", epoch, after)).up()
    assert only("welcome", caller.got())["resumed"] is resumed


async def test_newer_connection_takes_over() -> None:
    """The older is closed with 4009, and its end does not detach the newer."""
    one = stage(2)
    older = Caller.player(one.hub, 1)
    older.got()
    newer = Caller.player(one.hub, 1)
    assert older.line.close_code() == Close.REPLACED
    assert newer.kinds() == ["welcome"]
    older.down()
    one.does(ev.HostStarted())
    assert newer.kinds() == ["quiz_starting"]
    assert one.runner.present == [("came", 1), ("came", 1)]
    newer.down()
    assert one.runner.present[-1] == ("went", 1)


async def test_removed_participant_is_not_let_back() -> None:
    """A valid token opens nothing once its participant was removed."""
    one = stage(2)
    one.does(ev.HostKicked("p1"))
    caller = Caller.player(one.hub, 1)
    assert caller.line.close_code() == Close.REMOVED
    assert one.runner.present == []


async def test_line_that_broke_before_its_turn_is_not_attached() -> None:
    """Nobody is counted as present who was gone before the picture was ready."""
    one = stage(1)
    looks: list[Callable[[Any], None]] = []
    one.runner.look = looks.append  # type: ignore[method-assign, assignment]
    caller = Caller.player(one.hub, 0)
    caller.down()
    for look in looks:
        look(one.live.state)
    assert caller.got() == []
    assert one.runner.present == []


async def test_census_counts_each_connection_once() -> None:
    """Up and down, players and hosts, replaced ones too."""
    one, life = stage(2), Census()
    callers = [
        Caller(one.hub, visit, life).up()
        for visit in (Visit(0, "p0"), Visit(0, "p0"), Visit(1, "p1"), Visit(None))
    ]
    assert life.up == 4
    for caller in callers:
        caller.down()
    assert life.up == 0


async def test_broadcasts_reach_exactly_who_is_attached() -> None:
    """Through any order of coming, going and taking over."""
    seed = random.randrange(1 << 32)
    print(f"seed {seed}")
    rng = random.Random(seed)
    players = 12
    one = stage(players)
    one.opens_question()
    present: dict[int, Caller] = {}
    every: list[Caller] = []
    for _ in range(150):
        index = rng.randrange(players)
        if index in present and rng.random() < 0.5:
            present.pop(index).down()
        else:
            present[index] = Caller.player(one.hub, index)
            every.append(present[index])
        for caller in every:
            caller.got()
        pausing = one.live.state.phase != "paused"
        one.does(ev.HostPaused() if pausing else ev.HostResumed())
        heard = [caller for caller in every if seqs(caller.got())]
        assert heard == [caller for caller in every if caller in present.values()]


@pytest.mark.parametrize("turns", range(6))
async def test_who_comes_during_a_fan_out_misses_nothing(
    turns: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """After a welcome with seq S come S+1, S+2 and nothing else, for everybody."""
    monkeypatch.setattr(fanout, "SLICE_S", 0.0)
    one = stage(150)
    early = [Caller.player(one.hub, index) for index in range(140)]
    for event in (ev.HostStarted(), ev.HostAdvanced(), ev.HostAdvanced()):
        one.does(event)
    for _ in range(turns):
        await asyncio.sleep(0)
    late = [Caller.player(one.hub, index) for index in range(135, 150)]
    one.does(ev.HostPaused())
    for _ in range(30):
        await asyncio.sleep(0)
    for caller in [*early[:135], *late]:
        messages = caller.got()
        start = only("welcome", messages)["seq"]
        assert seqs(messages) == list(range(start + 1, 5))


# -- effects -----------------------------------------------------------------------


async def test_everybody_is_told_the_same_numbers() -> None:
    """Players and hosts get each broadcast once, in order; a player's has you."""
    one = stage(3)
    players = [Caller.player(one.hub, index) for index in range(3)]
    host = Caller.host(one.hub)
    one.opens_question()
    one.answers(1, "run")
    one.does(ev.HostAdvanced())
    one.does(ev.HostEnded())
    for index, player in enumerate(players):
        messages = player.got()
        assert seqs(messages) == [1, 2, 3, 4]
        you = only("question_closed", messages)["you"]
        assert (you["rank"], you["of"]) == (1 if index == 1 else 2, 3)
        assert only("quiz_ended", messages)["you"]["score"] == (1000, 0)[index != 1]
    messages = host.got()
    assert seqs(messages) == [1, 2, 3, 4]
    assert "you" not in only("quiz_ended", messages)


async def test_result_goes_to_who_answered() -> None:
    """Nobody else hears of it, and who is away is passed over."""
    one = stage(3)
    players = [Caller.player(one.hub, index) for index in range(2)]
    one.opens_question()
    for player in players:
        player.got()
    one.answers(0, "run")
    one.answers(2, "run")
    assert only("answer_result", players[0].got())["points"] == 1000
    assert "answer_result" not in players[1].kinds()
    one.hub.repeat(0, 0)
    assert players[0].kinds() == ["answer_result"]
    one.hub.repeat(2, 0)


async def test_refusal_goes_to_who_is_refused() -> None:
    """Whoever is not connected is not told, and that is no fault."""
    one = stage(3)
    player, other = Caller.player(one.hub, 0), Caller.player(one.hub, 1)
    for caller in (player, other):
        caller.got()
    for index in (0, 2, 99):
        one.hub.refuse(index, Refused(Reason.TOO_LATE, questionId="q1"))
    assert only("error", player.got())["details"] == {"questionId": "q1"}
    assert other.got() == []


@pytest.mark.parametrize(("ban", "reason"), [(False, "kicked"), (True, "banned")])
async def test_removal_is_said_and_ends_the_line(ban: bool, reason: str) -> None:
    """``removed``, then 4010; everybody else hears a number."""
    one = stage(3)
    player, other = Caller.player(one.hub, 1), Caller.player(one.hub, 0)
    for caller in (player, other):
        caller.got()
    one.does(ev.HostKicked("p1", ban))
    last = player.line.frames()
    assert reason.encode() in last[0].payload
    assert last[1].code == Close.REMOVED
    await asyncio.sleep(0.01)
    crowd = only("participants_changed", other.got())
    assert (crowd["participants"], crowd["left"]) == (2, 1)


async def test_nothing_is_made_for_nobody() -> None:
    """Who joined before anybody was here is in the picture, and in no later message."""
    one = stage(2)
    one.does(ev.ParticipantJoined("early", "Early", ""))
    await asyncio.sleep(0.01)
    host = Caller.host(one.hub)
    assert "participants_changed" not in host.kinds()
    one.does(ev.ParticipantJoined("late", "Late", ""))
    await asyncio.sleep(0.01)
    crowd = only("participants_changed", host.got())
    assert crowd["participants"] == 4
    assert [each["participantName"] for each in crowd["joined"]] == ["Late"]


async def test_close_all_closes_hosts_too() -> None:
    """With the code that is asked for."""
    one = stage(2)
    callers = [*(Caller.player(one.hub, index) for index in range(2))]
    callers.append(Caller.host(one.hub))
    one.hub.close_all(Close.SERVICE_RESTART)
    assert [caller.line.close_code() for caller in callers] == [1012] * 3


async def test_reconnect_is_spread() -> None:
    """Each connection is told a delay of its own."""
    one = stage(3)
    callers = [*(Caller.player(one.hub, index) for index in range(3))]
    callers.append(Caller.host(one.hub))
    delays = iter([10, 20, 30, 40])
    one.hub.say_reconnect(lambda: next(delays), "restart")
    told = [only("reconnect", caller.got()) for caller in callers]
    assert told == [{"afterMs": ms, "reason": "restart"} for ms in (10, 20, 30, 40)]


def test_after_the_end_lines_are_closed_in_time() -> None:
    """Players may look at the board for a while; then the session lets go of them."""

    async def main() -> None:
        one = stage(1)
        player = Caller.player(one.hub, 0)
        one.does(ev.HostEnded())
        await asyncio.sleep(LINGER_S - 1)
        assert player.line.close_code() is None
        await asyncio.sleep(2)
        assert player.line.close_code() == Close.NORMAL

    virtual_time.run(main)


# -- a connection's own messages ---------------------------------------------------


async def test_leaderboard_is_answered() -> None:
    """With the top, and for a player with the own place."""
    one = stage(3)
    player, host = Caller.player(one.hub, 2), Caller.host(one.hub)
    for caller in (player, host):
        caller.got()
        caller.send("get_leaderboard")
    answer = only("leaderboard_data", player.got())
    assert answer["you"] == {"score": 0, "rank": 1, "of": 3}
    assert len(answer["leaderboard"]) == 3
    assert "you" not in only("leaderboard_data", host.got())


@pytest.mark.parametrize("sent_at", ["2026-01-31T09:30:00.000Z", 17, 1.5, None])
async def test_heartbeat_comes_back_as_it_is(sent_at: object) -> None:
    """With the server's time; without sentAt where there was none."""
    one = stage(1)
    player = Caller.player(one.hub, 0)
    player.got()
    player.send("heartbeat", **({} if sent_at is None else {"sentAt": sent_at}))
    assert only("heartbeat", player.got()).get("sentAt") == sent_at
