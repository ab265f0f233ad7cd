"""What is wrong with a quiz, in lines that its author can act on.

Two sources are put together: the checks of the data model, each turned into a line that
names its place, and checks across a question's fields that are told all at once, not
only the first. A line about one value has its path (``questions[2].time_s``), one about
a whole question has its number as people count and its id.
"""

import json
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from difflib import get_close_matches
from itertools import islice
from typing import Any, get_args

from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

from quizd.session.questions.base import Media, Question
from quizd.session.quiz import AnyQuestion, Quiz, Settings

PROBLEMS_MAX = 50
OPTIONS_MAX = 20
_SHOWN_CHARS = 60

TYPES: dict[str, type[Question]] = {
    kind.model_fields["type"].default: kind
    for kind in get_args(get_args(AnyQuestion)[0])
}

_WANTED = {
    "bool_parsing": "must be true or false",
    "bool_type": "must be true or false",
    "finite_number": "must be a finite number",
    "float_parsing": "must be a number",
    "float_type": "must be a number",
    "greater_than_equal": "must be at least {ge:g}",
    "int_from_float": "must be a whole number",
    "int_parsing": "must be a whole number",
    "int_parsing_size": "is far too large",
    "int_type": "must be a whole number",
    "less_than_equal": "must be at most {le:g}",
    "literal_error": "must be {expected}",
    "model_attributes_type": "must be an object",
    "model_type": "must be an object",
    "string_too_long": "must have at most {max_length} characters",
    "string_too_short": "must not be empty",
    "string_type": "must be text",
    "string_unicode": "must be text without halves of surrogate pairs",
    "too_long": "must have {max_length} or fewer entries, has {actual_length}",
    "too_short": "must have {min_length} or more entries, has {actual_length}",
    "tuple_type": "must be a list",
}
_WANTED_OF_PATTERN = {
    "id": "must be 1 to 64 letters, digits, dots, hyphens or underscores (A to Z "
    "only), a letter or digit first",
    "language": 'must be a language tag like "en" or "pt-BR"',
    "url": 'must begin with "https://" or "/"',
}
_COUNTS = {"too_long", "too_short"}


class QuizFileError(ValueError):
    """A file that holds no quiz; ``problems`` has one line for each reason."""

    def __init__(self, problems: list[str], name: str = "quiz") -> None:
        super().__init__(f"{name}: {'; '.join(problems)}")
        self.problems = problems


class QuizSyntaxError(QuizFileError):
    """A file that is not even in its format, so that nothing in it could be read."""


def problems_of(error: ValidationError, tree: object) -> list[str]:
    """Return a line for each thing that is wrong with *tree*, by *error* and by itself.

    At most :data:`PROBLEMS_MAX` of them; a last line then tells that there are more.
    """
    across = list(islice(_across(tree), PROBLEMS_MAX + 1))
    details = error.errors(include_url=False)[: PROBLEMS_MAX + 1]
    lines = [_line(each, tree) for each in details if not _is_told(each, across)]
    problems = lines + across
    if len(problems) > PROBLEMS_MAX:
        problems[PROBLEMS_MAX:] = ["and more"]
    return problems


# -- one value ---------------------------------------------------------------------


def _is_told(details: ErrorDetails, across: list[str]) -> bool:
    """Say whether *across* tells it, or it only follows from other problems."""
    if details["type"] == "value_error":
        return bool(across)
    if details["type"] != "too_short":
        return False
    entries = details["input"]  # of which only the right ones were counted
    return isinstance(entries, list) and len(entries) >= details["ctx"]["min_length"]


def _line(details: ErrorDetails, tree: object) -> str:
    loc, kind = _without_tag(details["loc"]), details["type"]
    if kind == "value_error":
        return f"{_place(loc, tree)}: {_why(details)}"
    path = _path(loc)
    if kind == "missing":
        return f"{path}: is missing"
    if kind == "extra_forbidden":
        return f"{path}: unknown key{_meant(details['loc'])}"
    if kind.startswith("union_tag_"):
        return f"{path}.type: must be {_one_of(TYPES)}{_type_given(details)}"
    if kind in _COUNTS:
        return f"{path}: {_wanted(details)}"
    return f"{path}: {_wanted(details)}, is {shown(details['input'])}"


def _wanted(details: ErrorDetails) -> str:
    template = _WANTED.get(details["type"])
    if details["type"] == "string_pattern_mismatch":
        template = _WANTED_OF_PATTERN.get(str(details["loc"][-1]))
    if template is None:
        return details["msg"]
    return template.format(**details.get("ctx", {})).replace("'", '"')


def _why(details: ErrorDetails) -> str:
    return str(details.get("ctx", {}).get("error", details["msg"]))


def _type_given(details: ErrorDetails) -> str:
    tag = details.get("ctx", {}).get("tag")
    if tag is None:
        return ", is missing"
    return f", is {shown(tag)}{_hint(tag, TYPES)}"


# -- places ------------------------------------------------------------------------


def _without_tag(loc: tuple[int | str, ...]) -> tuple[int | str, ...]:
    """Drop the question type that the data model puts behind a question's index."""
    return loc[:2] + loc[3:] if loc[:1] == ("questions",) else loc


def _path(loc: tuple[int | str, ...]) -> str:
    parts = (f"[{part}]" if isinstance(part, int) else f".{part}" for part in loc)
    return printable("".join(parts).removeprefix(".")) or "quiz"


def _place(loc: tuple[int | str, ...], tree: object) -> str:
    match loc, tree:
        case ("questions", int(index)), {"questions": list(questions)}:
            return _question_place(index, questions[index])
    return _path(loc)


def _question_place(index: int, question: object) -> str:
    own_id = question.get("id") if isinstance(question, Mapping) else None
    named = f" (id {shown(own_id)})" if isinstance(own_id, str) else ""
    return f"question {index + 1}{named}"


# -- unknown keys ------------------------------------------------------------------


def _meant(loc: tuple[int | str, ...]) -> str:
    """Suggest a key of the same object, or where at the top the key belongs."""
    key = str(loc[-1])
    if len(loc) == 1 and key in Settings.model_fields:
        return f' (did you mean "settings.{key}"?)'
    return _hint(key, _model_at(loc).model_fields)


def _model_at(loc: tuple[int | str, ...]) -> type[BaseModel]:
    match loc:
        case ("settings", _):
            return Settings
        case ("questions", int(), str(tag), _):
            return TYPES[tag]
        case ("questions", int(), str(), "media", _):
            return Media
    return Quiz


def _hint(name: str, known: Iterable[str]) -> str:
    close = get_close_matches(name, list(known), n=1)
    return f" (did you mean {shown(close[0])}?)" if close else ""


def _one_of(names: Iterable[str]) -> str:
    *others, last = (f'"{name}"' for name in names)
    return f"{', '.join(others)} or {last}"


# -- across fields -----------------------------------------------------------------


def _across(tree: object) -> Iterator[str]:
    """Yield what is wrong between the fields of a question and between questions."""
    match tree:
        case {"questions": list(questions)}:
            first_with: dict[str, int] = {}
            for index, question in enumerate(questions):
                if isinstance(question, Mapping):
                    yield from _across_question(index, question)
                    yield from _id_again(index, question, first_with)


def _across_question(index: int, question: Mapping[str, Any]) -> Iterator[str]:
    place = _question_place(index, question)
    options, correct = _texts(question, "options"), _texts(question, "correct")
    for texts, what in ((options, "option"), (correct, "correct option")):
        for text in doubled(texts):
            yield f"{place}: {what} {shown(text)} is given twice"
    if 0 < len(options) <= OPTIONS_MAX and _takes_options(question):
        for text in dict.fromkeys(correct):
            if text not in options:
                hint = _hint(text, options)
                yield f"{place}: correct option {shown(text)} is not an option{hint}"


def _takes_options(question: Mapping[str, Any]) -> bool:
    kind = TYPES.get(str(question.get("type")))
    return kind is not None and "options" in kind.model_fields


def _id_again(
    index: int, question: Mapping[str, Any], first_with: dict[str, int]
) -> Iterator[str]:
    own_id = question.get("id", f"q{index + 1}")
    if not isinstance(own_id, str):
        return
    first = first_with.setdefault(own_id, index)
    if first != index:
        place = f"question {index + 1}"
        yield f"{place}: has the id {shown(own_id)} of question {first + 1}"


def _texts(question: Mapping[str, Any], key: str) -> list[str]:
    value = question.get(key)
    if not isinstance(value, list):
        return []
    return [text for text in value if isinstance(text, str)]


def doubled(texts: Iterable[str]) -> list[str]:
    """Return those of *texts* that are there more than once, each once."""
    return [text for text, count in Counter(texts).items() if count > 1]


# -- values ------------------------------------------------------------------------


def shown(value: object) -> str:
    """Return *value* as JSON, shortened where it is long."""
    text = printable(json.dumps(value, ensure_ascii=False, default=repr))
    return text if len(text) <= _SHOWN_CHARS else f"{text[:_SHOWN_CHARS]}…"


def printable(text: str) -> str:
    """Return *text* as UTF-8 can hold it: half a surrogate pair is written out."""
    return text.encode(errors="backslashreplace").decode()
