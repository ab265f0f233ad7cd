"""Which answers count, by the fast way and by the general one, and why others don't."""

import pytest

from quizd._fast.inbox import Inbox
from quizd.codes import Reason
from quizd.session import effects as fx
from quizd.session import events as ev
from tests.session.play import (
    LEAD_MS,
    OPTIONS,
    Play,
    multiple,
    quiz,
    single,
    true_false,
)


def asked(*questions: dict[str, object], **settings: object) -> Play:
    """Return a session of three participants at the start of the first question."""
    play = Play(quiz(*questions, **settings))
    play.join("Ann", "Ben", "Cem")
    play.start()
    return play


def end_ms(play: Play) -> int:
    """Return the end of the question asked last."""
    assert play.state.sheet is not None
    return play.state.sheet.end_ms


# -- time --------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("elapsed_ms", "points"),
    [
        (0, 1000),
        (500, 1000),
        (501, 987),
        (5000, 875),
        (10_000, 750),
        (19_999, 500),
        (20_000, 500),
    ],
)
def test_points_fall_with_time(elapsed_ms: int, points: int) -> None:
    """All points within half a second, then less, down to half of them at the end."""
    play = asked()
    play.wait(elapsed_ms)
    play.answer(0, "green")
    play.tick((1, "green"))
    assert play.points() == [points, points, 0]


def test_an_answer_before_the_start_counts_as_given_then() -> None:
    """Within the lead all points are to be had, and the instant is kept as it was."""
    play = Play()
    play.join("Ann", "Ben")
    play.do(ev.HostStarted())
    play.due(1000)
    play.answer(0, "green")
    play.tick((1, "green"))
    assert play.points() == [1000, 1000]
    assert play.state.sheets[0].result(0)[0] == play.now_ms


def test_an_answer_at_the_end_counts_and_a_millisecond_later_not() -> None:
    """The last instant belongs to the question; by both ways."""
    play = asked()
    play.wait(20_000)
    play.answer(0, "green")
    play.tick((1, "green"))
    play.wait(1)
    late = play.refused(play.answering(2, "green"))
    assert (late.reason, late.details) == (Reason.TOO_LATE, {"questionId": "q1"})
    assert play.tick((2, "green")).refused == [(2, "too_late")]
    assert play.points() == [500, 500, 0]


def test_the_instant_of_receipt_counts_not_that_of_the_tick() -> None:
    """An answer that waited for its tick is worth what it was when it came."""
    play = asked()
    received_ms = play.now_ms + 10_000
    play.wait(25_000)
    play.tick((0, "green", received_ms), (1, "green", end_ms(play) + 1))
    assert play.points() == [750, 0, 0]


# -- once --------------------------------------------------------------------------


def test_the_same_answer_again_changes_nothing() -> None:
    """It is answered with the same result, at any later time, and recorded once."""
    play = asked()
    play.answer(0, "green")
    play.wait(5000)
    again = play.answering(0, "green")
    assert play.session.repeated(again) == 0
    assert play.decide(again) == []
    verdicts = play.tick((0, "green"))
    assert (verdicts.repeated, verdicts.record) == ([0], None)
    play.wait(60_000)
    assert play.tick((0, "green")).repeated == [0]
    play.due()
    assert play.session.repeated(play.answering(0, "green")) == 0


def test_another_answer_does_not_replace_the_first() -> None:
    """The first one stands, right or wrong, also when it is too late for both."""
    play = asked()
    play.answer(0, "red")
    for _ in range(2):
        refused = play.refused(play.answering(0, "green"))
        assert refused.reason is Reason.ALREADY_ANSWERED
        assert refused.details == {"questionId": "q1"}
        assert play.tick((0, "green")).refused == [(0, "already_answered")]
        play.wait(30_000)
    assert play.session.repeated(play.answering(0, "green")) is None
    assert play.points() == [0, 0, 0]


def test_within_one_tick_the_first_answer_counts() -> None:
    """The second one in the same tick is a repetition, or refused."""
    play = asked()
    verdicts = play.tick(
        (0, "green"), (1, "red"), (0, "green"), (1, "green"), (2, "green"), (2, "red")
    )
    assert verdicts.repeated == [0]
    assert verdicts.refused == [(1, "already_answered"), (2, "already_answered")]
    assert play.scores() == [1000, 0, 1000]


def test_what_was_answered_before_a_reveal_is_told_again_after_it() -> None:
    """Repetition is recognised for every earlier question, in every phase."""
    play = asked()
    play.answer(0, "green")
    play.due()
    play.due()
    earlier = play.answering(0, "green", question="q1")
    assert play.session.repeated(earlier) == 0
    play.do(ev.HostPaused())
    assert play.session.repeated(earlier) == 0
    play.do(ev.HostEnded())
    assert play.session.repeated(earlier) == 0


@pytest.mark.parametrize("question", ["q1", "q2", "q3", "none", None, 7, ["q1"]])
def test_nothing_is_repeated_that_was_not_answered(question: object) -> None:
    """Neither an open question, nor a later one, nor one that does not exist."""
    play = asked(single(), single(), single())
    payload = {"questionId": question, "selectedOption": "green"}
    assert play.session.repeated(ev.AnswerSubmitted(0, play.now_ms, payload)) is None
    payload = {"questionId": question}
    assert play.session.repeated(ev.AnswerSubmitted(0, play.now_ms, payload)) is None


# -- which question ----------------------------------------------------------------


@pytest.mark.parametrize(
    ("question", "reason"),
    [
        ("q1", Reason.TOO_LATE),
        ("q3", Reason.TOO_EARLY),
        ("q4", Reason.UNKNOWN_QUESTION),
        ("", Reason.UNKNOWN_QUESTION),
        (None, Reason.UNKNOWN_QUESTION),
        (2, Reason.UNKNOWN_QUESTION),
        (["q2"], Reason.UNKNOWN_QUESTION),
    ],
)
def test_answers_to_other_questions(question: object, reason: Reason) -> None:
    """An answer that is not to the open question is refused by what it is to."""
    play = asked(single(), single(), single())
    play.due()
    play.due()
    payload = {"questionId": question, "selectedOption": "green"}
    refused = play.refused(ev.AnswerSubmitted(0, play.now_ms, payload))
    assert refused.reason is reason
    assert refused.details == {"questionId": question}


def test_a_second_answer_to_an_earlier_question() -> None:
    """It was answered already, which says more than that it is too late."""
    play = asked()
    play.answer(0, "green")
    play.due()
    late = play.answering(0, "red", question="q1")
    assert play.refused(late).reason is Reason.ALREADY_ANSWERED
    play.due()
    assert play.refused(late).reason is Reason.ALREADY_ANSWERED


def test_answers_to_other_questions_take_the_general_way() -> None:
    """The fast way leaves them to be decided one by one, with all that was sent."""
    play = asked()
    inbox = Inbox(10, lambda: None)
    inbox.add(1, play.now_ms, b"q2", b"green", b"noon")
    inbox.add(0, play.now_ms, b"q1", b"green")
    inbox.add(2, play.now_ms, b"q1\xc3\xa9", b"green")
    verdicts = play.judge(inbox)
    assert verdicts.general == [
        (1, play.now_ms, b"q2", b"green", b"noon"),
        (2, play.now_ms, b"q1\xc3\xa9", b"green", b""),
    ]
    assert play.points() == [1000, 0, 0]


# -- which option ------------------------------------------------------------------


@pytest.mark.parametrize(
    "option", ["", "GREEN", "green ", "gree", "greenn", "grün", "red,green"]
)
def test_an_option_is_its_whole_text(option: str) -> None:
    """Anything but one of the texts is no option, by either way."""
    play = asked()
    refused = play.refused(play.answering(0, option))
    assert refused.reason is Reason.INVALID_OPTION
    assert refused.details == {"questionId": "q1", "field": "selectedOption"}
    assert play.tick((0, option)).refused == [(0, "invalid_option")]


@pytest.mark.parametrize(
    "payload",
    [
        {},
        {"selectedOption": None},
        {"selectedOption": 1},
        {"selectedOption": ["green"]},
        {"selectedOption": {"text": "green"}},
        {"selectedOptions": ["green"]},
        {"text": "green"},
    ],
)
def test_a_single_choice_is_a_text(payload: dict[str, object]) -> None:
    """Other types, and the fields of other questions, are no option."""
    play = asked()
    answer = ev.AnswerSubmitted(0, play.now_ms, {"questionId": "q1", **payload})
    assert play.refused(answer).reason is Reason.INVALID_OPTION


def test_options_of_any_script() -> None:
    """Texts are compared as UTF-8, whatever they are made of."""
    options = ["grün", "зелёный", "緑", "🟩", 'a "b" \\ c']
    play = asked(*[single(option, options=options) for option in options])
    for option in options:
        play.answer(0, option)
        play.tick((1, option))
        play.due()
        play.due()
        play.wait(LEAD_MS)
    assert play.scores() == [5000, 5000, 0]


def test_true_or_false() -> None:
    """A statement takes the two words, spelt like this, and nothing else."""
    play = asked(true_false("False"))
    play.answer(0, "False")
    play.tick((1, "True"))
    assert play.points() == [1000, 0, 0]
    assert play.refused(play.answering(2, "false")).reason is Reason.INVALID_OPTION
    assert play.tick((2, "true")).refused == [(2, "invalid_option")]
    assert play.state.sheets[0].distribution(2) == [1, 1]


# -- multiple choice ---------------------------------------------------------------


@pytest.mark.parametrize(
    ("chosen", "points"),
    [
        (["red", "green"], 1000),
        (["green", "red"], 1000),
        (["red"], 0),
        (["red", "green", "blue"], 0),
        (["red", "blue"], 0),
        ("red", 0),
    ],
)
def test_all_correct_options_and_no_other(chosen: object, points: int) -> None:
    """The order does not matter, one missing or one too many is nothing."""
    play = asked(multiple("red", "green"))
    play.answer(0, chosen)
    assert play.points()[0] == points


def test_one_correct_option_of_many_may_come_as_one() -> None:
    """``selectedOption`` is a choice of one, also through the session's inbox."""
    play = asked(multiple("green"))
    verdicts = play.tick((0, "green"))
    ((who, received_ms, *texts),) = verdicts.general
    assert (who, received_ms, texts) == (0, play.now_ms, [b"q1", b"green", b""])
    play.answer(0, "green")
    play.answer(1, ["green"])
    assert play.points() == [1000, 1000, 0]


@pytest.mark.parametrize(
    "chosen",
    [
        [],
        ["red", "red"],
        ["red", "yellow"],
        ["red", 1],
        ["red", None],
        ["red", ["green"]],
        [*OPTIONS, "red"],
        {"red": True},
        None,
        7,
    ],
)
def test_a_multiple_choice_is_a_list_of_different_options(chosen: object) -> None:
    """Empty, doubled, unknown or of another kind: no possible answer."""
    play = asked(multiple("red", "green"))
    refused = play.refused(play.answering(0, chosen))
    assert refused.reason is Reason.INVALID_OPTION
    assert refused.details == {"questionId": "q1", "field": "selectedOptions"}


def test_the_same_options_in_another_order_are_the_same_answer() -> None:
    """What counts is the set; another set is another answer."""
    play = asked(multiple("red", "green"))
    play.answer(0, ["red", "green"])
    assert play.decide(play.answering(0, ["green", "red"])) == []
    other = play.refused(play.answering(0, ["red", "blue"]))
    assert other.reason is Reason.ALREADY_ANSWERED


def test_every_chosen_option_is_in_the_distribution() -> None:
    """Three answers of two options each are six choices."""
    play = asked(multiple("red", "green"))
    play.answer(0, ["red", "green"])
    play.answer(1, ["green", "blue"])
    play.answer(2, ["blue", "red"])
    reveal = play.due()[0]
    assert isinstance(reveal, fx.RevealQuestion)
    assert (reveal.distribution, reveal.answered) == ((2, 2, 2), 3)


# -- the player's own claim of the time --------------------------------------------


@pytest.mark.parametrize("claim", [None, 5, ["noon"], "x" * 41, "é" * 21])
def test_a_claim_of_another_kind_or_too_long(claim: object) -> None:
    """``answeredAt`` is a text of 40 bytes at most; the answer can be sent again."""
    play = asked()
    refused = play.refused(play.answering(0, "green", answeredAt=claim))
    assert refused.reason is Reason.INVALID_MESSAGE
    assert refused.details == {"field": "answeredAt"}
    play.answer(0, "green")


@pytest.mark.parametrize("claim", ["", "noon", "1970-01-01T00:00:00Z", "é" * 20])
def test_a_claim_is_kept_and_never_believed(claim: str) -> None:
    """Whatever the player says of the time, the server's counts."""
    play = asked()
    play.wait(10_000)
    play.answer(0, "green", answeredAt=claim)
    assert play.points() == [750, 0, 0]
    assert claim.encode() in last_body(play)


def last_body(play: Play) -> bytes:
    """Return the last record's body."""
    return play.records[-1].body()


# -- effects -----------------------------------------------------------------------


def test_accepted_answers_cause_results_in_their_order() -> None:
    """Who answered is told, in the order of receipt; board and host are refreshed."""
    play = asked()
    play.tick((2, "green"), (0, "red"))
    assert play.effects[-3:] == [
        fx.SendResults(0, (2, 0)),
        fx.RefreshBoard(),
        fx.RefreshHost(),
    ]
