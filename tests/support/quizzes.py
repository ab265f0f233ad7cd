"""Quizzes that tests play: short ones, as quick as the rules allow."""

from collections.abc import Mapping
from typing import Any

from quizd import content

OPTIONS = ("north", "east", "south", "west")


def quick_quiz(questions: int, settings: Mapping[str, object]) -> dict[str, Any]:
    """Return a quiz of *questions*: each third one takes several options."""
    return {
        "title": "Directions",
        "settings": {"countdown_s": 0.1, "reveal_s": 0.1, **settings},
        "questions": [_question(number) for number in range(questions)],
    }


def _question(number: int) -> dict[str, Any]:
    several = number % 3 == 2
    correct = [OPTIONS[number % 4], OPTIONS[(number + 1) % 4]]
    return {
        "id": f"question-{number}",
        "type": "multiple_choice" if several else "single_choice",
        "text": f"Which way does wind number {number} blow?",
        "options": list(OPTIONS),
        "correct": correct if several else correct[:1],
        "time_s": 1,
        "points": (1000, 2000, 1000, 0)[number % 4],
        "explanation": "It blows where it lists.",
    }


def shipped_quiz(
    name: str, settings: Mapping[str, object], time_s: float
) -> dict[str, Any]:
    """Return a quiz that quizd ships, made quick for a test."""
    quiz: dict[str, Any] = content.load(name).model_dump(mode="json", exclude_none=True)
    quiz["settings"] |= settings
    for question in quiz["questions"]:
        question["time_s"] = time_s
    return quiz
