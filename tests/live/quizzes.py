"""Quizzes for tests against a server: short, led by a host, of exact results."""

from typing import Any

SETTINGS = {
    "scoring": "fixed",
    "start": "host",
    "advance": "host",
    "countdown_s": 0,
    "reveal_s": 0,
}
LONG_S = 3600


def choice(text: str, *options: str, kind: str = "single_choice") -> dict[str, Any]:
    """Return a question that is open for long; the first of *options* is correct."""
    return {
        "type": kind,
        "text": text,
        "options": list(options),
        "correct": [options[0]],
        "time_s": LONG_S,
    }


VERB = choice("Which word is a verb?", "run", "green", "café")
COLOUR = choice("Which word is a colour?", "green", "run")
NOUNS = choice("Which words are nouns?", "table", "run", kind="multiple_choice")


def quiz(*questions: dict[str, Any], **settings: object) -> dict[str, Any]:
    """Return a quiz of *questions*, or of two with a single choice."""
    return {
        "title": "Live",
        "settings": {**SETTINGS, **settings},
        "questions": list(questions or (VERB, COLOUR)),
    }
