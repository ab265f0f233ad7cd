"""From question to question: timers, hosts, early closes, skips and the end."""

import pytest

from quizd.session import effects as fx
from quizd.session import events as ev
from quizd.session import records as rec
from quizd.session.phases import Phase
from tests.session.play import LEAD_MS, Play, quiz, single


def broadcasts(effects: list[fx.Effect]) -> list[fx.Broadcast]:
    """Return those of *effects* that go to everybody."""
    return [effect for effect in effects if isinstance(effect, fx.Broadcast)]


def test_a_whole_game_by_the_timer() -> None:
    """Countdown, question, reveal, question, reveal, end: each deadline leads on."""
    play = Play(quiz(single(), single(), countdown_s=5, reveal_s=6))
    play.do(ev.HostStarted())
    opened = play.now_ms + 5000
    assert play.deadline_ms() == opened
    for index in range(2):
        (show,) = play.due()
        assert isinstance(show, fx.ShowQuestion)
        assert (show.index, show.total) == (index, 2)
        assert (show.start_ms, show.end_ms) == (opened + 300, opened + 20_300)
        assert play.deadline_ms() == opened + 20_300
        play.due()
        assert play.phase() is Phase.REVEAL
        opened += 20_300 + 6000
        assert play.deadline_ms() == opened
    play.due()
    assert play.phase() is Phase.ENDED
    assert play.deadline_ms() is None
    assert play.records[-1] == rec.SessionEnded(opened, "finished")
    assert [effect.seq for effect in broadcasts(play.effects)] == [1, 2, 3, 4, 5, 6]


def test_the_deadline_is_not_before_it_is() -> None:
    """A timer that fires a millisecond early comes to nothing."""
    play = Play()
    play.do(ev.HostStarted())
    play.wait(4999)
    assert play.decide(ev.DeadlinePassed(LEAD_MS)) == []
    play.wait(1)
    assert play.decide(ev.DeadlinePassed(LEAD_MS)) != []


def test_a_deadline_that_is_noticed_late_closes_then() -> None:
    """The close is recorded when it is made, and the reveal lasts from there on."""
    play = Play(quiz(reveal_s=6))
    play.start()
    play.wait(20_000 + 777)
    play.due()
    closed = play.records[-1]
    assert closed == rec.QuestionClosed(play.now_ms, 0, "time")
    assert play.deadline_ms() == play.now_ms + 6000


def test_a_host_leads_on_from_every_phase() -> None:
    """One command for each step of the game, before any deadline."""
    play = Play()
    play.do(ev.HostStarted())
    for _ in range(5):
        play.do(ev.HostAdvanced(LEAD_MS))
    assert play.kinds()[2:] == [
        "QuestionOpened",
        "QuestionClosed",
        "QuestionOpened",
        "QuestionClosed",
        "SessionEnded",
    ]
    assert play.records[3] == rec.QuestionClosed(play.now_ms, 0, "host")
    assert play.records[-1] == rec.SessionEnded(play.now_ms, "finished")


def test_where_the_host_leads_reveals_wait() -> None:
    """With ``advance: host`` a question still ends by time, a reveal doesn't."""
    play = Play(quiz(advance="host"))
    play.start()
    play.due()
    assert play.phase() is Phase.REVEAL
    assert play.deadline_ms() is None
    play.wait(10**9)
    assert play.decide(ev.DeadlinePassed(LEAD_MS)) == []
    play.do(ev.HostAdvanced(LEAD_MS))
    assert play.phase() is Phase.QUESTION


def test_everybody_answered_closes_early() -> None:
    """The reason is recorded; the next question comes after the usual reveal."""
    play = Play()
    play.join("Ann")
    play.start()
    play.wait(1500)
    play.answer(0, "green")
    play.do(ev.EverybodyAnswered(0))
    assert play.records[-1] == rec.QuestionClosed(play.now_ms, 0, "everybody_answered")
    assert play.deadline_ms() == play.now_ms + 6000


@pytest.mark.parametrize("index", [-1, 1])
def test_everybody_answered_something_else(index: int) -> None:
    """Word of another question's answers closes nothing."""
    play = Play()
    play.start()
    assert play.decide(ev.EverybodyAnswered(index)) == []


def test_a_skip_closes_and_opens_at_once() -> None:
    """Answers so far count, no time is spent on the reveal, both are broadcast."""
    play = Play()
    play.join("Ann")
    play.start()
    play.answer(0, "green")
    effects = broadcasts(play.do(ev.HostSkipped(LEAD_MS)))
    assert [type(effect) for effect in effects] == [fx.RevealQuestion, fx.ShowQuestion]
    assert [effect.seq for effect in effects] == [3, 4]
    assert play.records[-2] == rec.QuestionClosed(play.now_ms, 0, "skipped")
    assert play.state.current == 1
    assert play.scores() == [1000]


def test_skipping_the_last_question_is_the_end() -> None:
    """There is nothing to skip to."""
    play = Play(quiz(single()))
    play.start()
    effects = broadcasts(play.do(ev.HostSkipped(LEAD_MS)))
    assert [type(effect) for effect in effects] == [fx.RevealQuestion, fx.AnnounceEnd]
    assert play.phase() is Phase.ENDED


def test_skipping_a_reveal_opens_the_next() -> None:
    """In a reveal a skip is a step on."""
    play = Play()
    play.start()
    play.due()
    play.do(ev.HostSkipped(LEAD_MS))
    assert play.state.current == 1
    assert play.phase() is Phase.QUESTION


def test_an_end_during_a_question_closes_it_first() -> None:
    """What was answered counts, and the close is told before the end."""
    play = Play(quiz(feedback="on_close"))
    play.join("Ann")
    play.start()
    play.answer(0, "green")
    assert play.scores() == [0]
    effects = broadcasts(play.do(ev.HostEnded()))
    assert [type(effect) for effect in effects] == [fx.RevealQuestion, fx.AnnounceEnd]
    assert play.scores() == [1000]
    assert play.records[-1] == rec.SessionEnded(play.now_ms, "host")


def test_the_end_shows_the_last_standing() -> None:
    """The final ranking is that of the moment, and nothing changes it any more."""
    play = Play()
    play.join("Ann", "Ben")
    play.start()
    play.answer(1, "green")
    (*_, end) = play.do(ev.HostEnded())
    assert isinstance(end, fx.AnnounceEnd)
    assert [end.ranking.rank(who) for who in range(2)] == [2, 1]
    assert [end.ranking.score(who) for who in range(2)] == [0, 1000]
    assert end.ranking.of == 2


def test_a_reveal_is_frozen() -> None:
    """The ranking of a reveal stays what it was when later questions are scored."""
    play = Play()
    play.join("Ann", "Ben")
    play.start()
    play.answer(0, "green")
    reveal = play.due()[0]
    assert isinstance(reveal, fx.RevealQuestion)
    play.due()
    play.wait(LEAD_MS)
    play.answer(1, "blue")
    play.answer(0, "red")
    play.join("Cem")
    assert reveal.ranking.indices == 2
    assert [reveal.ranking.score(who) for who in range(2)] == [1000, 0]


@pytest.mark.parametrize("lead_ms", [0, 1, 300, 5000])
def test_a_question_starts_the_given_lead_ahead(lead_ms: int) -> None:
    """The lead comes before the question's time and takes nothing of it."""
    play = Play()
    play.do(ev.HostStarted())
    play.due(lead_ms)
    assert play.state.sheet is not None
    assert play.state.sheet.start_ms == play.now_ms + lead_ms
    assert play.deadline_ms() == play.now_ms + lead_ms + 20_000
