"""Time that does not count: pauses, and outages of the owner."""

import pytest

from quizd.codes import Reason
from quizd.session import effects as fx
from quizd.session import events as ev
from quizd.session import records as rec
from quizd.session.phases import Phase
from tests.session.play import LEAD_MS, Play, quiz, single


def clock_of(play: Play) -> tuple[int, int]:
    """Return start and end of the question asked last."""
    sheet = play.state.sheet
    assert sheet is not None
    return sheet.start_ms, sheet.end_ms


def test_a_pause_gives_the_question_its_rest_of_time() -> None:
    """After 4 s of play and an hour's break, 16 s are left from the resumption on."""
    play = Play()
    play.join("Ann")
    play.start()
    start_ms, _ = clock_of(play)
    play.wait(4000)
    assert play.do(ev.HostPaused()) == [fx.AnnouncePause(3, play.now_ms)]
    play.wait(3_600_000)
    effects = play.do(ev.HostResumed(LEAD_MS))
    end_ms = play.now_ms + LEAD_MS + 16_000
    assert effects == [fx.AnnounceResume(4, play.now_ms, end_ms, None)]
    assert play.state.deadline_ms == end_ms
    assert clock_of(play) == (start_ms + 3_600_000 + LEAD_MS, end_ms)


def test_points_after_a_pause_leave_it_out() -> None:
    """4 s before the pause and 6 s after it are 10 s: three quarters of the points."""
    play = Play()
    play.join("Ann")
    play.start()
    play.wait(4000)
    play.do(ev.HostPaused())
    play.wait(123_456)
    play.do(ev.HostResumed(LEAD_MS))
    play.wait(LEAD_MS + 6000)
    play.answer(0, "green")
    assert play.points() == [750]


def test_points_before_a_pause_stay() -> None:
    """An answer's worth is a matter of the instant it came."""
    play = Play()
    play.join("Ann")
    play.start()
    play.wait(10_000)
    play.answer(0, "green")
    play.do(ev.HostPaused())
    play.wait(5000)
    play.do(ev.HostResumed())
    play.due()
    assert play.points() == [750]


def test_a_pause_before_the_question_started() -> None:
    """Paused within the lead, the rest of the lead comes back with the new one."""
    play = Play()
    play.do(ev.HostStarted())
    play.due(1000)
    play.wait(400)
    play.do(ev.HostPaused())
    play.wait(50_000)
    play.do(ev.HostResumed(LEAD_MS))
    start_ms = play.now_ms + LEAD_MS + 600
    assert clock_of(play) == (start_ms, start_ms + 20_000)


def test_a_pause_of_the_countdown() -> None:
    """The countdown goes on where it stood, and its end is told again."""
    play = Play()
    play.do(ev.HostStarted())
    play.wait(2000)
    play.do(ev.HostPaused())
    assert play.state.active_phase is Phase.STARTING
    play.wait(60_000)
    starts_ms = play.now_ms + 3000
    assert play.do(ev.HostResumed()) == [
        fx.AnnounceResume(3, play.now_ms, None, starts_ms)
    ]
    assert play.phase() is Phase.STARTING
    assert play.state.deadline_ms == starts_ms


@pytest.mark.parametrize("advance", ["timer", "host"])
def test_a_pause_of_a_reveal(advance: str) -> None:
    """A reveal by the timer keeps the rest of its time; one by the host has none."""
    play = Play(quiz(advance=advance))
    play.start()
    play.due()
    play.wait(2000)
    play.do(ev.HostPaused())
    play.wait(60_000)
    effects = play.do(ev.HostResumed())
    assert effects == [fx.AnnounceResume(5, play.now_ms, None, None)]
    assert play.phase() is Phase.REVEAL
    left_ms = {"timer": play.now_ms + 4000, "host": None}[advance]
    assert play.state.deadline_ms == left_ms


def test_pauses_add_up() -> None:
    """Each pause is given back whole, however many there are."""
    play = Play()
    play.start()
    start_ms, end_ms = clock_of(play)
    for pause_ms in (1, 10, 1000):
        play.wait(100)
        play.do(ev.HostPaused())
        play.wait(pause_ms)
        play.do(ev.HostResumed())
    assert clock_of(play) == (start_ms + 1011, end_ms + 1011)


def test_nothing_is_answered_during_a_pause() -> None:
    """The open question takes no answers, says so, and takes them afterwards."""
    play = Play()
    play.join("Ann")
    play.start()
    play.do(ev.HostPaused())
    refused = play.refused(play.answering(0, "green"))
    assert refused.reason is Reason.QUESTION_NOT_OPEN
    assert refused.details == {"questionId": "q1"}
    verdicts = play.tick((0, "green"))
    assert verdicts.record is None
    assert len(verdicts.general) == 1
    play.do(ev.HostResumed())
    play.answer(0, "green")


def test_a_pause_of_a_reveal_is_too_late_for_answers() -> None:
    """A closed question is closed, paused or not."""
    play = Play()
    play.join("Ann")
    play.start()
    play.due()
    play.do(ev.HostPaused())
    assert play.refused(play.answering(0, "green")).reason is Reason.TOO_LATE


def test_an_end_during_a_paused_question() -> None:
    """The question is closed first, so that its answers count."""
    play = Play(quiz(feedback="on_close"))
    play.join("Ann")
    play.start()
    play.answer(0, "green")
    play.do(ev.HostPaused())
    play.wait(1000)
    play.do(ev.HostEnded())
    assert play.kinds()[-2:] == ["QuestionClosed", "SessionEnded"]
    assert play.phase() is Phase.ENDED
    assert play.scores() == [1000]


@pytest.mark.parametrize("reveal", [False, True])
def test_an_end_during_another_pause(*, reveal: bool) -> None:
    """A paused countdown or reveal just ends."""
    play = Play()
    play.do(ev.HostStarted())
    if reveal:
        play.due()
        play.due()
    play.do(ev.HostPaused())
    play.do(ev.HostEnded())
    assert play.kinds()[-2:] == ["SessionPaused", "SessionEnded"]
    assert play.state.deadline_ms is None


def test_an_outage_moves_an_open_question() -> None:
    """The time without an owner is given back, with a lead for all to return."""
    play = Play()
    play.join("Ann")
    play.start()
    start_ms, end_ms = clock_of(play)
    play.wait(4000)
    lost_ms = play.now_ms
    play.wait(7000)
    effects = play.do(ev.OutageNoticed(lost_ms, LEAD_MS))
    assert effects == [fx.RefreshHost()]
    assert play.records[-1] == rec.OutageEnded(play.now_ms, 7000 + LEAD_MS)
    assert clock_of(play) == (start_ms + 7000 + LEAD_MS, end_ms + 7000 + LEAD_MS)
    play.wait(LEAD_MS + 6000)
    play.answer(0, "green")
    assert play.points() == [750]


def test_an_outage_after_the_end_of_a_question_keeps_it_open() -> None:
    """A question whose time ran out while nobody watched has its rest still to come."""
    play = Play()
    play.start()
    play.wait(15_000)
    lost_ms = play.now_ms
    play.wait(100_000)
    play.do(ev.OutageNoticed(lost_ms))
    assert play.decide(ev.DeadlinePassed()) == []
    assert play.state.deadline_ms == play.now_ms + 5000


def test_an_outage_begins_after_the_last_record() -> None:
    """What was recorded was not lost: an earlier sign of life does not count."""
    play = Play()
    play.join("Ann")
    play.start()
    lost_ms = play.now_ms
    play.wait(1000)
    play.answer(0, "green")
    play.wait(500)
    play.do(ev.OutageNoticed(lost_ms))
    assert play.records[-1] == rec.OutageEnded(play.now_ms, 500)


@pytest.mark.parametrize("since_ms", [0, 10_000])
def test_no_outage_is_no_record(since_ms: int) -> None:
    """Nothing is given back where nothing was lost, or time seems to run backwards."""
    play = Play()
    play.start()
    play.do(ev.HostLocked())
    assert play.decide(ev.OutageNoticed(play.now_ms + since_ms)) == []


def test_an_outage_during_a_pause_is_part_of_it() -> None:
    """The clock stands still anyway: the time is given back once, not twice."""
    play = Play(quiz(single(time_s=10)))
    play.start()
    play.wait(3000)
    play.do(ev.HostPaused())
    play.wait(1000)
    lost_ms = play.now_ms
    play.wait(1000)
    play.do(ev.OutageNoticed(lost_ms, LEAD_MS))
    play.wait(1000)
    play.do(ev.HostResumed())
    assert play.state.deadline_ms == play.now_ms + 7000


@pytest.mark.parametrize("reveal", [False, True])
def test_an_outage_moves_countdown_and_reveal(*, reveal: bool) -> None:
    """Every running clock stands still without an owner."""
    play = Play()
    play.do(ev.HostStarted())
    if reveal:
        play.due()
        play.due()
    deadline_ms = play.state.deadline_ms
    assert deadline_ms is not None
    lost_ms = play.now_ms
    play.wait(2000)
    play.do(ev.OutageNoticed(lost_ms))
    assert play.state.deadline_ms == deadline_ms + 2000


def test_an_outage_in_the_lobby_changes_no_clock() -> None:
    """It is recorded, but there is nothing to move."""
    play = Play()
    lost_ms = play.now_ms
    play.wait(2000)
    play.do(ev.OutageNoticed(lost_ms))
    assert play.state.deadline_ms is None
    assert play.phase() is Phase.LOBBY
