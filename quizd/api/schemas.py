"""JSON Schemas of what the API takes and gives, for the OpenAPI document.

What the socket's messages hold too is taken from their schemas, so that the two can't
differ. Like those, what the server gives is closed: a test that meets an unknown field
has found a mistake.
"""

from functools import cache
from typing import Any

from quizd.api.body import KEY_MAX_CHARS
from quizd.api.problems import STATUS
from quizd.protocol.catalogue import (
    ID,
    STRING,
    TEXTS,
    TIME,
    Fields,
    Schema,
    object_of,
)
from quizd.protocol.catalogue import SCHEMAS as OF_MESSAGES
from quizd.protocol.decode import HOST_COMMANDS
from quizd.protocol.schema import message_schemas
from quizd.session.quiz import Quiz

REF = "#/components/schemas/"
NATURAL: Schema = {"type": "integer", "minimum": 0}
POSITIVE: Schema = {"type": "integer", "minimum": 1}
CURSOR: Schema = {
    "type": ["string", "null"],
    "description": "Of the next part of the list; null after the last.",
}


def ref(name: str) -> Schema:
    """Return a reference to the schema *name*."""
    return {"$ref": f"{REF}{name}"}


def _or_null(schema: Schema, description: str) -> Schema:
    return {"anyOf": [schema, {"type": "null"}], "description": description}


def _list_of(name: str) -> Schema:
    return {"type": "array", "items": ref(name)}


_QUIZ: Fields = {
    "quizId": ID,
    "version": POSITIVE,
    "createdAt": TIME,
    "updatedAt": TIME,
}

_OWN: dict[str, Schema] = {
    "Problem": object_of(
        {
            "type": STRING,
            "title": STRING,
            "status": {"type": "integer", "minimum": 400, "maximum": 599},
            "code": {"type": "string", "enum": [code.value for code in STATUS]},
            "detail": STRING,
            "details?": {
                "type": "object",
                "description": "What the socket's error has.",
            },
            "errors?": _list_of("FieldError"),
            "problems?": {
                **TEXTS,
                "description": "What is wrong with a quiz, in lines.",
            },
        }
    ),
    "FieldError": object_of({"field": STRING, "problem?": STRING}),
    "Join": object_of({"participantName": STRING}, closed=False),
    "Joined": object_of(
        {
            "quizId": ID,
            "participantId": ID,
            "sessionId": ID,
            "token": STRING,
            "wsUrl": {"type": "string", "format": "uri"},
            "participantName": STRING,
        }
    ),
    "LeaderboardPage": object_of(
        {"leaderboard": ref("Leaderboard"), "you?": ref("Place"), "total": NATURAL}
    ),
    "Joinable": object_of(
        {
            "quizId": ID,
            "title": STRING,
            "phase": ref("Phase"),
            "participants": NATURAL,
            "level": STRING,
            "language": STRING,
        }
    ),
    "QuizSummary": object_of(
        {
            **_QUIZ,
            "title": STRING,
            "language": STRING,
            "level": STRING,
            "questions": POSITIVE,
            "open": {"type": "string", "enum": ["host", "always"]},
        }
    ),
    "QuizList": object_of(
        {
            "quizzes": {
                "type": "array",
                "items": {"anyOf": [ref("Joinable"), ref("QuizSummary")]},
            },
            "nextCursor": CURSOR,
        }
    ),
    "StoredQuiz": object_of({**_QUIZ, "quiz": ref("Quiz")}),
    "Opened": object_of(
        {
            "sessionId": ID,
            "pin": STRING,
            "hostToken": STRING,
            "wsUrl": {"type": "string", "format": "uri"},
            "joinUrl": {"type": "string", "format": "uri"},
        }
    ),
    "Commanded": object_of(
        {
            "phase": ref("Phase"),
            "questionId?": ID,
            "participants": NATURAL,
            "seq": NATURAL,
        }
    ),
    "Results": object_of(
        {
            "sessionId": ID,
            "quizId": ID,
            "quizVersion": POSITIVE,
            "title": STRING,
            "openedAt": TIME,
            "endedAt": TIME,
            "endReason": STRING,
            "participants": _or_null(NATURAL, "All who joined; null: not known."),
            "results": _list_of("Result"),
            "nextCursor": CURSOR,
        }
    ),
    "Result": object_of(
        {
            "participantId": _or_null(ID, "Null: the join could not be written."),
            "participantName": _or_null(STRING, "Null: it was erased."),
            "score": NATURAL,
            "rank": _or_null(POSITIVE, "Null: removed by the host."),
        }
    ),
    "Health": object_of({"status": STRING, "checks?": {"type": "object"}}),
    "Version": object_of({"name": STRING, "version": STRING}),
    "Document": {"type": "object"},
}

ADDRESS: Schema = {
    "name": "address",
    "in": "path",
    "required": True,
    "schema": {"type": "string"},
    "description": "A quiz's id or a session's pin.",
}
KEY_HEADER: Schema = {
    "name": "Idempotency-Key",
    "in": "header",
    "schema": {"type": "string", "minLength": 1, "maxLength": KEY_MAX_CHARS},
    "description": "The same key again gets the same participant back.",
}


@cache
def all_schemas() -> dict[str, Schema]:
    """Return every schema by its name; references are among them."""
    return {**OF_MESSAGES, **_OWN, **_of_socket(), **_of_quiz()}


def _of_socket() -> dict[str, Schema]:
    sent, taken = message_schemas("server"), message_schemas("client")
    commands = {
        command_schema(name): _payload(taken[f"host_{name}"])
        for name in host_commands()
    }
    return {
        "State": _payload(sent["welcome"]),
        "AnswerResult": _payload(sent["answer_result"]),
        "Answer": _payload(taken["answer_submission"]),
        **commands,
    }


def host_commands() -> list[str]:
    """Return the host's commands as paths name them."""
    return [name.removeprefix("host_") for name in HOST_COMMANDS]


def command_schema(command: str) -> str:
    """Return the name of the schema of what *command* takes."""
    return f"Host{command.capitalize()}"


def _payload(message: Schema) -> Schema:
    payload: Schema = message["properties"]["payload"]
    return payload


def _of_quiz() -> dict[str, Schema]:
    """Return the quiz's schema and its parts, renamed ``Quiz…``."""
    schema: dict[str, Any] = Quiz.model_json_schema(ref_template=f"{REF}Quiz{{model}}")
    parts = schema.pop("$defs")
    return {"Quiz": schema, **{f"Quiz{name}": part for name, part in parts.items()}}
