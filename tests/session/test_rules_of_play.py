"""What answers are worth: scoring, bonus, feedback, ranks and who is listed first."""

import pytest

from quizd.session import effects as fx
from quizd.session import events as ev
from quizd.session import picture as pic
from tests.session.play import LEAD_MS, Play, multiple, quiz, single


def asked(*questions: dict[str, object], **settings: object) -> Play:
    """Return a session of three participants at the start of the first question."""
    play = Play(quiz(*questions, **settings))
    play.join("Ann", "Ben", "Cem")
    play.start()
    return play


def go_on(play: Play) -> None:
    """Go to the start of the next question."""
    play.due()
    play.due()
    play.wait(LEAD_MS)


def streaks(play: Play) -> list[int]:
    """Return everybody's correct answers in a row, as pictures show them."""
    return [pic.own(play.state, who).streak for who in range(len(play.state.names))]


# -- scoring -----------------------------------------------------------------------


def test_fixed_points_don_t_fall() -> None:
    """With ``scoring: fixed`` only what was answered counts, not when."""
    play = asked(scoring="fixed")
    play.answer(0, "green")
    play.wait(20_000)
    play.answer(1, "green")
    play.answer(2, "red")
    assert play.points() == [1000, 1000, 0]


@pytest.mark.parametrize("scoring", ["speed", "fixed"])
def test_a_question_of_double_points(scoring: str) -> None:
    """2000 points fall like 1000 do."""
    play = asked(single(points=2000), scoring=scoring)
    play.wait(10_000)
    play.answer(0, "green")
    assert play.points()[0] == {"speed": 1500, "fixed": 2000}[scoring]


@pytest.mark.parametrize("scoring", ["speed", "fixed"])
def test_a_question_of_no_points(scoring: str) -> None:
    """It is asked, answered and shown, gives no points and no bonus, only a streak."""
    play = asked(
        single(), single(points=0), single(), scoring=scoring, streak_bonus=True
    )
    play.answer(0, "green")
    go_on(play)
    play.answer(0, "green")
    play.answer(1, "green")
    assert play.points() == [0, 0, 0]
    assert play.state.sheets[1].result(0)[2] is True
    go_on(play)
    play.answer(0, "green")
    play.answer(1, "green")
    assert play.points() == [1200, 1100, 0]


def test_halves_are_rounded_up() -> None:
    """1000 · (1 − 0.001/2 · t) at odd milliseconds of a second ends in halves."""
    play = asked(single(time_s=1))
    play.wait(501)
    play.answer(0, "green")
    play.wait(2)
    play.answer(1, "green")
    assert play.points() == [750, 749, 0]


# -- streaks -----------------------------------------------------------------------


def test_the_bonus_grows_to_its_limit() -> None:
    """100 from the second correct answer on, 200 for the third, never over 500."""
    play = asked(*[single()] * 8, streak_bonus=True)
    bonuses = []
    for _ in range(8):
        play.answer(0, "green")
        bonuses.append(play.points()[0] - 1000)
        go_on(play)
    assert bonuses == [0, 100, 200, 300, 400, 500, 500, 500]


@pytest.mark.parametrize("miss", ["red", None])
def test_a_wrong_answer_or_none_ends_a_streak(miss: str | None) -> None:
    """After it the bonus begins again from nothing."""
    play = asked(*[single()] * 4, streak_bonus=True)
    for option in ("green", miss, "green", "green"):
        if option:
            play.answer(0, option)
        go_on(play)
    assert [play.points(index)[0] for index in range(4)] == [1000, 0, 1000, 1100]


def test_the_bonus_is_no_matter_of_speed() -> None:
    """Half of the points for the last moment, and the whole bonus."""
    play = asked(single(), single(), streak_bonus=True)
    play.answer(0, "green")
    go_on(play)
    play.wait(20_000)
    play.answer(0, "green")
    assert play.points()[0] == 500 + 100


def test_without_bonus_streaks_are_still_counted() -> None:
    """They are shown, and worth nothing."""
    play = asked(*[single()] * 2)
    play.answer(0, "green")
    go_on(play)
    play.answer(0, "green")
    assert play.points()[0] == 1000
    assert streaks(play) == [2, 0, 0]


def test_an_open_question_ends_no_streak_before_it_closes() -> None:
    """Who has still to answer keeps the streak until the question closes."""
    play = asked(*[single()] * 2)
    play.answer(0, "green")
    play.answer(1, "green")
    go_on(play)
    play.answer(1, "red")
    assert streaks(play) == [1, 0, 0]
    play.do(ev.HostPaused())
    assert streaks(play) == [1, 0, 0]
    play.do(ev.HostResumed())
    play.due()
    assert streaks(play) == [0, 0, 0]


def test_before_the_first_question_nobody_has_a_streak() -> None:
    """Nor has somebody who came after the question."""
    play = Play()
    play.join("Ann")
    assert streaks(play) == [0]
    play.start()
    play.due()
    play.join("Ben")
    assert streaks(play) == [0, 0]


# -- feedback ----------------------------------------------------------------------


def test_immediate_feedback_moves_the_board_at_once() -> None:
    """Points are there with the answer."""
    play = asked()
    play.answer(0, "green")
    assert play.scores() == [1000, 0, 0]
    assert fx.RefreshBoard() in play.effects[-3:]


def test_feedback_on_close_keeps_everything_until_then() -> None:
    """No score, rank or board moves while the question is open."""
    play = asked(feedback="on_close")
    effects = play.answer(1, "green")
    assert effects == [fx.SendResults(0, (1,)), fx.RefreshHost()]
    assert (play.scores(), play.ranks()) == ([0, 0, 0], [1, 1, 1])
    (reveal, refresh) = play.due()
    assert isinstance(reveal, fx.RevealQuestion)
    assert refresh == fx.RefreshBoard()
    assert [reveal.ranking.score(who) for who in range(3)] == [0, 1000, 0]
    assert (play.scores(), play.ranks()) == ([0, 1000, 0], [2, 1, 2])


def test_feedback_on_close_does_not_show_in_the_streak() -> None:
    """A player who comes back during the question can't read there what is right."""
    play = asked(*[single()] * 2, feedback="on_close")
    play.answer(0, "green")
    play.answer(1, "red")
    assert streaks(play) == [0, 0, 0]
    go_on(play)
    assert streaks(play) == [1, 0, 0]
    play.answer(0, "red")
    play.answer(1, "green")
    assert streaks(play) == [1, 0, 0]
    play.do(ev.HostPaused())
    assert streaks(play) == [1, 0, 0]
    play.do(ev.HostResumed())
    play.due()
    assert streaks(play) == [0, 1, 0]


def test_both_kinds_of_feedback_come_to_the_same_scores() -> None:
    """When points are told makes no difference to what they are."""
    results = []
    for feedback in ("immediate", "on_close"):
        questions = [single(), multiple("red", "blue"), single()]
        play = asked(*questions, feedback=feedback, streak_bonus=True)
        for option in ("green", ["blue", "red"], "green"):
            play.wait(1234)
            play.answer(2, option)
            play.wait(2345)
            play.answer(0, option)
            go_on(play)
        results.append((play.scores(), play.ranks()))
    assert results[0] == results[1]


# -- ranks -------------------------------------------------------------------------


def test_equals_share_a_rank_and_the_next_one_skips() -> None:
    """Two in front, the third is third."""
    play = asked()
    play.tick((2, "green"), (0, "green"))
    assert play.ranks() == [1, 3, 1]


def test_among_equals_who_was_there_first_is_listed_first() -> None:
    """The order of receipt within one tick, and of ticks, decides."""
    play = asked(scoring="fixed")
    play.tick((2, "green"), (0, "green"))
    play.tick((1, "green"))
    assert [line[0] for line in play.state.board.top(3)] == [2, 0, 1]


def test_points_of_a_close_are_reached_at_once() -> None:
    """With feedback on close, equals are listed in the order of joining."""
    play = asked(scoring="fixed", feedback="on_close")
    play.tick((2, "green"), (0, "green"))
    play.due()
    assert [line[0] for line in play.state.board.top(3)] == [0, 2, 1]


def test_a_reveal_tells_each_where_they_stand() -> None:
    """Gap to the next better, percentile among the others, of how many."""
    play = asked()
    play.answer(1, "green")
    play.wait(10_000)
    play.answer(2, "green")
    reveal = play.due()[0]
    assert isinstance(reveal, fx.RevealQuestion)
    ranking = reveal.ranking
    assert [ranking.gap(who) for who in range(3)] == [750, 0, 250]
    assert [ranking.percentile(who) for who in range(3)] == [0, 100, 50]
    assert ranking.of == 3
