"""The native format: what goes in comes out; what is wrong is said with its place."""

import json
from collections.abc import Mapping
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError
from pydantic_core import InitErrorDetails, PydanticCustomError

from quizd.content import load, names
from quizd.quizfile.json_format import dump, parse
from quizd.quizfile.problems import (
    PROBLEMS_MAX,
    QuizFileError,
    QuizSyntaxError,
    problems_of,
)
from quizd.session.quiz import Quiz

Json = dict[str, Any]

CHOICE: Json = {
    "id": "break-down",
    "type": "single_choice",
    "text": "To break down is …",
    "options": ["to stop", "to start", "to sing"],
    "correct": ["to stop"],
}


def file_with(*questions: object, **top: object) -> bytes:
    """Return a file with these questions, :data:`CHOICE` where there are none."""
    tree = {"title": "Verbs", "questions": list(questions) or [CHOICE], **top}
    return json.dumps(tree).encode()


def problems_in(data: bytes | str) -> list[str]:
    """Return what is wrong with a file."""
    with pytest.raises(QuizFileError) as raised:
        parse(data, "verbs.json")
    assert str(raised.value).startswith("verbs.json: ")
    assert all("\n" not in line for line in raised.value.problems)
    return raised.value.problems


# -- what is right -----------------------------------------------------------------


@pytest.mark.parametrize("name", names())
def test_a_dumped_quiz_is_the_same_quiz(name: str) -> None:
    """Dumping and parsing loses nothing, and dumping is stable."""
    quiz = load(name)
    data = dump(quiz)
    assert parse(data, name) == quiz
    assert dump(parse(data, name)) == data


TEXT = st.text(
    st.characters(blacklist_categories=["Cs"], blacklist_characters="\0"),
    min_size=1,
    max_size=40,
)


@given(
    title=TEXT,
    options=st.lists(TEXT, min_size=2, max_size=6, unique=True),
    time_s=st.floats(1, 3600),
    data=st.data(),
)
def test_any_quiz_survives(
    title: str, options: list[str], time_s: float, data: st.DataObject
) -> None:
    """Whatever the texts and numbers are."""
    question = {
        "type": "single_choice",
        "text": title,
        "options": options,
        "correct": [data.draw(st.sampled_from(options))],
        "time_s": time_s,
    }
    quiz = Quiz.model_validate({"title": title, "questions": [question]})
    assert parse(dump(quiz), "any") == quiz


def test_text_is_as_good_as_bytes() -> None:
    """A mark at the beginning, which some editors put there, is passed over."""
    quiz = parse(file_with(), "x")
    assert parse(file_with().decode(), "x") == quiz
    assert parse(b"\xef\xbb\xbf" + file_with(), "x") == quiz


def test_questions_get_ids_by_their_place() -> None:
    """A question without one is q and its number."""
    bare = {key: value for key, value in CHOICE.items() if key != "id"}
    quiz = parse(file_with(CHOICE, bare), "x")
    assert [question.id for question in quiz.questions] == ["break-down", "q2"]


# -- what is no JSON ---------------------------------------------------------------


@pytest.mark.parametrize(
    ("data", "problem"),
    [
        (b"", "line 1, column 1: not JSON: expecting value"),
        (
            b'{"title": "x",\n  title: 1}',
            (
                "line 2, column 3: not JSON: "
                "expecting property name enclosed in double quotes"
            ),
        ),
        (b'{"a": 1} x', "line 1, column 10: not JSON: extra data"),
        (b'{\n"title": "caf\xe9"}', "line 2: not UTF-8 (byte 0xE9)"),
        (b"\xff\xfe{\x00", "line 1: not UTF-8 (byte 0xFF)"),
        (b"[" * 100_000, "nested far too deeply"),
        (b'{"title": NaN}', "not JSON: NaN is no number"),
        (b'{"title": -Infinity}', "not JSON: -Infinity is no number"),
        (b'{"title": ' + b"1" * 5_000 + b"}", "not JSON: a number has 5000 digits"),
    ],
)
def test_what_is_no_json_is_told_with_its_place(data: bytes, problem: str) -> None:
    """One problem, of a kind of its own: nothing could be read."""
    assert problems_in(data) == [problem]
    with pytest.raises(QuizSyntaxError):
        parse(data, "x")


def test_a_key_that_comes_twice_is_told() -> None:
    """Which one was meant can't be known; with the question where it has an id."""
    twice = file_with().decode().replace('"text"', '"text": "x", "text"')
    expected = ['question with the id "break-down": key "text" is given twice']
    assert problems_in(twice) == expected
    top = '{"title": "a", "title": "b", ' + file_with().decode()[1:]
    assert problems_in(top) == ['key "title" is given twice']


# -- what is wrong with a value ----------------------------------------------------


@pytest.mark.parametrize(
    ("change", "problem"),
    [
        ({"time_s": 0}, "time_s: must be at least 1, is 0"),
        ({"time_s": 7200}, "time_s: must be at most 3600, is 7200"),
        ({"time_s": "long"}, 'time_s: must be a number, is "long"'),
        ({"time_s": None}, "time_s: must be a number, is null"),
        ({"points": 5}, "points: must be 0, 1000 or 2000, is 5"),
        ({"text": ""}, 'text: must not be empty, is ""'),
        ({"text": 5}, "text: must be text, is 5"),
        (
            {"text": "x" * 1001},
            f'text: must have at most 1000 characters, is "{"x" * 59}…',
        ),
        (
            {"id": "no id"},
            (
                "id: must be 1 to 64 letters, digits, dots, hyphens or underscores "
                '(A to Z only), a letter or digit first, is "no id"'
            ),
        ),
        ({"id": 5}, "id: must be text, is 5"),
        ({"options": "to stop"}, 'options: must be a list, is "to stop"'),
        (
            {"options": ["to stop"]},
            "options: must have 2 or more entries, has 1",
        ),
        (
            {"correct": ["to stop", "to sing"]},
            "correct: must have 1 or fewer entries, has 2",
        ),
        ({"options": ["to stop", ""]}, 'options[1]: must not be empty, is ""'),
        ({"media": "x.png"}, 'media: must be an object, is "x.png"'),
        (
            {"media": {"kind": "image", "url": "http://x"}},
            'media.url: must begin with "https://" or "/", is "http://x"',
        ),
        (
            {"media": {"kind": "film", "url": "/x"}},
            'media.kind: must be "image", "audio" or "video", is "film"',
        ),
        ({"media": {"kind": "image"}}, "media.url: is missing"),
        (
            {"media": {"kind": "image", "url": "/x", "uri": 1}},
            'media.uri: unknown key (did you mean "url"?)',
        ),
        ({"time": 5}, 'time: unknown key (did you mean "time_s"?)'),
        ({"xyz": 5}, "xyz: unknown key"),
        (
            {"type": "single"},
            (
                'type: must be "single_choice", "multiple_choice" or "true_false", is '
                '"single" (did you mean "single_choice"?)'
            ),
        ),
    ],
)
def test_a_wrong_value_is_told_with_its_path(
    change: Mapping[str, object], problem: str
) -> None:
    """The path as programs write it, what it must be, and what it is."""
    assert problems_in(file_with(CHOICE, {**CHOICE, "id": "q2", **change})) == [
        f"questions[1].{problem}"
    ]


@pytest.mark.parametrize(
    ("change", "problem"),
    [
        ({"title": ""}, 'title: must not be empty, is ""'),
        ({"titel": "x"}, 'titel: unknown key (did you mean "title"?)'),
        (
            {"countdown_s": 3},
            'countdown_s: unknown key (did you mean "settings.countdown_s"?)',
        ),
        (
            {"language": "English"},
            'language: must be a language tag like "en" or "pt-BR", is "English"',
        ),
        ({"questions": []}, "questions: must have 1 or more entries, has 0"),
        ({"questions": {}}, "questions: must be a list, is {}"),
        ({"questions": [5]}, "questions[0]: must be an object, is 5"),
        ({"settings": 3}, "settings: must be an object, is 3"),
        (
            {"settings": {"scoring": "luck"}},
            'settings.scoring: must be "speed" or "fixed", is "luck"',
        ),
        (
            {"settings": {"min_participants": 1.5}},
            "settings.min_participants: must be a whole number, is 1.5",
        ),
        (
            {"settings": {"late_join": "perhaps"}},
            'settings.late_join: must be true or false, is "perhaps"',
        ),
        (
            {"settings": {"reveal": 3}},
            'settings.reveal: unknown key (did you mean "reveal_s"?)',
        ),
    ],
)
def test_a_wrong_top_or_setting_is_told_with_its_path(
    change: Mapping[str, object], problem: str
) -> None:
    """The same for what is not in a question."""
    assert problems_in(file_with(**change)) == [problem]


@pytest.mark.parametrize("data", [b"[]", b"5", b"null", b'"quiz"'])
def test_a_file_that_is_no_object_is_no_quiz(data: bytes) -> None:
    """There is one problem with it."""
    assert problems_in(data) == [f"quiz: must be an object, is {data.decode()}"]


def test_what_is_missing_is_told() -> None:
    """At the top, and the type without which nothing else can be judged."""
    assert problems_in(b"{}") == ["title: is missing", "questions: is missing"]
    (problem,) = problems_in(file_with({"text": "x"}))
    assert problem.startswith("questions[0].type: must be ")
    assert problem.endswith(", is missing")


def test_half_a_surrogate_pair_is_written_out() -> None:
    """A problem can be sent as UTF-8 whatever the file holds, in keys and values."""
    data = b'{"title": "\\ud800", "\\ud800": 1, "questions": [{"\\udfff": 1}]}'
    for problem in problems_in(data):
        assert problem.encode()


# -- what is wrong across values ---------------------------------------------------


@pytest.mark.parametrize(
    ("change", "problem"),
    [
        (
            {"options": ["to stop", "to sing", "to stop"]},
            'option "to stop" is given twice',
        ),
        (
            {"correct": ["to stopp"]},
            'correct option "to stopp" is not an option (did you mean "to stop"?)',
        ),
        ({"correct": ["xyz"]}, 'correct option "xyz" is not an option'),
        (
            {"type": "multiple_choice", "correct": ["to stop", "to stop"]},
            'correct option "to stop" is given twice',
        ),
    ],
)
def test_a_question_that_contradicts_itself_is_named(
    change: Mapping[str, object], problem: str
) -> None:
    """By its number as people count and its id."""
    first = {**CHOICE, "id": "one"}
    data = file_with(first, {**CHOICE, "id": "two"}, {**CHOICE, **change})
    assert problems_in(data) == [f'question 3 (id "break-down"): {problem}']


def test_without_an_id_the_number_names_a_question() -> None:
    """The id that it would get by its place is nothing that the file says."""
    bare = {key: value for key, value in CHOICE.items() if key != "id"}
    assert problems_in(file_with({**bare, "correct": ["xyz"]})) == [
        'question 1: correct option "xyz" is not an option'
    ]


def test_an_id_that_comes_twice_is_told() -> None:
    """Also one that a question without an id gets by its place."""
    bare = {key: value for key, value in CHOICE.items() if key != "id"}
    data = file_with(CHOICE, {**CHOICE, "id": "q3"}, bare, CHOICE)
    assert problems_in(data) == [
        'question 3: has the id "q3" of question 2',
        'question 4: has the id "break-down" of question 1',
    ]


def test_a_statement_has_no_options() -> None:
    """Options of a true-or-false question are unknown, not contradicted."""
    wrong = {
        "type": "true_false",
        "text": "x",
        "options": ["Yes"],
        "correct": ["True"],
    }
    (problem,) = problems_in(file_with(wrong))
    assert problem.startswith("questions[0].options: unknown key")


def test_all_problems_are_told_at_once() -> None:
    """Those of values first, then those across them; nobody has to come again."""
    wrong = {**CHOICE, "time_s": 0, "options": ["a", "a"], "correct": ["b"]}
    assert problems_in(file_with(wrong, {**CHOICE}, {**CHOICE}, titel="x")) == [
        "questions[0].time_s: must be at least 1, is 0",
        'titel: unknown key (did you mean "title"?)',
        'question 1 (id "break-down"): option "a" is given twice',
        'question 1 (id "break-down"): correct option "b" is not an option',
        'question 2: has the id "break-down" of question 1',
        'question 3: has the id "break-down" of question 1',
    ]


def test_problems_are_bounded() -> None:
    """Of thousands the first are told, and that there are more."""
    problems = problems_in(file_with(*({} for _ in range(5_000))))
    assert len(problems) == PROBLEMS_MAX + 1
    assert problems[-1] == "and more"
    exactly = problems_in(file_with(*({} for _ in range(PROBLEMS_MAX))))
    assert len(exactly) == PROBLEMS_MAX
    assert exactly[-1] != "and more"


def test_a_check_that_only_the_model_has_is_told_with_its_place() -> None:
    """Nothing that the model refuses goes untold, though nothing here looks for it."""
    broken = {**CHOICE, "correct": ["xyz"]}
    tree: Json = {"title": "x", "questions": [broken]}
    with pytest.raises(QuizFileError) as raised:
        parse(json.dumps(tree), "x")
    cause = raised.value.__cause__
    unseen = {"questions": [{"id": "break-down"}]}
    assert problems_of(cause, unseen) == [  # type: ignore[arg-type]
        "question 1 (id \"break-down\"): correct option 'xyz' is not among the options"
    ]


@pytest.mark.parametrize(
    ("details", "problem"),
    [
        (
            InitErrorDetails(
                type=PydanticCustomError("odd", "Input should be odd"),
                loc=("level",),
                input=2,
            ),
            "level: Input should be odd, is 2",
        ),
        (
            InitErrorDetails(
                type="string_pattern_mismatch",
                loc=("level",),
                input="x",
                ctx={"pattern": "y"},
            ),
            "level: String should match pattern 'y', is \"x\"",
        ),
        (
            InitErrorDetails(
                type="value_error", loc=(), input={}, ctx={"error": ValueError("no")}
            ),
            "quiz: no",
        ),
    ],
)
def test_a_check_without_a_text_of_ours_is_told_in_the_models_words(
    details: InitErrorDetails, problem: str
) -> None:
    """Checks that the model gets later need no change here to be told."""
    error = ValidationError.from_exception_data("Quiz", [details])
    assert problems_of(error, {}) == [problem]


@given(
    st.recursive(
        st.none()
        | st.booleans()
        | st.integers()
        | st.floats(allow_nan=False)
        | st.text(),
        lambda inner: (
            st.lists(inner, max_size=4)
            | st.dictionaries(
                st.sampled_from(
                    [
                        "title",
                        "questions",
                        "settings",
                        "type",
                        "options",
                        "correct",
                        "id",
                        "x",
                    ]
                ),
                inner,
                max_size=6,
            )
        ),
        max_leaves=30,
    )
)
def test_no_tree_is_too_odd(tree: object) -> None:
    """Whatever JSON holds is a quiz or a list of problems that can be sent."""
    problems = ["none, so it is a quiz"]
    try:
        parse(json.dumps(tree), "odd")
    except QuizFileError as error:
        problems = error.problems
    assert problems
    assert "\n".join(problems).encode()


@given(st.binary(max_size=200))
def test_no_bytes_are_too_odd(data: bytes) -> None:
    """The same for what isn't even JSON."""
    with pytest.raises(QuizFileError):
        parse(data, "odd")
