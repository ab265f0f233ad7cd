"""The native format: a quiz as one JSON object, in UTF-8 (RFC 8259).

The keys are those of :class:`quizd.session.quiz.Quiz`. Times are seconds, a question
without an id gets that of its place (``q1``, ``q2``, …), and whatever is left out has
the default of the data model. Numbers in quotes are taken as numbers.
"""

import json
from collections.abc import Callable
from typing import Any, NoReturn

import orjson
from pydantic import ValidationError

from quizd.quizfile.problems import (
    QuizFileError,
    QuizSyntaxError,
    doubled,
    problems_of,
    shown,
)
from quizd.session.quiz import Quiz

DIGITS_MAX = 30

Pairs = list[tuple[str, Any]]


def parse(data: bytes | str, name: str) -> Quiz:
    """Return the quiz in *data*; *name* stands for the file in what is raised.

    Raises :class:`~quizd.quizfile.problems.QuizSyntaxError` where *data* is not JSON in
    UTF-8, else :class:`~quizd.quizfile.problems.QuizFileError` with every problem.
    """
    text = data if isinstance(data, str) else _decoded(data, name)
    repeated: list[str] = []
    tree = _tree(text, name, _pairs_hook(repeated))
    try:
        quiz = Quiz.model_validate(tree)
    except ValidationError as error:
        raise QuizFileError(repeated + problems_of(error, tree), name) from error
    if repeated:
        raise QuizFileError(repeated, name)
    return quiz


def dump(quiz: Quiz) -> bytes:
    """Return *quiz* as :func:`parse` takes it, one key a line, defaults included."""
    tree = quiz.model_dump(mode="json", exclude_none=True)
    return orjson.dumps(tree, option=orjson.OPT_INDENT_2 | orjson.OPT_APPEND_NEWLINE)


def _decoded(data: bytes, name: str) -> str:
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        problem = f"line {line}: not UTF-8 (byte 0x{data[error.start]:02X})"
        raise QuizSyntaxError([problem], name) from error


def _tree(text: str, name: str, hook: Callable[[Pairs], dict[str, Any]]) -> object:
    try:
        return json.loads(
            text,
            object_pairs_hook=hook,
            parse_constant=_no_number,
            parse_int=_whole_number,
        )
    except json.JSONDecodeError as error:
        place = f"line {error.lineno}, column {error.colno}"
        problem = f"{place}: not JSON: {error.msg[0].lower()}{error.msg[1:]}"
    except RecursionError:
        problem = "nested far too deeply"
    except ValueError as error:
        problem = f"not JSON: {error}"
    raise QuizSyntaxError([problem], name)


def _no_number(constant: str) -> NoReturn:
    raise ValueError(f"{constant} is no number")


def _whole_number(digits: str) -> int:
    if len(digits) > DIGITS_MAX:
        raise ValueError(f"a number has {len(digits)} digits")
    return int(digits)


def _pairs_hook(repeated: list[str]) -> Callable[[Pairs], dict[str, Any]]:
    """Return what makes objects, and notes in *repeated* which keys came twice."""

    def made(pairs: Pairs) -> dict[str, Any]:
        made_object = dict(pairs)
        if len(made_object) < len(pairs):
            repeated.extend(_doubled_keys(pairs, made_object))
        return made_object

    return made


def _doubled_keys(pairs: Pairs, made_object: dict[str, Any]) -> list[str]:
    own_id = made_object.get("id")
    place = f"question with the id {shown(own_id)}: " if own_id else ""
    return [
        f"{place}key {shown(key)} is given twice"
        for key in doubled(k for k, _ in pairs)
    ]
