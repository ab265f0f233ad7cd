"""A quiz: the definition that a session runs. One version of it never changes."""

from collections.abc import Iterable, Iterator
from typing import Annotated, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

from quizd.session.questions.base import Question
from quizd.session.questions.choice import MultipleChoice, SingleChoice, TrueFalse

AnyQuestion = Annotated[
    SingleChoice | MultipleChoice | TrueFalse, Field(discriminator="type")
]


class Settings(BaseModel):
    """How a quiz is played; the defaults are those of the protocol."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    scoring: Literal["speed", "fixed"] = "speed"
    streak_bonus: bool = False
    feedback: Literal["immediate", "on_close"] = "immediate"
    start: Literal["auto", "host"] = "auto"
    min_participants: Annotated[int, Field(ge=1, le=100_000)] = 3
    countdown_s: Annotated[float, Field(ge=0, le=3600)] = 5
    advance: Literal["timer", "host"] = "timer"
    reveal_s: Annotated[float, Field(ge=0, le=3600)] = 6
    open: Literal["host", "always"] = "host"
    late_join: bool = True
    max_participants: Annotated[int, Field(ge=1, le=100_000)] | None = None

    @property
    def countdown_ms(self) -> int:
        """The time from enough participants to the first question."""
        return round(self.countdown_s * 1000)

    @property
    def reveal_ms(self) -> int:
        """How long a closed question is shown before the next one."""
        return round(self.reveal_s * 1000)


class Quiz(BaseModel):
    """A title, settings and questions in their order."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    title: Annotated[str, Field(min_length=1, max_length=200)]
    description: Annotated[str, Field(max_length=2000)] = ""
    language: Annotated[str, Field(pattern=r"^[a-z]{2,3}(-[A-Za-z0-9]{2,8})*$")] = "en"
    level: Annotated[str, Field(max_length=40)] = ""
    settings: Settings = Settings()
    questions: Annotated[tuple[AnyQuestion, ...], Field(min_length=1, max_length=500)]

    @model_validator(mode="before")
    @classmethod
    def _number_questions(cls, data: object) -> object:
        """Give questions without an id the id ``q1``, ``q2``, … of their place."""
        if not isinstance(data, dict) or not isinstance(data.get("questions"), list):
            return data
        questions = [
            {"id": f"q{number}", **question} if isinstance(question, dict) else question
            for number, question in enumerate(data["questions"], 1)
        ]
        return {**data, "questions": questions}

    @model_validator(mode="after")
    def _ids_differ(self) -> Self:
        doubled = first_repeated(question.id for question in self.questions)
        if doubled is not None:
            msg = f"question id {doubled!r} is given twice"
            raise ValueError(msg)
        return self

    @model_validator(mode="after")
    def _can_be_kept(self) -> Self:
        """Refuse the character NUL, which Postgres keeps in no text."""
        check_texts(self)
        return self

    def question(self, index: int) -> Question:
        """Return the question at *index*, counted from 0."""
        return self.questions[index]


def check_texts(quiz: Quiz) -> None:
    """Raise ``ValueError`` for the first text of *quiz* that holds a NUL, naming it."""
    if "\\u0000" not in quiz.model_dump_json():
        return
    for place in _places_of_nul(quiz.model_dump(mode="json"), ""):
        msg = f"{place} must not hold the character NUL (U+0000)"
        raise ValueError(msg)


def _places_of_nul(value: object, place: str) -> Iterator[str]:
    match value:
        case str():
            if "\0" in value:
                yield place
        case list():
            for index, each in enumerate(value):
                yield from _places_of_nul(each, f"{place}[{index}]")
        case dict():
            for key, each in value.items():
                yield from _places_of_nul(each, f"{place}.{key}".removeprefix("."))


def first_repeated(texts: Iterable[str]) -> str | None:
    """Return the first of *texts* that has been there before."""
    seen: set[str] = set()
    for text in texts:
        if text in seen:
            return text
        seen.add(text)
    return None
