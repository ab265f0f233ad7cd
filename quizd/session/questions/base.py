"""What every question type has, and what the session asks of it.

A type is one file here and one name in :data:`quizd.session.quiz.AnyQuestion`. The
session never looks inside an answer: it keeps the *response*, canonical bytes that the
type made of what the player sent, and asks the type what that is worth.
"""

from abc import ABC, abstractmethod
from collections.abc import Mapping
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field

FULL_CREDIT = 1000

Id = Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9_.-]{0,63}$")]


class Media(BaseModel):
    """A picture or sound that belongs to a question."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    kind: Literal["image", "audio", "video"]
    url: Annotated[str, Field(min_length=1, max_length=500, pattern=r"^(https://|/)")]
    alt: Annotated[str, Field(max_length=300)] = ""


class Question(BaseModel, ABC):
    """The part that all types share. Times are seconds here, as teachers write them."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    type: str
    id: Id
    text: Annotated[str, Field(min_length=1, max_length=1000)]
    time_s: Annotated[float, Field(ge=1, le=3600)] = 20
    points: Literal[0, 1000, 2000] = 1000
    explanation: Annotated[str, Field(max_length=2000)] = ""
    media: Media | None = None

    @property
    def time_ms(self) -> int:
        """How long the question stays open, in milliseconds."""
        return round(self.time_s * 1000)

    @property
    @abstractmethod
    def shown_options(self) -> tuple[str, ...]:
        """The options that players see, in order; empty where the type has none."""

    @property
    @abstractmethod
    def correct_options(self) -> tuple[str, ...]:
        """What the reveal shows as correct; empty where nothing is."""

    @abstractmethod
    def response(self, payload: Mapping[str, object]) -> bytes:
        """Return the canonical response in an ``answer_submission``'s *payload*.

        Raises :class:`quizd.codes.Refused` with ``invalid_option`` where the payload
        holds no possible answer to this question.
        """

    @abstractmethod
    def credit(self, response: bytes) -> int:
        """Return what *response* is worth, 0 to 1000 thousandths of the points."""

    @abstractmethod
    def buckets(self, response: bytes) -> bytes:
        """Return the positions in the distribution that *response* counts in."""

    @property
    def distribution_labels(self) -> tuple[str, ...]:
        """The names of the distribution's buckets, at most 255."""
        return self.shown_options

    @property
    def single_choice_key(self) -> tuple[tuple[bytes, ...], int] | None:
        """Options as UTF-8 and the correct one's position, if one option is chosen.

        The compiled core then judges answers without calling back; ``None`` makes it
        ask :meth:`response` and :meth:`credit`.
        """
        return None
