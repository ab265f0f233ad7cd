"""What a closed question came to, as whoever comes later is told it."""

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from quizd._fast.fanout import reveal_tail
from quizd.protocol import encode
from quizd.session import events as ev
from quizd.session import picture as pic
from quizd.session.state import State
from tests.session.play import Play

TOP = 10
NAMES = [f"Player {number}" for number in range(9)]


def _revealed(state: State, who: int | None) -> dict[str, object]:
    """Return ``reveal`` of the welcome that *who* gets now."""
    picture = pic.picture(state, who, 0, TOP)
    welcome = orjson.loads(encode.welcome(picture, resumed=False))
    reveal: dict[str, object] = welcome["payload"]["reveal"]
    return reveal


@given(st.lists(st.integers(0, 5), min_size=1, max_size=len(NAMES)))
def test_everybody_is_told_what_those_there_were_told(scores: list[int]) -> None:
    """The same ``you`` as in ``question_closed``, with all kinds of ties."""
    play = Play()
    play.join(*NAMES[: len(scores)])
    play.start()
    play.answer(0, "green")
    play.do(ev.HostAdvanced())
    for index, score in enumerate(scores):
        play.state.board.set_score(index, score)
    sheet, ranking = play.state.sheet, play.state.board.freeze()
    assert sheet is not None
    for index in range(len(scores)):
        told = orjson.loads(reveal_tail(sheet, ranking, index))
        assert _revealed(play.state, index)["you"] == told


def test_the_question_is_there_from_its_close_to_the_next_one() -> None:
    """Paused or not; who has answered it is told so, a host is nobody."""
    play = Play()
    play.join("Ann", "Ben")
    play.start()
    play.answer(0, "green")
    assert pic.reveal(play.state) is None
    play.do(ev.HostAdvanced())
    play.do(ev.HostPaused())
    answered = [_revealed(play.state, who)["question"] for who in (0, 1, None)]
    assert [one["answered"] for one in answered if isinstance(one, dict)] == [
        *(True, False, False)
    ]
    assert "you" not in _revealed(play.state, None)
    play.do(ev.HostResumed())
    play.do(ev.HostAdvanced())
    assert pic.reveal(play.state) is None
    with pytest.raises(KeyError):
        _revealed(play.state, 0)


def test_who_came_after_the_close_has_no_points() -> None:
    """And stands behind those who have some; who was removed counts no more."""
    play = Play()
    play.join("Ann", "Ben", "Cem")
    play.start()
    play.answer(0, "green")
    play.do(ev.HostAdvanced())
    play.join("Late")
    play.do(ev.HostKicked("p1"))
    assert _revealed(play.state, 3)["you"] == {
        "correct": False,
        "points": 0,
        "score": 0,
        "rank": 2,
        "of": 3,
        "gapToNext": play.state.board.score(0),
        "streak": 0,
        "percentile": 0,
    }
