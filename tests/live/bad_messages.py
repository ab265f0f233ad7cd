"""Messages that a client should not send, and the exact answer to each."""

import json
from typing import Any

Told = tuple[str, dict[str, Any]]
"""The ``reason`` and ``details`` of an error."""

Row = tuple[str | bytes, Told]


def invalid(field: str, problem: str) -> Told:
    """Return what is told of a field that is wrong."""
    return "invalid_message", {"field": field, "problem": problem}


NOT_JSON = invalid("message", "not JSON")
NOT_OBJECT = invalid("message", "not an object")
NO_TYPE = invalid("type", "not a string")
NO_PAYLOAD = invalid("payload", "not an object")
NO_QUESTION = invalid("questionId", "not a string")
NO_ECHO = invalid("sentAt", "neither a number nor a short string")
UNKNOWN = "unknown_type"


def said(kind: str, **payload: object) -> str:
    """Return a message."""
    return json.dumps({"type": kind, "payload": payload})


def answer(**payload: object) -> str:
    """Return an answer to the open question; ``None`` takes a field away."""
    usual = {"questionId": "q1", "selectedOption": "green"}
    whole = {key: value for key, value in {**usual, **payload}.items() if value != ...}
    return said("answer_submission", **whole)


def refused(reason: str, question_id: str = "q1", **details: str) -> Told:
    """Return what is told of an answer that does not count."""
    return reason, {"questionId": question_id, **details}


NOT_AN_OPTION = refused("invalid_option", field="selectedOption")

JSON_ROWS: dict[str, Row] = {
    "words": ("hello", NOT_JSON),
    "nothing": ("", NOT_JSON),
    "white-space": (" \r\n\t", NOT_JSON),
    "array": ("[]", NOT_OBJECT),
    "array-of-messages": (f"[{said('heartbeat')}]", NOT_OBJECT),
    "number": ("5", NOT_OBJECT),
    "string": ('"heartbeat"', NOT_OBJECT),
    "null": ("null", NOT_OBJECT),
    "true": ("true", NOT_OBJECT),
    "cut-short": ('{"type":"heartbeat"', NOT_JSON),
    "two-at-once": ('{"type":"heartbeat"}{"type":"heartbeat"}', NOT_JSON),
    "lines": ('{"type":"heartbeat"}\n{"type":"heartbeat"}', NOT_JSON),
    "single-quotes": ("{'type':'heartbeat'}", NOT_JSON),
    "no-quotes": ("{type:1}", NOT_JSON),
    "comment": ('{"type":"heartbeat"}//', NOT_JSON),
    "comma-at-the-end": ('{"type":"heartbeat",}', NOT_JSON),
    "byte-order-mark": ("\ufeff" + said("heartbeat"), NOT_JSON),
    "raw-nul": ('{"type":"heart\0beat"}', NOT_JSON),
    "raw-newline": ('{"type":"heart\nbeat"}', NOT_JSON),
    "nul-behind": (said("heartbeat") + "\0", NOT_JSON),
    "nan": ('{"type":"heartbeat","payload":{"sentAt":NaN}}', NOT_JSON),
    "infinity": ('{"type":"heartbeat","payload":{"sentAt":Infinity}}', NOT_JSON),
    "minus-infinity": ('{"type":"heartbeat","payload":{"sentAt":-Infinity}}', NOT_JSON),
    "too-great": ('{"type":"heartbeat","payload":{"sentAt":1e999}}', NOT_JSON),
    "hex-number": ('{"type":"heartbeat","payload":{"sentAt":0x10}}', NOT_JSON),
    "leading-zero": ('{"type":"heartbeat","payload":{"sentAt":01}}', NOT_JSON),
    "open-brackets": ("[" * 4096, NOT_JSON),
    "nested-arrays": ("[" * 1500 + "]" * 1500, NOT_JSON),
    "lone-high-surrogate": ('{"type":"\\ud800"}', NOT_JSON),
    "lone-low-surrogate": ('{"type":"heartbeat","x":"\\udc00"}', NOT_JSON),
    "surrogates-turned-round": ('{"type":"\\udc00\\ud800"}', NOT_JSON),
    "surrogate-in-a-key": ('{"type":"heartbeat","\\udbff":1}', NOT_JSON),
    "surrogate-in-an-answer": (answer(selectedOption="\ud800"), NOT_JSON),
    "half-an-escape": ('{"type":"\\u00"}', NOT_JSON),
    "unknown-escape": ('{"type":"\\x41"}', NOT_JSON),
}

ENVELOPE_ROWS: dict[str, Row] = {
    "no-type": ('{"payload":{}}', NO_TYPE),
    "type-null": ('{"type":null}', NO_TYPE),
    "type-number": ('{"type":1,"payload":{}}', NO_TYPE),
    "type-object": ('{"type":{"a":1}}', NO_TYPE),
    "type-array": ('{"type":["heartbeat"]}', NO_TYPE),
    "type-in-capitals": ('{"TYPE":"heartbeat"}', NO_TYPE),
    "payload-null": ('{"type":"heartbeat","payload":null}', NO_PAYLOAD),
    "payload-array": ('{"type":"heartbeat","payload":[]}', NO_PAYLOAD),
    "payload-string": ('{"type":"heartbeat","payload":"{}"}', NO_PAYLOAD),
    "payload-number": ('{"type":"get_leaderboard","payload":0}', NO_PAYLOAD),
    "answers-payload-array": ('{"type":"answer_submission","payload":[]}', NO_PAYLOAD),
    "unknown-type": (said("join"), (UNKNOWN, {"type": "join"})),
    "empty-type": (said(""), (UNKNOWN, {"type": ""})),
    "type-in-other-case": (said("Heartbeat"), (UNKNOWN, {"type": "Heartbeat"})),
    "type-with-nul": (
        '{"type":"heartbeat\\u0000"}',
        (UNKNOWN, {"type": "heartbeat\0"}),
    ),
    "servers-own-type": (said("welcome"), (UNKNOWN, {"type": "welcome"})),
    "longest-type": (said("x" * 4000), (UNKNOWN, {"type": "x" * 64})),
    "last-of-two-types": (
        '{"type":"heartbeat","type":"nothing"}',
        (UNKNOWN, {"type": "nothing"}),
    ),
    "echo-too-long": (said("heartbeat", sentAt="x" * 65), NO_ECHO),
    "echo-true": (said("heartbeat", sentAt=True), NO_ECHO),
    "echo-array": (said("heartbeat", sentAt=[1]), NO_ECHO),
    "echo-object": (said("heartbeat", sentAt={"a": 1}), NO_ECHO),
    "echo-of-400-digits": (
        f'{{"type":"heartbeat","payload":{{"sentAt":{"9" * 400}}}}}',
        NOT_JSON,
    ),
}

ANSWER_ROWS: dict[str, Row] = {
    "no-question": (answer(questionId=...), NO_QUESTION),
    "question-number": (answer(questionId=1), NO_QUESTION),
    "question-null": (answer(questionId=None), NO_QUESTION),
    "question-array": (answer(questionId=["q1"]), NO_QUESTION),
    "unknown-question": (answer(questionId="q9"), refused("unknown_question", "q9")),
    "empty-question": (answer(questionId=""), refused("unknown_question", "")),
    "question-with-nul": (
        answer(questionId="q1\0"),
        refused("unknown_question", "q1\0"),
    ),
    "question-in-capitals": (
        answer(questionId="Q1"),
        refused("unknown_question", "Q1"),
    ),
    "later-question": (answer(questionId="q2"), refused("too_early", "q2")),
    "no-option": (answer(selectedOption=...), NOT_AN_OPTION),
    "other-option": (answer(selectedOption="jump"), refused("invalid_option")),
    "empty-option": (answer(selectedOption=""), refused("invalid_option")),
    "option-in-capitals": (answer(selectedOption="Run"), refused("invalid_option")),
    "option-and-space": (answer(selectedOption="run "), refused("invalid_option")),
    "option-and-nul": (answer(selectedOption="run\0"), NOT_AN_OPTION),
    "part-of-an-option": (answer(selectedOption="ru"), refused("invalid_option")),
    "option-decomposed": (answer(selectedOption="cafe\u0301"), NOT_AN_OPTION),
    "option-number": (answer(selectedOption=0), NOT_AN_OPTION),
    "option-null": (answer(selectedOption=None), NOT_AN_OPTION),
    "option-true": (answer(selectedOption=True), NOT_AN_OPTION),
    "option-array": (answer(selectedOption=["run"]), NOT_AN_OPTION),
    "option-object": (answer(selectedOption={"run": 1}), NOT_AN_OPTION),
    "other-types-field": (answer(selectedOption=..., text="run"), NOT_AN_OPTION),
    "empty-options": (answer(selectedOption=..., selectedOptions=[]), NOT_AN_OPTION),
    "last-of-two-options": (
        answer().replace("}}", ', "selectedOption": "jump"}}'),
        NOT_AN_OPTION,
    ),
    "long-time": (
        answer(answeredAt="x" * 41),
        ("invalid_message", {"field": "answeredAt"}),
    ),
    "time-number": (answer(answeredAt=5), ("invalid_message", {"field": "answeredAt"})),
    "somebody-elses": (
        answer(participantId="00000000-0000-0000-0000-000000000000"),
        ("forbidden", {"field": "participantId"}),
    ),
    "nobodys": (answer(participantId=""), ("forbidden", {"field": "participantId"})),
    "participant-number": (
        answer(participantId=5),
        ("forbidden", {"field": "participantId"}),
    ),
}

COMMANDS = ("start", "next", "skip", "pause", "resume", "lock", "end")

COMMAND_ROWS: dict[str, Row] = {
    **{
        f"host-{name}": (
            said(f"host_{name}"),
            ("forbidden", {"type": f"host_{name}"}),
        )
        for name in COMMANDS
    },
    "host-kick": (
        said("host_kick", participantId="p", ban=True),
        ("forbidden", {"type": "host_kick"}),
    ),
    "host-kick-nobody": (said("host_kick"), invalid("participantId", "not a string")),
    "host-unknown": (said("host_win"), (UNKNOWN, {"type": "host_win"})),
}

MULTIPLE_ROWS: dict[str, Row] = {
    f"options-{name}": (
        answer(selectedOption=..., selectedOptions=options),
        refused("invalid_option", field="selectedOptions"),
    )
    for name, options in {
        "empty": [],
        "unknown": ["table", "chair"],
        "twice": ["table", "table"],
        "numbers": [0, 1],
        "text": "table",
        "null": None,
        "too-many": ["table", "run", "green"],
        "nested": [["table"]],
    }.items()
}

HOST_ROWS: dict[str, Row] = {
    "answer": (answer(), ("forbidden", {"type": "answer_submission"})),
    "empty-answer": (
        said("answer_submission"),
        ("forbidden", {"type": "answer_submission"}),
    ),
    "not-json": ("hello", NOT_JSON),
    "expect-text": (said("host_end", expect="now"), invalid("expect", "not an object")),
    "expect-phase-number": (
        said("host_end", expect={"phase": 1}),
        invalid("expect.phase", "not a string"),
    ),
    "expect-question-list": (
        said("host_end", expect={"questionId": []}),
        invalid("expect.questionId", "not a string"),
    ),
    "lock-number": (
        said("host_lock", locked=1),
        invalid("locked", "neither true nor false"),
    ),
    "kick-nobody": (said("host_kick"), invalid("participantId", "not a string")),
    "kick-stranger": (
        said("host_kick", participantId="p"),
        ("forbidden", {"field": "participantId"}),
    ),
    "ban-text": (
        said("host_kick", participantId="p", ban="yes"),
        invalid("ban", "neither true nor false"),
    ),
    "start-during-a-question": (
        said("host_start"),
        ("forbidden", {"phase": "question"}),
    ),
}
