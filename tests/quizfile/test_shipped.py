"""The quizzes that quizd ships are whole, and worth playing."""

import pytest

from quizd.content import load, names

LONG = 20


@pytest.mark.parametrize("name", names())
def test_every_shipped_quiz_is_valid(name: str) -> None:
    """It loads, says what it is about, and explains each of its answers."""
    quiz = load(name)
    assert quiz.description
    for question in quiz.questions:
        assert question.explanation, question.id
        assert question.correct_options, question.id


def test_there_is_enough_to_play() -> None:
    """The demo, and several quizzes that last."""
    assert "demo" in names()
    assert len([name for name in names() if len(load(name).questions) >= LONG]) >= 3


def test_the_demo_needs_no_host() -> None:
    """It opens by itself and starts with two."""
    settings = load("demo").settings
    assert (settings.open, settings.start, settings.advance) == (
        "always",
        "auto",
        "timer",
    )
    assert settings.min_participants == 2


@pytest.mark.parametrize("name", ["nothing", "../content/demo", "demo.json", ""])
def test_what_is_not_shipped_is_said(name: str) -> None:
    """With what there is instead; no name leads out of the folder."""
    with pytest.raises(LookupError, match="demo"):
        load(name)
