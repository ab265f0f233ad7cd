"""Which event may come in which phase, and that deciding changes nothing."""

import inspect
from dataclasses import replace

import pytest

from quizd.codes import Reason, Refused
from quizd.session import events as ev
from quizd.session.phases import Phase
from tests.session.play import LEAD_MS, T0, Play, quiz
from tests.session.snapshot import snapshot

HOUR_MS = 3_600_000

# What each event comes to in each phase, as kinds of records; what is missing is
# refused. The pause here is one of an open question.
COMES_TO: dict[tuple[Phase, str], tuple[str, ...]] = {
    (Phase.LOBBY, "ParticipantJoined"): ("ParticipantAdded",),
    (Phase.LOBBY, "HostStarted"): ("CountdownStarted",),
    (Phase.LOBBY, "HostLocked"): ("SessionLocked",),
    (Phase.LOBBY, "HostKicked"): ("ParticipantRemoved",),
    (Phase.LOBBY, "HostEnded"): ("SessionEnded",),
    (Phase.LOBBY, "OutageNoticed"): ("OutageEnded",),
    (Phase.LOBBY, "HistoryLost"): ("EpochBegun",),
    (Phase.STARTING, "ParticipantJoined"): ("ParticipantAdded",),
    (Phase.STARTING, "DeadlinePassed"): ("QuestionOpened",),
    (Phase.STARTING, "HostAdvanced"): ("QuestionOpened",),
    (Phase.STARTING, "HostPaused"): ("SessionPaused",),
    (Phase.STARTING, "HostLocked"): ("SessionLocked",),
    (Phase.STARTING, "HostKicked"): ("ParticipantRemoved",),
    (Phase.STARTING, "HostEnded"): ("SessionEnded",),
    (Phase.STARTING, "OutageNoticed"): ("OutageEnded",),
    (Phase.STARTING, "HistoryLost"): ("EpochBegun",),
    (Phase.QUESTION, "ParticipantJoined"): ("ParticipantAdded",),
    (Phase.QUESTION, "AnswerSubmitted"): ("AnswersAccepted",),
    (Phase.QUESTION, "EverybodyAnswered"): ("QuestionClosed",),
    (Phase.QUESTION, "DeadlinePassed"): ("QuestionClosed",),
    (Phase.QUESTION, "HostAdvanced"): ("QuestionClosed",),
    (Phase.QUESTION, "HostSkipped"): ("QuestionClosed", "QuestionOpened"),
    (Phase.QUESTION, "HostPaused"): ("SessionPaused",),
    (Phase.QUESTION, "HostLocked"): ("SessionLocked",),
    (Phase.QUESTION, "HostKicked"): ("ParticipantRemoved",),
    (Phase.QUESTION, "HostEnded"): ("QuestionClosed", "SessionEnded"),
    (Phase.QUESTION, "OutageNoticed"): ("OutageEnded",),
    (Phase.QUESTION, "HistoryLost"): ("EpochBegun",),
    (Phase.REVEAL, "ParticipantJoined"): ("ParticipantAdded",),
    (Phase.REVEAL, "DeadlinePassed"): ("QuestionOpened",),
    (Phase.REVEAL, "HostAdvanced"): ("QuestionOpened",),
    (Phase.REVEAL, "HostSkipped"): ("QuestionOpened",),
    (Phase.REVEAL, "HostPaused"): ("SessionPaused",),
    (Phase.REVEAL, "HostLocked"): ("SessionLocked",),
    (Phase.REVEAL, "HostKicked"): ("ParticipantRemoved",),
    (Phase.REVEAL, "HostEnded"): ("SessionEnded",),
    (Phase.REVEAL, "OutageNoticed"): ("OutageEnded",),
    (Phase.REVEAL, "HistoryLost"): ("EpochBegun",),
    (Phase.PAUSED, "ParticipantJoined"): ("ParticipantAdded",),
    (Phase.PAUSED, "HostResumed"): ("SessionResumed",),
    (Phase.PAUSED, "HostLocked"): ("SessionLocked",),
    (Phase.PAUSED, "HostKicked"): ("ParticipantRemoved",),
    (Phase.PAUSED, "HostEnded"): ("QuestionClosed", "SessionEnded"),
    (Phase.PAUSED, "OutageNoticed"): ("OutageEnded",),
    (Phase.PAUSED, "HistoryLost"): ("EpochBegun",),
}

REFUSED_ANSWERS = {
    Phase.LOBBY: Reason.TOO_EARLY,
    Phase.STARTING: Reason.TOO_EARLY,
    Phase.REVEAL: Reason.TOO_LATE,
    Phase.PAUSED: Reason.QUESTION_NOT_OPEN,
    Phase.ENDED: Reason.TOO_LATE,
}

EVENTS: tuple[ev.Event, ...] = (
    ev.ParticipantJoined("p9", "Zoe"),
    ev.AnswerSubmitted(1, T0 + 10_000, {"questionId": "q1", "selectedOption": "green"}),
    ev.EverybodyAnswered(0),
    ev.DeadlinePassed(LEAD_MS),
    ev.HostStarted(),
    ev.HostAdvanced(LEAD_MS),
    ev.HostSkipped(LEAD_MS),
    ev.HostPaused(),
    ev.HostResumed(LEAD_MS),
    ev.HostLocked(),
    ev.HostKicked("p1"),
    ev.HostEnded(),
    ev.OutageNoticed(T0),
    ev.HistoryLost(1),
)


def played_to(phase: Phase) -> Play:
    """Return a session of two participants in *phase*, the first having answered."""
    play = Play(quiz())
    play.join("Ann", "Ben")
    if phase is Phase.LOBBY:
        return play
    play.do(ev.HostStarted())
    if phase is Phase.STARTING:
        return play
    play.due()
    play.wait(LEAD_MS + 1000)
    play.answer(0, "green")
    for event in {
        Phase.QUESTION: (),
        Phase.REVEAL: (ev.HostAdvanced(),),
        Phase.PAUSED: (ev.HostPaused(),),
        Phase.ENDED: (ev.HostEnded(),),
    }[phase]:
        play.do(event)
    return play


def reason_for(phase: Phase, event: ev.Event) -> Reason:
    """Return why *event* is refused in *phase*."""
    if isinstance(event, ev.AnswerSubmitted):
        return REFUSED_ANSWERS[phase]
    if isinstance(event, ev.ParticipantJoined):
        return Reason.SESSION_NOT_FOUND
    return Reason.FORBIDDEN


def test_the_table_knows_every_event() -> None:
    """No event is left out of the table above, and no phase."""
    kinds = {
        kind
        for _, kind in inspect.getmembers(ev, inspect.isclass)
        if issubclass(kind, ev.Event)
    }
    assert {type(event) for event in EVENTS} == kinds - {ev.Event, ev.HostCommand}
    assert {phase for phase, _ in COMES_TO} == set(Phase) - {Phase.ENDED}


@pytest.mark.parametrize("event", EVENTS, ids=lambda event: type(event).__name__)
@pytest.mark.parametrize("phase", Phase)
def test_every_event_in_every_phase(phase: Phase, event: ev.Event) -> None:
    """A legal event comes to its records, another is refused; both change nothing."""
    play = played_to(phase)
    play.wait(HOUR_MS)
    assert play.phase() is phase
    expected = COMES_TO.get((phase, type(event).__name__))
    if expected is None:
        assert play.refused(event).reason is reason_for(phase, event)
    else:
        records = play.decide(event)
        assert tuple(type(record).__name__ for record in records) == expected
        assert {record.at_ms for record in records} == {play.now_ms}


@pytest.mark.parametrize("event", EVENTS, ids=lambda event: type(event).__name__)
@pytest.mark.parametrize("phase", Phase)
def test_deciding_twice_comes_to_the_same(phase: Phase, event: ev.Event) -> None:
    """A decision leaves nothing behind that the next one could see."""
    play = played_to(phase)
    play.wait(HOUR_MS)
    assert outcome(play, event) == outcome(play, event)


def outcome(play: Play, event: ev.Event) -> object:
    """Return the records of *event*, or its refusal as plain values."""
    try:
        return play.decide(event)
    except Refused as refused:
        return refused.reason, refused.details


EXPECTATIONS = [
    ev.Expectation("lobby"),
    ev.Expectation("reveal", "q1"),
    ev.Expectation("question", "q2"),
    ev.Expectation(None, "q2"),
    ev.Expectation("no such phase"),
]


@pytest.mark.parametrize("expect", EXPECTATIONS)
@pytest.mark.parametrize(
    "event", [e for e in EVENTS if isinstance(e, ev.HostCommand)], ids=repr
)
def test_a_command_for_another_moment_does_nothing(
    event: ev.HostCommand, expect: ev.Expectation
) -> None:
    """A command that was given for another phase or question is no error, no record."""
    play = played_to(Phase.QUESTION)
    assert play.decide(replace(event, expect=expect)) == []


@pytest.mark.parametrize(
    "expect",
    [
        ev.Expectation(),
        ev.Expectation("question"),
        ev.Expectation("question", "q1"),
        ev.Expectation(None, "q1"),
    ],
)
def test_a_command_for_this_moment_counts(expect: ev.Expectation) -> None:
    """A command whose expectation holds, as far as it has one, is carried out."""
    play = played_to(Phase.QUESTION)
    play.do(ev.HostAdvanced(expect=expect))
    assert play.phase() is Phase.REVEAL


def test_a_repeated_command_does_nothing_twice() -> None:
    """The first of two equal commands closes the question, the second does nothing."""
    play = played_to(Phase.QUESTION)
    close = ev.HostAdvanced(expect=ev.Expectation("question", "q1"))
    play.do(close)
    before = snapshot(play.state)
    assert play.do(close) == []
    assert snapshot(play.state) == before


def test_before_the_first_question_none_is_expected() -> None:
    """A command that expects a question does nothing where none has been asked."""
    play = played_to(Phase.LOBBY)
    expect = ev.Expectation("lobby", "q1")
    assert play.decide(ev.HostStarted(expect=expect)) == []
