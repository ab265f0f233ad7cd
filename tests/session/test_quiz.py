"""What a quiz may be, and what is said of one that it may not."""

from typing import Any

import pytest
from pydantic import ValidationError

from quizd.session.quiz import Quiz, first_repeated
from tests.session.play import multiple, quiz, single, true_false


def complaint(*questions: object, **fields: object) -> str:
    """Return what is said against a quiz of *questions*; fail if nothing is."""
    data = {"title": "Colours", "questions": list(questions) or [single()], **fields}
    with pytest.raises(ValidationError) as caught:
        Quiz.model_validate(data)
    return str(caught.value)


def test_a_quiz_survives_its_own_json() -> None:
    """What a session embeds gives the same quiz again."""
    definition = quiz(
        single(media={"kind": "image", "url": "https://x/y.png"}, explanation="So."),
        multiple("red", "blue", time_s=1.5, points=2000),
        true_false("False", points=0),
        scoring="fixed",
        streak_bonus=True,
        max_participants=7,
    )
    assert Quiz.model_validate_json(definition.model_dump_json()) == definition


def test_the_defaults_are_the_protocol_s() -> None:
    """What a quiz leaves out is played by the rules of play."""
    definition = Quiz.model_validate({"title": "T", "questions": [single()]})
    settings = definition.settings
    assert settings.countdown_ms == 5000
    assert settings.min_participants == 3
    assert (settings.scoring, settings.feedback) == ("speed", "immediate")
    assert (settings.start, settings.streak_bonus) == ("auto", False)
    question = definition.question(0)
    assert (question.points, question.time_ms) == (1000, 20_000)


def test_questions_are_numbered_by_their_place() -> None:
    """Who has no id gets ``q`` and the place; given ids stay."""
    definition = quiz(single(), single(id="own"), single())
    assert [question.id for question in definition.questions] == ["q1", "own", "q3"]


def test_equal_ids_are_named() -> None:
    """Also where one of them came from the place."""
    assert "question id 'same'" in complaint(single(id="same"), single(id="same"))
    assert "question id 'q2'" in complaint(single(id="q2"), single())


@pytest.mark.parametrize(
    "id_", ["", "a b", "-a", "é", "x" * 65, "a\n", None, 7, 'a"b', "a/b"]
)
def test_ids_are_plain(id_: object) -> None:
    """Letters, digits, dot, dash and underline, 64 at most."""
    assert "questions.0.single_choice.id" in complaint(single(id=id_))


@pytest.mark.parametrize("make", [single, multiple])
def test_equal_options_are_named(make: Any) -> None:  # noqa: ANN401 - a builder
    """Two options of the same text could not be told apart."""
    question = make("red", options=["red", "green", "red"])
    assert "option 'red' is given twice" in complaint(question)


def test_options_that_differ_in_case_differ() -> None:
    """Only equal texts are equal."""
    definition = quiz(single("red", options=["red", "Red"]))
    assert definition.question(0).shown_options == ("red", "Red")


def test_a_correct_option_twice() -> None:
    """Naming a correct option twice is a mistake, too."""
    assert "correct option 'red' is given twice" in complaint(multiple("red", "red"))


@pytest.mark.parametrize("question", [single("yellow"), multiple("red", "yellow")])
def test_a_correct_option_that_is_none(question: object) -> None:
    """What is correct has to be among the options."""
    assert "'yellow' is not among the options" in complaint(question)


def test_all_options_may_be_correct() -> None:
    """Twenty of twenty, and no more than there can be options."""
    options = [f"option {number}" for number in range(20)]
    definition = quiz(multiple(*options, options=options))
    assert definition.question(0).correct_options == tuple(options)
    said = complaint(multiple(*options, "more", options=options))
    assert "questions.0.multiple_choice.correct\n" in said
    assert "at most 20 items" in said


@pytest.mark.parametrize(
    ("question", "where"),
    [
        (single(options=["red"]), "options"),
        (single(options=[str(n) for n in range(21)]), "options"),
        (single(options=["", "green"]), "options.0"),
        (single(options=["x" * 301, "green"]), "options.0"),
        (single(options="red"), "options"),
        ({**single(), "correct": ["red", "green"]}, "correct"),
        ({**single(), "correct": []}, "correct"),
        (single(text=""), "text"),
        (single(text="x" * 1001), "text"),
        (single(time_s=0.9), "time_s"),
        (single(time_s=3601), "time_s"),
        (single(time_s=float("nan")), "time_s"),
        (single(time_s=float("inf")), "time_s"),
        (single(points=500), "points"),
        (single(points=-1000), "points"),
        (single(media={"kind": "image", "url": "http://x/y"}), "media.url"),
        (single(media={"kind": "page", "url": "/x"}), "media.kind"),
        (single(colour="red"), "colour"),
    ],
)
def test_a_wrong_question_says_where(question: object, where: str) -> None:
    """The complaint names the question's place, its type and the field."""
    assert f"questions.1.single_choice.{where}" in complaint(single(), question)


@pytest.mark.parametrize("correct", ["true", "Yes", ""])
def test_a_statement_is_true_or_false(correct: str) -> None:
    """Spelt like this."""
    assert "questions.0.true_false.correct" in complaint(true_false(correct))


@pytest.mark.parametrize("kind", ["essay", None, 3])
def test_an_unknown_type_of_question(kind: object) -> None:
    """The complaint lists the types there are."""
    said = complaint({**single(), "type": kind})
    assert "'single_choice', 'multiple_choice', 'true_false'" in said


@pytest.mark.parametrize(
    ("fields", "where"),
    [
        ({"title": ""}, "title"),
        ({"language": "English"}, "language"),
        ({"questions": []}, "questions"),
        ({"questions": [single()] * 501}, "questions"),
        ({"questions": "q1"}, "questions"),
        ({"questions": [5]}, "questions.0"),
        ({"settings": {"scoring": "random"}}, "settings.scoring"),
        ({"settings": {"min_participants": 0}}, "settings.min_participants"),
        ({"settings": {"countdown_s": -1}}, "settings.countdown_s"),
        ({"settings": {"reveal_s": 3601}}, "settings.reveal_s"),
        ({"settings": {"max_participants": 100_001}}, "settings.max_participants"),
        ({"settings": {"speed": 1}}, "settings.speed"),
        ({"author": "Ann"}, "author"),
    ],
)
def test_a_wrong_quiz_says_where(fields: dict[str, object], where: str) -> None:
    """Unknown fields and values out of range are named."""
    assert f"\n{where}\n" in "\n" + complaint(**fields)


@pytest.mark.parametrize("data", [None, 5, [], "quiz", {}])
def test_what_is_no_quiz_at_all(data: object) -> None:
    """Any other value is refused in the same way."""
    with pytest.raises(ValidationError):
        Quiz.model_validate(data)


@pytest.mark.parametrize(
    ("fields", "where"),
    [
        ({"title": "a\0b"}, "title"),
        ({"description": "\0"}, "description"),
        ({"questions": [single(), {**single(), "text": "\0?"}]}, "questions[1].text"),
    ],
)
def test_what_can_not_be_kept_says_where(fields: dict[str, object], where: str) -> None:
    """The character NUL, anywhere."""
    assert f"{where} must not hold the character NUL" in complaint(**fields)


def test_what_only_looks_like_nul_is_text() -> None:
    """A backslash, a u and four digits."""
    data = {"title": "a\\u0000b", "questions": [single()]}
    assert Quiz.model_validate(data).title == "a\\u0000b"


def test_the_first_repeated_text() -> None:
    """The first one that has been there before, none where all differ."""
    assert first_repeated(["a", "b", "b", "a"]) == "b"
    assert first_repeated(["a", "b"]) is None
