"""The picture of each connection: what it holds, and that it is never an old one."""

from typing import Any

import orjson

from quizd.edge.pictures import Pictures
from quizd.protocol import encode
from quizd.protocol.catalogue import Role
from quizd.session import picture as pic
from quizd.session import records as rec
from quizd.session.state import State
from tests.support.contract import check_server_message
from tests.support.frames import split
from tests.support.wires import session

BOARD = 10


def payload(
    pictures: Pictures, state: State, index: int | None, now_ms: int, **how: bool
) -> dict[str, Any]:
    """Return what participant *index* is welcomed with, held to the contract."""
    framed = pictures.frame(state, index, now_ms, resumed=how.get("resumed", False))
    (frame,), rest = split(framed)
    assert rest == b""
    role: Role = "host" if index is None else "player"
    message: dict[str, Any] = check_server_message(frame.payload, role)
    assert message["type"] == "welcome"
    shown: dict[str, Any] = message["payload"]
    return shown


def alone(state: State, index: int | None, now_ms: int) -> dict[str, Any]:
    """Return the picture that is made for one reader only."""
    picture = pic.picture(state, index, now_ms, BOARD)
    shown: dict[str, Any] = orjson.loads(encode.welcome(picture, resumed=False))
    return dict(shown["payload"])


def test_shared_picture_is_what_everybody_would_get_alone() -> None:
    """In every phase, for players and for hosts, at whatever time they come."""
    live = session(3)
    pictures, state = Pictures(BOARD, BOARD), live.state
    steps: list[rec.Record | None] = [
        None,
        rec.CountdownStarted(1_000, 6_000),
        rec.QuestionOpened(6_000, 0, 6_300, 66_300),
        rec.SessionPaused(7_000),
        rec.SessionResumed(9_000, 2_000),
        rec.QuestionClosed(10_000, 0, "host"),
        rec.SessionEnded(11_000, "host"),
    ]
    for at, step in enumerate(steps):
        if step is not None:
            live.apply(step)
        for now_ms in (at * 2_000, at * 2_000 + 999):
            for index in (0, 2, None):
                expected = alone(state, index, now_ms)
                assert payload(pictures, state, index, now_ms) == expected, step


def test_resumed_is_each_readers_own() -> None:
    """It is not kept with what all share."""
    pictures, state = Pictures(BOARD, BOARD), session(2).state
    for resumed in (True, False, True):
        assert payload(pictures, state, 0, 5, resumed=resumed)["resumed"] is resumed


def test_picture_follows_the_state() -> None:
    """A record later, it is another one; and so it is for another state."""
    live = session(2)
    pictures = Pictures(BOARD, BOARD)
    assert payload(pictures, live.state, 0, 5)["participants"] == 2
    live.apply(rec.ParticipantAdded(0, "p2", "Player 2", ""))
    assert payload(pictures, live.state, 0, 5)["participants"] == 3
    other = session(3)
    other.apply(rec.ParticipantRemoved(0, 1, banned=False))
    other.state.version = live.state.version
    assert payload(pictures, other.state, 0, 5)["participants"] == 2


def test_names_are_escaped() -> None:
    """What a player is called ends no string."""
    live = session(0)
    live.apply(rec.ParticipantAdded(0, 'p"0', 'Ann "\\" Ünal\u2028', ""))
    you = payload(Pictures(BOARD, BOARD), live.state, 0, 5)["you"]
    assert (you["participantId"], you["participantName"]) == (
        'p"0',
        'Ann "\\" Ünal\u2028',
    )


def test_after_the_end_it_has_the_final_board() -> None:
    """Who comes back only then sees as much of it as the others have seen."""
    live = session(5)
    pictures, state = Pictures(2, 4), live.state
    live.apply(rec.QuestionOpened(6_000, 0, 6_300, 66_300))
    assert len(payload(pictures, state, 0, 7_000)["leaderboard"]) == 2
    live.apply(rec.QuestionClosed(10_000, 0, "host"))
    live.apply(rec.SessionEnded(11_000, "host"))
    assert len(payload(pictures, state, 0, 12_000)["leaderboard"]) == 4
