"""Latest values of a hub: boards, the crowd, the host's state. Time is virtual."""

import asyncio

from quizd.session import events as ev
from quizd.settings import Leaderboard, Settings
from tests.edge.stage import SETTLED_S, boards, only, stage
from tests.support import virtual_time
from tests.support.wires import Caller


def test_board_goes_out_at_once_and_is_then_merged() -> None:
    """The first change waits for nothing; of those that follow the last one counts."""

    async def main() -> None:
        one = stage(20)
        player, host = Caller.player(one.hub, 3), Caller.host(one.hub)
        one.opens_question()
        await asyncio.sleep(SETTLED_S)
        for caller in (player, host):
            caller.got()
        one.answers(0, "run")
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        (first,) = boards(player.got())
        assert [line["score"] for line in first["leaderboard"]][:2] == [1000, 0]
        for index in range(1, 20):
            one.answers(index, "run" if index % 2 else "green")
            await asyncio.sleep(0.01)
        await asyncio.sleep(SETTLED_S)
        shown = boards(player.got())
        assert 2 <= len(shown) <= 3
        assert shown[-1]["you"] == {"score": 1000, "rank": 1, "of": 20}
        assert all("you" not in board for board in boards(host.got()))

    virtual_time.run(main)


def test_board_that_did_not_change_is_not_sent_again() -> None:
    """A change below the top is nobody's news."""

    async def main() -> None:
        settings = Settings(leaderboard=Leaderboard(size=2))
        one = stage(5, settings)
        player = Caller.player(one.hub, 0)
        one.opens_question()
        for index in (0, 1):
            one.answers(index, "run")
        await asyncio.sleep(SETTLED_S)
        assert len(boards(player.got())[-1]["leaderboard"]) == 2
        one.answers(4, "run")
        one.answers(3, "green")
        await asyncio.sleep(SETTLED_S)
        assert boards(player.got()) == []

    virtual_time.run(main)


def test_wrong_answer_uses_up_no_turn_of_the_board() -> None:
    """It changes no board; the right one after it is shown at once."""

    async def main() -> None:
        settings = Settings(leaderboard=Leaderboard(max_per_second=1))
        one = stage(3, settings)
        player = Caller.player(one.hub, 0)
        one.opens_question()
        one.answers(2, "run")
        await asyncio.sleep(SETTLED_S)
        player.got()
        one.answers(1, "green")
        await asyncio.sleep(0.01)
        assert boards(player.got()) == []
        one.answers(0, "run")
        await asyncio.sleep(0.01)
        assert len(boards(player.got())) == 1

    virtual_time.run(main)


def test_turn_that_was_not_used_makes_no_board_come_early() -> None:
    """Right and wrong answers in turn: still no more boards than are allowed."""

    async def main() -> None:
        settings = Settings(leaderboard=Leaderboard(max_per_second=2))
        one = stage(40, settings)
        player = Caller.player(one.hub, 0)
        one.opens_question()
        await asyncio.sleep(SETTLED_S)
        player.got()
        for index in range(1, 40):
            one.answers(index, "run" if index % 2 else "green")
            await asyncio.sleep(0.05)
        assert 3 <= len(boards(player.got())) <= 5

    virtual_time.run(main)


def test_crowd_is_told_in_numbers_and_latest_names() -> None:
    """Two joins a moment apart are one message; names are those since the last."""

    async def main() -> None:
        one = stage(1)
        player = Caller.player(one.hub, 0)
        for index in range(1, 31):
            one.does(ev.ParticipantJoined(f"p{index}", f"Player {index}"))
        await asyncio.sleep(SETTLED_S)
        crowd = only("participants_changed", player.got())
        assert crowd["participants"] == 31
        assert [who["participantId"] for who in crowd["joined"]] == [
            f"p{index}" for index in range(11, 31)
        ]
        one.does(ev.ParticipantJoined("p31", "Player 31"))
        await asyncio.sleep(SETTLED_S)
        assert len(only("participants_changed", player.got())["joined"]) == 1

    virtual_time.run(main)


def test_host_state_follows_what_happens() -> None:
    """Coming, answering and going are each seen, players' lines being counted."""

    async def main() -> None:
        one = stage(3)
        host = Caller.host(one.hub)
        player = Caller.player(one.hub, 0)
        one.opens_question()
        one.answers(0, "green")
        await asyncio.sleep(SETTLED_S)
        states = [m["payload"] for m in host.got() if m["type"] == "host_state"]
        assert states[-1] == {
            "phase": "question",
            "participants": 3,
            "connected": 1,
            "answered": 1,
            "distribution": [
                {"option": "run", "count": 0},
                {"option": "green", "count": 1},
            ],
            "inFlight": 0,
            "locked": False,
        }
        player.down()
        await asyncio.sleep(SETTLED_S)
        assert only("host_state", host.got())["connected"] == 0

    virtual_time.run(main)
