"""From a client's message to what it means; every way it can be wrong has its reason.

The hot message, an answer by an option's text, is taken in place by the compiled core
and does not come here unless there is something unusual about it.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import orjson

from quizd.codes import Reason, Refused
from quizd.session import events as ev

ECHO_MAX_CHARS = 64


@dataclass(frozen=True, slots=True)
class Message:
    """A client's message: its type and payload, both of the right kind."""

    type: str
    payload: Mapping[str, Any]


def decode(raw: bytes) -> Message:
    """Return the message in *raw*, UTF-8 JSON; raise ``Refused: invalid_message``.

    A missing payload is an empty one; unknown fields are ignored.
    """
    try:
        message = orjson.loads(raw)
    except orjson.JSONDecodeError as error:
        raise _invalid("message", "not JSON") from error
    if not isinstance(message, dict):
        raise _invalid("message", "not an object")
    kind, payload = message.get("type"), message.get("payload", {})
    if not isinstance(kind, str):
        raise _invalid("type", "not a string")
    if not isinstance(payload, dict):
        raise _invalid("payload", "not an object")
    return Message(kind, payload)


def answer(
    message: Message, participant: int, participant_id: str, received_ms: int
) -> ev.AnswerSubmitted:
    """Return the answer in an ``answer_submission`` of *participant*.

    Raises ``Refused``: ``forbidden`` where it speaks for somebody else,
    ``invalid_message`` without a question's id.
    """
    payload = message.payload
    if payload.get("participantId", participant_id) != participant_id:
        raise Refused(Reason.FORBIDDEN, field="participantId")
    if not isinstance(payload.get("questionId"), str):
        raise _invalid("questionId", "not a string")
    return ev.AnswerSubmitted(participant, received_ms, payload)


def heartbeat_echo(message: Message) -> str | int | float | None:
    """Return ``sentAt`` of a heartbeat, which goes back as it came."""
    sent_at = message.payload.get("sentAt")
    if sent_at is None or type(sent_at) in (int, float):
        return sent_at
    if isinstance(sent_at, str) and len(sent_at) <= ECHO_MAX_CHARS:
        return sent_at
    raise _invalid("sentAt", "neither a number nor a short string")


def host_command(message: Message, lead_ms: int) -> ev.HostCommand:
    """Return the host's command in *message*.

    *lead_ms*: how far ahead a question has to start. Raises ``Refused``:
    ``unknown_type``, or ``invalid_message`` naming the field.
    """
    build = HOST_COMMANDS.get(message.type)
    if build is None:
        raise Refused(Reason.UNKNOWN_TYPE, type=message.type[:ECHO_MAX_CHARS])
    return build(message.payload, _expectation(message.payload), lead_ms)


def _expectation(payload: Mapping[str, Any]) -> ev.Expectation:
    expect = payload.get("expect", {})
    if not isinstance(expect, dict):
        raise _invalid("expect", "not an object")
    phase, question_id = expect.get("phase"), expect.get("questionId")
    for name, value in (("phase", phase), ("questionId", question_id)):
        if value is not None and not isinstance(value, str):
            raise _invalid(f"expect.{name}", "not a string")
    return ev.Expectation(phase, question_id)


def _flag(payload: Mapping[str, Any], name: str, *, default: bool) -> bool:
    value = payload.get(name, default)
    if not isinstance(value, bool):
        raise _invalid(name, "neither true nor false")
    return value


def _kicked(payload: Mapping[str, Any], expect: ev.Expectation) -> ev.HostKicked:
    participant_id = payload.get("participantId")
    if not isinstance(participant_id, str):
        raise _invalid("participantId", "not a string")
    ban = _flag(payload, "ban", default=False)
    return ev.HostKicked(participant_id, ban, expect=expect)


def _locked(payload: Mapping[str, Any], expect: ev.Expectation) -> ev.HostLocked:
    return ev.HostLocked(_flag(payload, "locked", default=True), expect=expect)


def _invalid(field: str, what: str) -> Refused:
    return Refused(Reason.INVALID_MESSAGE, field=field, problem=what)


HOST_COMMANDS: dict[
    str, Callable[[Mapping[str, Any], ev.Expectation, int], ev.HostCommand]
] = {
    "host_start": lambda _, expect, __: ev.HostStarted(expect=expect),
    "host_next": lambda _, expect, lead: ev.HostAdvanced(lead, expect=expect),
    "host_skip": lambda _, expect, lead: ev.HostSkipped(lead, expect=expect),
    "host_pause": lambda _, expect, __: ev.HostPaused(expect=expect),
    "host_resume": lambda _, expect, lead: ev.HostResumed(lead, expect=expect),
    "host_lock": lambda payload, expect, _: _locked(payload, expect),
    "host_kick": lambda payload, expect, _: _kicked(payload, expect),
    "host_end": lambda _, expect, __: ev.HostEnded(expect=expect),
}
