"""The socket's messages as a client reads and writes them."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import orjson

from quizd.client.faults import Garbled

Given = str | float | Sequence[str]
"""An answer: an option or text, a number, or options."""

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_ANSWER_FIELD = {
    "multiple_choice": "selectedOptions",
    "text": "text",
    "numeric": "number",
    "ordering": "order",
}


@dataclass(frozen=True, slots=True)
class Message:
    """One message of the server."""

    type: str
    payload: dict[str, Any]
    seq: int | None = None
    version: int | None = None


@dataclass(frozen=True, slots=True)
class Question:
    """A question as shown; ``index`` counts from 0, instants are the server's."""

    question_id: str
    text: str
    options: tuple[str, ...]
    start_ms: int
    end_ms: int
    index: int
    total: int
    question_type: str
    points: int
    media: Mapping[str, str] | None = None
    answered: bool = False
    """Whether the server already has this player's answer."""

    @classmethod
    def from_payload(cls, payload: Mapping[str, Any]) -> "Question":
        """Read ``new_question``, or the ``question`` of a welcome.

        Fields that only the later contract has may be missing.
        """
        return cls(
            question_id=payload["questionId"],
            text=payload["text"],
            options=tuple(payload["options"]),
            start_ms=instant_ms(payload["startTime"]),
            end_ms=instant_ms(payload["endTime"]),
            index=payload.get("index", 0),
            total=payload.get("total", 1),
            question_type=payload.get("questionType", "single_choice"),
            points=payload.get("points", 1000),
            media=payload.get("media"),
            answered=payload.get("answered", False),
        )


def decode(raw: str | bytes) -> Message:
    """Return the message in *raw*; raise :class:`Garbled` where it is none."""
    try:
        data = orjson.loads(raw)
        kind, payload = data["type"], data["payload"]
        seq, version = data.get("seq"), data.get("version")
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        msg = f"no message: {raw[:200]!r}"
        raise Garbled(msg) from error
    if not isinstance(kind, str) or not isinstance(payload, dict):
        msg = f"no envelope: {raw[:200]!r}"
        raise Garbled(msg)
    return Message(kind, payload, seq, version)


def encode(kind: str, payload: Mapping[str, object]) -> str:
    """Return the text of a message."""
    return orjson.dumps({"type": kind, "payload": payload}).decode()


def answer_field(question_type: str, given: Given) -> dict[str, object]:
    """Return the field of ``answer_submission`` that holds *given*."""
    field = _ANSWER_FIELD.get(question_type, "selectedOption")
    if field in {"selectedOptions", "order"} and not isinstance(given, float | int):
        return {field: [given] if isinstance(given, str) else list(given)}
    return {field: given}


def instant_ms(text: str) -> int:
    """Return milliseconds since the Unix epoch of an ISO 8601 time with an offset.

    Raises ``ValueError`` where *text* is no time, ``TypeError`` where it has no offset.
    """
    return (datetime.fromisoformat(text) - _EPOCH) // timedelta(milliseconds=1)
