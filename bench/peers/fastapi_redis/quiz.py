"""What a worker knows of a quiz and of a session without asking Redis again."""

from dataclasses import dataclass
from typing import Any

from pydantic import BaseModel, Field, model_validator

PLACE = 1 << 32
"""A board's score is this times the points, plus what falls with time."""
QUICK_MS = 500


class Question(BaseModel):
    """A single-choice question."""

    id: str
    text: str
    options: list[str]
    correct: list[str] = Field(min_length=1, max_length=1)
    time_s: float = 20
    points: int = 1000

    @property
    def right(self) -> int:
        """The position of the correct option."""
        return self.options.index(self.correct[0])


class Settings(BaseModel):
    """How the quiz is played; what is not named here is left at its default."""

    start: str = "auto"
    min_participants: int = 3
    countdown_s: float = 5
    advance: str = "timer"
    reveal_s: float = 6
    scoring: str = "speed"


class Quiz(BaseModel):
    """A definition, as quizd's authors write it."""

    title: str
    settings: Settings = Settings()
    questions: list[Question] = Field(min_length=1)

    @model_validator(mode="before")
    @classmethod
    def _number_questions(cls, data: dict[str, Any]) -> dict[str, Any]:
        """Name questions without an id ``q1``, ``q2`` … by their place."""
        questions = [
            {"id": f"q{number}", **question}
            for number, question in enumerate(data["questions"], 1)
        ]
        return {**data, "questions": questions}

    def question(self, question_id: str) -> Question:
        """Return the question of that id; raise ``KeyError`` where there is none."""
        for question in self.questions:
            if question.id == question_id:
                return question
        raise KeyError(question_id)


@dataclass(frozen=True, slots=True)
class Session:
    """A run of a quiz; ``opened_ms`` is Unix time."""

    session_id: str
    quiz_id: str
    pin: str
    opened_ms: int
    quiz: Quiz

    def key(self, name: str) -> str:
        """Return the name of one of the session's keys or channels in Redis."""
        return f"{{{self.session_id}}}:{name}"

    def tie(self, now_ms: int) -> int:
        """Return what lists who came first first among equal scores."""
        return PLACE - 1 - (now_ms - self.opened_ms)


@dataclass(frozen=True, slots=True)
class Asked:
    """An open question, as answers are judged by."""

    question: Question
    index: int
    start_ms: int
    end_ms: int
    speed: bool

    @classmethod
    def of(cls, quiz: Quiz, index: int, start_ms: int) -> "Asked":
        """Open question *index* of *quiz* at *start_ms*."""
        question = quiz.questions[index]
        end_ms = start_ms + round(question.time_s * 1000)
        return cls(question, index, start_ms, end_ms, quiz.settings.scoring == "speed")

    def worth(self, position: int, now_ms: int) -> int:
        """Return the points of the option at *position*, given at *now_ms*.

        ``round(P · (1 - (t / T) / 2))``, halves up; within 500 ms it is P.
        """
        points = self.question.points
        if position != self.question.right:
            return 0
        elapsed_ms = max(now_ms - self.start_ms, 0)
        if not self.speed or elapsed_ms <= QUICK_MS:
            return points
        time_ms = self.end_ms - self.start_ms
        return (points * (2 * time_ms - elapsed_ms) + time_ms) // (2 * time_ms)
