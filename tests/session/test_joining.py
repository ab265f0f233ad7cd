"""Coming in: names, keys, limits, locks, removal, and the start by itself."""

import pytest

from quizd.codes import Reason
from quizd.session import effects as fx
from quizd.session import events as ev
from quizd.session import records as rec
from quizd.session.phases import Phase
from tests.session.play import Play, quiz


def names_after(*names: str) -> list[str]:
    """Return the names that participants get who ask for *names*, in this order."""
    play = Play()
    play.join(*names)
    return play.state.names


def test_a_newcomer_is_welcomed_and_on_the_board() -> None:
    """The next index is the newcomer's; the board has changed."""
    play = Play()
    effects = play.do(ev.ParticipantJoined("p0", "Ann"))
    assert effects == [fx.WelcomeParticipant(0), fx.RefreshBoard()]
    assert play.state.index_of == {"p0": 0}
    assert play.ranks() == [1]


@pytest.mark.parametrize(
    ("asked", "got"),
    [
        (["Ann", "Ann"], ["Ann", "Ann (2)"]),
        (["Ann", "ann", "ANN"], ["Ann", "ann (2)", "ANN (3)"]),
        (["Ann", "Ann (2)", "Ann"], ["Ann", "Ann (2)", "Ann (3)"]),
        (["Ann", "Ann (3)", "Ann", "Ann"], ["Ann", "Ann (3)", "Ann (2)", "Ann (4)"]),
        (["Ann (2)", "Ann", "Ann"], ["Ann (2)", "Ann", "Ann (3)"]),
        (["Ann", "Ann", "ann (2)"], ["Ann", "Ann (2)", "ann (2) (2)"]),
        (["Ann", "Ann (02)", "Ann"], ["Ann", "Ann (02)", "Ann (2)"]),
        (["Ann", "Ann (x)", "Ann"], ["Ann", "Ann (x)", "Ann (2)"]),
        (["Straße", "STRASSE"], ["Straße", "STRASSE (2)"]),
        ([" (2)", " (2)", ""], [" (2)", " (2) (2)", ""]),
        (["", "", ""], ["", " (2)", " (3)"]),
    ],
)
def test_nobody_shares_a_name(asked: list[str], got: list[str]) -> None:
    """Who asks for a taken name gets the first number nobody has, whatever the case."""
    assert names_after(*asked) == got


def test_a_hall_of_namesakes_is_no_work() -> None:
    """Names are found without trying all that are taken: 10,000 in linear time."""
    play = Play(capacity=20_000)
    session = play.session
    for number in range(10_000):
        event = ev.ParticipantJoined(f"p{number}", "Ann")
        for record in session.decide(event, play.now_ms):
            session.apply(record)
    assert play.state.names[-1] == "Ann (10000)"
    assert len(set(play.state.names)) == 10_000


def test_the_same_key_is_the_same_participant() -> None:
    """A join that is sent again is nobody new, under any name and in any phase."""
    play = Play()
    play.do(ev.ParticipantJoined("p0", "Ann", "k1"))
    again = ev.ParticipantJoined("p7", "Ben", "k1")
    assert play.decide(again) == []
    play.do(ev.HostLocked())
    play.start()
    assert play.decide(again) == []
    assert play.state.by_key == {"k1": 0}


def test_different_keys_and_none_are_different_people() -> None:
    """Only an equal key joins two joins; no key is nobody's."""
    play = Play()
    for number, key in enumerate(("k1", "k2", "", "")):
        play.do(ev.ParticipantJoined(f"p{number}", "Ann", key))
    assert len(play.state.names) == 4


def test_enough_participants_start_the_countdown() -> None:
    """With three in, the first question is five seconds off, for all to know."""
    play = Play(quiz(start="auto"))
    play.join("Ann", "Ben")
    assert play.phase() is Phase.LOBBY
    effects = play.do(ev.ParticipantJoined("p2", "Cem"))
    assert fx.AnnounceStart(1, play.now_ms, play.now_ms + 5000) in effects
    assert play.phase() is Phase.STARTING
    assert play.state.deadline_ms == play.now_ms + 5000


def test_a_quiz_says_how_many_and_how_long() -> None:
    """``min_participants`` and ``countdown_s`` are the quiz's own."""
    play = Play(quiz(start="auto", min_participants=1, countdown_s=0.25))
    play.join("Ann")
    assert play.state.deadline_ms == play.now_ms + 250


def test_the_countdown_starts_once() -> None:
    """Who comes during the countdown does not begin another one."""
    play = Play(quiz(start="auto", min_participants=2))
    play.join("Ann", "Ben")
    play.wait(1000)
    play.join("Cem")
    assert play.kinds().count("CountdownStarted") == 1


def test_removed_participants_are_not_enough() -> None:
    """Who was removed does not count towards the start."""
    play = Play(quiz(start="auto"))
    play.join("Ann", "Ben")
    play.do(ev.HostKicked("p0"))
    play.join("Cem")
    assert play.phase() is Phase.LOBBY
    play.join("Dia")
    assert play.phase() is Phase.STARTING


def test_a_host_starts_a_quiz_of_its_own() -> None:
    """With ``start: host`` any number waits for the host, who needs nobody."""
    play = Play()
    play.join("Ann", "Ben", "Cem", "Dia")
    assert play.phase() is Phase.LOBBY
    play.do(ev.HostStarted())
    assert play.phase() is Phase.STARTING


@pytest.mark.parametrize("pause", [False, True])
def test_late_joins_where_the_quiz_has_them(*, pause: bool) -> None:
    """A latecomer is in, with no points, and may answer the open question."""
    play = Play()
    play.join("Ann")
    play.start()
    if pause:
        play.do(ev.HostPaused())
    (late,) = play.join("Ben")
    if pause:
        play.do(ev.HostResumed())
    play.answer(late, "green")
    assert play.scores() == [0, 1000]


def test_no_late_joins_where_the_quiz_has_none() -> None:
    """Until the first question opens everybody may come, then nobody."""
    play = Play(quiz(late_join=False))
    play.join("Ann")
    play.do(ev.HostStarted())
    play.join("Ben")
    play.do(ev.HostPaused())
    play.join("Cem")
    play.do(ev.HostResumed())
    play.due()
    late = ev.ParticipantJoined("p9", "Late")
    assert play.refused(late).reason is Reason.SESSION_LOCKED
    play.do(ev.HostPaused())
    assert play.refused(late).reason is Reason.SESSION_LOCKED
    play.do(ev.HostResumed())
    play.due()
    assert play.refused(late).reason is Reason.SESSION_LOCKED


def test_a_lock_keeps_out_and_opens_again() -> None:
    """A locked session takes nobody; locking it twice is one record."""
    play = Play()
    play.do(ev.HostLocked())
    assert play.do(ev.HostLocked()) == []
    refused = play.refused(ev.ParticipantJoined("p0", "Ann"))
    assert refused.reason is Reason.SESSION_LOCKED
    assert play.do(ev.HostLocked(locked=False)) == [fx.RefreshHost()]
    assert play.do(ev.HostLocked(locked=False)) == []
    play.join("Ann")
    assert play.kinds() == [
        "SessionOpened",
        "SessionLocked",
        "SessionLocked",
        "ParticipantAdded",
    ]


@pytest.mark.parametrize(("most", "capacity"), [(2, 1000), (None, 2), (1000, 2)])
def test_a_full_session_says_its_limit(most: int | None, capacity: int) -> None:
    """The lower of the quiz's and the server's limits holds, and is named."""
    play = Play(quiz(max_participants=most), capacity)
    play.join("Ann", "Ben")
    refused = play.refused(ev.ParticipantJoined("p2", "Cem"))
    assert (refused.reason, refused.details) == (Reason.SESSION_FULL, {"limit": 2})
    play.do(ev.HostKicked("p0"))
    play.join("Cem")
    assert play.state.participants == 2


def test_a_removed_participant_is_off_the_board_and_may_come_back() -> None:
    """Without a ban the place is free again, also for the same name."""
    play = Play()
    play.join("Ann", "Ben")
    effects = play.do(ev.HostKicked("p0"))
    assert effects == [fx.RemoveParticipant(0, banned=False), fx.RefreshBoard()]
    assert play.ranks() == [0, 1]
    play.join("Ann")
    assert play.state.names == ["Ann", "Ben", "Ann (2)"]


def test_a_banned_name_stays_out_whatever_its_case() -> None:
    """A ban holds for the name; other people still come in."""
    play = Play()
    play.join("Straße", "Ben")
    effects = play.do(ev.HostKicked("p0", ban=True))
    assert fx.RemoveParticipant(0, banned=True) in effects
    for name in ("Straße", "STRASSE", "strasse"):
        refused = play.refused(ev.ParticipantJoined("p9", name))
        assert refused.reason is Reason.FORBIDDEN
        assert refused.details == {"field": "participantName"}
    play.join("Strass")


@pytest.mark.parametrize(
    "asked",
    [("Ann", "Ann"), ("Ann", "Ann (2)"), ("Ann", "Ann", "ann (2)"), ("Ben", "Ann")],
)
def test_a_ban_holds_for_the_name_without_its_number(asked: tuple[str, ...]) -> None:
    """Nobody who is shown as ``Ann (2)`` comes in as ``Ann`` again, or as another."""
    play = Play()
    *_, last = play.join(*asked)
    play.do(ev.HostKicked(f"p{last}", ban=True))
    for name in ("Ann", "ANN", "Ann (2)", "ann (7)", "Ann (2) (3)"):
        refused = play.refused(ev.ParticipantJoined("p9", name))
        assert refused.reason is Reason.FORBIDDEN
    play.join("Ann (x)", "Ann(2)", "Ann 2")


def test_removing_twice_is_once_and_nobody_is_an_error() -> None:
    """A repeated removal does nothing; one of a stranger is refused by name."""
    play = Play()
    play.join("Ann")
    play.do(ev.HostKicked("p0"))
    assert play.do(ev.HostKicked("p0", ban=True)) == []
    refused = play.refused(ev.HostKicked("p5"))
    assert refused.reason is Reason.FORBIDDEN
    assert refused.details == {"field": "participantId"}


def test_a_removed_participant_answers_no_more() -> None:
    """Neither by the general way nor by the fast one; what was answered stays."""
    play = Play()
    play.join("Ann", "Ben")
    play.start()
    play.answer(0, "green")
    play.do(ev.HostKicked("p0"))
    play.do(ev.HostKicked("p1"))
    assert play.refused(play.answering(1, "green")).reason is Reason.FORBIDDEN
    verdicts = play.tick((0, "green"), (1, "green"))
    assert verdicts.refused == [(0, "forbidden"), (1, "forbidden")]
    assert verdicts.record is None
    assert play.scores() == [1000, 0]
    assert isinstance(play.records[-1], rec.ParticipantRemoved)


def test_the_same_join_again_is_the_same_participant() -> None:
    """By its id, as when another shard has not heard what came of it."""
    play = Play()
    event = ev.ParticipantJoined("p-1", "Ann")
    play.do(event)
    assert play.decide(event) == []
    assert play.state.names == ["Ann"]
    assert play.session.joined_before(event) == 0
