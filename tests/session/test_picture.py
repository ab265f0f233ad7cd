"""The picture that one connection is given."""

from quizd.session import events as ev
from quizd.session import picture as pic
from quizd.session.phases import Phase
from tests.session.play import LEAD_MS, Play, quiz

TOP = 2


def see(play: Play, who: int | None = 0) -> pic.Picture:
    """Return what *who* sees now."""
    return pic.picture(play.state, who, play.now_ms, TOP)


def test_the_lobby() -> None:
    """Who one is, how many there are, and no question."""
    play = Play()
    play.join("Ann", "Ben", "Cem")
    play.do(ev.HostKicked("p2"))
    seen = see(play)
    assert (seen.session_id, seen.quiz_id, seen.pin) == ("s1", "colours", "123456")
    assert (seen.phase, seen.epoch, seen.seq) == (Phase.LOBBY, 1, 0)
    assert (seen.participants, seen.now_ms, seen.title) == (2, play.now_ms, "Colours")
    assert (seen.question, seen.starts_ms) == (None, None)
    assert seen.own == pic.Own("p0", "Ann", score=0, rank=1, of=2, streak=0)


def test_a_host_is_nobody() -> None:
    """A host has no standing and has answered nothing."""
    play = Play()
    play.join("Ann")
    play.start()
    play.answer(0, "green")
    seen = see(play, None)
    assert seen.own is None
    assert seen.question is not None
    assert not seen.question.answered


def test_the_countdown_says_when_it_ends() -> None:
    """``starts_ms`` is there while starting, and only then."""
    play = Play()
    play.join("Ann")
    play.do(ev.HostStarted())
    assert see(play).starts_ms == play.now_ms + 5000
    play.due()
    assert see(play).starts_ms is None


def test_an_open_question_says_what_is_left() -> None:
    """Never more than its time, also before its start, and never less than nothing."""
    play = Play()
    play.join("Ann", "Ben")
    play.do(ev.HostStarted())
    play.due()
    left = []
    for wait_ms in (0, LEAD_MS, 4000, 15_999, 1, 1):
        play.wait(wait_ms)
        question = see(play).question
        assert question is not None
        left.append(question.remaining_ms)
    assert left == [20_000, 20_000, 16_000, 1, 0, 0]


def test_an_open_question_says_whether_it_is_answered() -> None:
    """By the one who looks."""
    play = Play()
    play.join("Ann", "Ben")
    play.start()
    play.answer(1, "red")
    answered = [see(play, who).question for who in range(2)]
    assert [question and question.answered for question in answered] == [False, True]


def test_a_paused_question_stands_still() -> None:
    """It is shown with what was left when the pause began."""
    play = Play()
    play.join("Ann")
    play.start()
    play.wait(5000)
    play.do(ev.HostPaused())
    play.wait(60_000)
    question = see(play).question
    assert question is not None
    assert question.remaining_ms == 15_000
    play.do(ev.HostResumed())
    question = see(play).question
    assert question is not None
    assert (question.remaining_ms, question.index, question.total) == (15_000, 0, 2)


def test_a_closed_question_is_not_shown() -> None:
    """Neither in its reveal, nor in a pause of that, nor at the end."""
    play = Play()
    play.join("Ann")
    play.start()
    play.due()
    assert see(play).question is None
    play.do(ev.HostPaused())
    assert see(play).question is None
    play.do(ev.HostEnded())
    assert see(play).question is None


def test_a_latecomer_s_picture_of_an_open_question() -> None:
    """Who came after it was asked has not answered it and has no streak."""
    play = Play()
    play.start()
    (late,) = play.join("Ben")
    seen = see(play, late)
    assert seen.question is not None
    assert not seen.question.answered
    assert seen.own == pic.Own("p0", "Ben", score=0, rank=1, of=1, streak=0)


def test_the_top_of_the_board_and_its_pages() -> None:
    """The best first, by name, cut to size; pages go on from there."""
    play = Play(quiz(scoring="fixed"))
    play.join("Ann", "Ben", "Cem")
    play.start()
    play.tick((2, "green"), (1, "green"))
    lines = [
        pic.Standing("p2", "Cem", 1000, 1),
        pic.Standing("p1", "Ben", 1000, 1),
        pic.Standing("p0", "Ann", 0, 3),
    ]
    assert see(play).leaderboard == tuple(lines[:TOP])
    assert pic.page(play.state, 1, 5) == tuple(lines[1:])
    assert pic.page(play.state, 3, 5) == ()


def test_a_removed_participant_has_no_rank() -> None:
    """The rank is 0, the points are still known."""
    play = Play(quiz())
    play.join("Ann", "Ben")
    play.start()
    play.answer(0, "green")
    play.do(ev.HostKicked("p0"))
    own = see(play).own
    assert own is not None
    assert (own.score, own.rank, own.of) == (1000, 0, 1)
