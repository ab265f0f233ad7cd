"""Single choice, multiple choice, true or false.

The response is the sorted positions of the chosen options, one byte each.
"""

from collections.abc import Mapping
from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from quizd.codes import Reason, Refused
from quizd.session.questions.base import FULL_CREDIT, Question

OPTIONS_MAX = 20

Option = Annotated[str, Field(min_length=1, max_length=300)]
Options = Annotated[tuple[Option, ...], Field(min_length=2, max_length=OPTIONS_MAX)]


class Choice(Question):
    """What the three choice types share."""

    @property
    def correct_options(self) -> tuple[str, ...]:
        """The correct options' texts, in the order shown."""
        return tuple(o for o in self.shown_options if o in self._correct)

    @property
    def _correct(self) -> tuple[str, ...]:
        raise NotImplementedError

    def credit(self, response: bytes) -> int:
        """All of the correct options and no other: full credit; else none."""
        return FULL_CREDIT if response == self._positions(self._correct) else 0

    def buckets(self, response: bytes) -> bytes:
        """Each chosen option counts."""
        return response

    def _positions(self, texts: tuple[str, ...]) -> bytes:
        return bytes(sorted(self.shown_options.index(text) for text in texts))

    def _refused(self, field: str) -> Refused:
        return Refused(Reason.INVALID_OPTION, questionId=self.id, field=field)

    def _one(self, payload: Mapping[str, object]) -> bytes:
        text = payload.get("selectedOption")
        if not isinstance(text, str) or text not in self.shown_options:
            raise self._refused("selectedOption")
        return self._positions((text,))


class SingleChoice(Choice):
    """One option is correct."""

    type: Literal["single_choice"] = "single_choice"
    options: Options
    correct: Annotated[tuple[Option, ...], Field(min_length=1, max_length=1)]

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        check_options(self.options, self.correct)
        return self

    @property
    def shown_options(self) -> tuple[str, ...]:
        """The options as written."""
        return self.options

    @property
    def _correct(self) -> tuple[str, ...]:
        return self.correct

    def response(self, payload: Mapping[str, object]) -> bytes:
        """Take ``selectedOption``: one option's text."""
        return self._one(payload)

    @property
    def single_choice_key(self) -> tuple[tuple[bytes, ...], int] | None:
        """Options as UTF-8 and the correct one's position."""
        options = tuple(option.encode() for option in self.options)
        return options, self.options.index(self.correct[0])


class TrueFalse(Choice):
    """A statement to be judged."""

    type: Literal["true_false"] = "true_false"
    correct: tuple[Literal["True", "False"]]

    @property
    def shown_options(self) -> tuple[str, ...]:
        """Always the same two."""
        return ("True", "False")

    @property
    def _correct(self) -> tuple[str, ...]:
        return self.correct

    def response(self, payload: Mapping[str, object]) -> bytes:
        """Take ``selectedOption``: ``True`` or ``False``."""
        return self._one(payload)

    @property
    def single_choice_key(self) -> tuple[tuple[bytes, ...], int] | None:
        """Options as UTF-8 and the correct one's position."""
        return (b"True", b"False"), self.shown_options.index(self.correct[0])


class MultipleChoice(Choice):
    """Every correct option has to be chosen, and no other."""

    type: Literal["multiple_choice"] = "multiple_choice"
    options: Options
    correct: Annotated[tuple[Option, ...], Field(min_length=1, max_length=OPTIONS_MAX)]

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        check_options(self.options, self.correct)
        return self

    @property
    def shown_options(self) -> tuple[str, ...]:
        """The options as written."""
        return self.options

    @property
    def _correct(self) -> tuple[str, ...]:
        return self.correct

    def response(self, payload: Mapping[str, object]) -> bytes:
        """Take ``selectedOptions``: a list of different options' texts, at least one.

        ``selectedOption`` with one text is taken as well.
        """
        if "selectedOptions" not in payload:
            return self._one(payload)
        texts = payload["selectedOptions"]
        if not isinstance(texts, list) or not 0 < len(texts) <= len(self.options):
            raise self._refused("selectedOptions")
        if any(not isinstance(t, str) or t not in self.options for t in texts):
            raise self._refused("selectedOptions")
        if len(set(texts)) != len(texts):
            raise self._refused("selectedOptions")
        return self._positions(tuple(texts))


def check_options(options: tuple[str, ...], correct: tuple[str, ...]) -> None:
    """Refuse equal option texts and correct ones that are no options.

    Raises ``ValueError`` that names the text; pydantic makes it a validation error.
    """
    for texts, what in ((options, "option"), (correct, "correct option")):
        doubled = {text for text in texts if texts.count(text) > 1}
        if doubled:
            msg = f"{what} {min(doubled)!r} is given twice"
            raise ValueError(msg)
    for text in correct:
        if text not in options:
            msg = f"correct option {text!r} is not among the options"
            raise ValueError(msg)
