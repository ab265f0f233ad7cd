"""Every message of the socket, as tables: fields, number, who sends and who gets it.

``quizd.protocol.schema`` makes JSON Schema and the AsyncAPI document of them. They keep
to what JSON Schema draft 7 (AsyncAPI's own dialect) and 2020-12 have in common, so that
validators of either kind read them alike: no keyword beside ``$ref``, no tuples.

What the server sends is closed (``additionalProperties: false``): a test that
meets an unknown field has found a mistake. Clients live by the looser rule of the
document: fields may come later, unknown ones are ignored. What clients send is open for
the same reason.

A field whose name ends in ``?`` in the tables below may be missing.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from quizd.codes import Reason

Direction = Literal["client", "server"]
"""Who sends: a client (player or host) or the server."""
Role = Literal["player", "host"]
Schema = dict[str, Any]

PHASES = ("lobby", "starting", "question", "reveal", "paused", "ended")
QUESTION_TYPES = (
    "single_choice",
    "multiple_choice",
    "true_false",
    "text",
    "numeric",
    "ordering",
    "poll",
)


@dataclass(frozen=True, slots=True)
class ByRole:
    """A field that players and hosts get differently; a host may have none."""

    player: Schema
    host: Schema | None = None


Fields = Mapping[str, Schema | ByRole]


@dataclass(frozen=True, slots=True)
class Message:
    """One type of message: its fields, its number and who sends or gets it."""

    type: str
    summary: str
    fields: Fields
    number: Literal["seq", "version"] | None = None
    roles: tuple[Role, ...] = ("player", "host")
    published: bool = False
    any_of: Sequence[str] = ()
    """At least one of these fields has to be there."""


def _ref(name: str) -> Schema:
    return {"$ref": f"#/components/schemas/{name}"}


def _integer(minimum: int = 0, maximum: int | None = None) -> Schema:
    bounds = {"minimum": minimum} | ({} if maximum is None else {"maximum": maximum})
    return {"type": "integer", **bounds}


def _list(items: Schema, at_most: int | None = None) -> Schema:
    bound = {} if at_most is None else {"maxItems": at_most}
    return {"type": "array", "items": items, **bound}


def _one_of(*values: str) -> Schema:
    return {"type": "string", "enum": list(values)}


def object_of(
    fields: Fields, *, closed: bool = True, role: Role | None = None
) -> Schema:
    """Return the schema of an object as *role* meets it; without one, as any may."""
    met = list(_as_met(fields, role))
    schema: Schema = {
        "type": "object",
        "properties": {name: field for name, field, _ in met},
        "required": [name for name, _, needed in met if needed],
    }
    return {**schema, "additionalProperties": False} if closed else schema


def _as_met(fields: Fields, role: Role | None) -> Iterator[tuple[str, Schema, bool]]:
    for marked, field in fields.items():
        name, needed = marked.removesuffix("?"), not marked.endswith("?")
        if isinstance(field, ByRole):
            yield from _by_role(name, field, role)
        else:
            yield name, field, needed


def _by_role(
    name: str, field: ByRole, role: Role | None
) -> Iterator[tuple[str, Schema, bool]]:
    schema = {
        "player": field.player,
        "host": field.host,
        None: {"anyOf": [field.player, field.host]} if field.host else field.player,
    }[role]
    if schema is not None:
        yield name, schema, role is not None or field.host is not None


BOOL: Schema = {"type": "boolean"}
STRING: Schema = {"type": "string"}
NUMBER: Schema = {"type": "number"}
TEXTS = _list(STRING)
ID = _ref("Id")
TIME = _ref("Time")
ECHO: Schema = {"type": ["string", "number"]}

_PLACE: Fields = {"score": _integer(), "rank": _integer(1), "of": _integer(1)}
_QUESTION: Fields = {
    "questionId": ID,
    "text": STRING,
    "options": TEXTS,
    "startTime": TIME,
    "endTime": TIME,
    "index": _integer(),
    "total": _integer(1),
    "questionType": _ref("QuestionType"),
    "points": _integer(),
    "media?": _ref("Media"),
}
_BOARD: Fields = {"leaderboard": _ref("Leaderboard"), "you": ByRole(_ref("Place"))}
_TRUTH: Fields = {
    "correctOptions": TEXTS,
    "explanation?": STRING,
    "distribution": _ref("Distribution"),
    "answered": _integer(),
}

SCHEMAS: dict[str, Schema] = {
    "Id": {"type": "string", "minLength": 1, "description": "Opaque."},
    "Time": {
        "type": "string",
        "pattern": "^[0-9]{4}(-[0-9]{2}){2}T[0-9]{2}(:[0-9]{2}){2}\\.[0-9]{3}Z$",
        "description": "ISO 8601, UTC, milliseconds.",
    },
    "Phase": _one_of(*PHASES),
    "QuestionType": _one_of(*QUESTION_TYPES),
    "Reason": _one_of(*(reason.value for reason in Reason)),
    "Media": object_of(
        {"kind": _one_of("image", "audio", "video"), "url": STRING, "alt?": STRING}
    ),
    "Participant": object_of({"participantId": ID, "participantName": STRING}),
    "Standing": object_of(
        {
            "participantId": ID,
            "participantName": STRING,
            "score": _integer(),
            "rank": _integer(1),
        }
    ),
    "Leaderboard": _list(_ref("Standing")),
    "Distribution": _list(object_of({"option": STRING, "count": _integer()})),
    "Place": object_of(_PLACE),
    "Player": object_of(
        {"participantId": ID, "participantName": STRING, **_PLACE, "streak": _integer()}
    ),
    "Host": object_of({"role": {"const": "host"}}),
    "Outcome": object_of(
        {
            "correct": BOOL,
            "points": _integer(),
            **_PLACE,
            "gapToNext": {**_integer(), "description": "0 for rank 1."},
            "streak": _integer(),
            "percentile": {"type": "number", "minimum": 0, "maximum": 100},
        }
    ),
    "OpenQuestion": object_of(
        {**_QUESTION, "remainingMs": _integer(), "answered": BOOL}
    ),
    "ClosedQuestion": object_of({**_QUESTION, "answered": BOOL}),
    "Reveal": object_of(
        {**_TRUTH, "question": _ref("ClosedQuestion"), "you?": _ref("Outcome")}
    ),
    "Expect": object_of({"phase?": _ref("Phase"), "questionId?": ID}, closed=False),
}

_EXPECT: Fields = {"expect?": _ref("Expect")}
_HOST: tuple[Role, ...] = ("host",)
_PLAYER: tuple[Role, ...] = ("player",)

CLIENT_MESSAGES = (
    Message(
        "answer_submission",
        "An answer. The first one to a question stands; the same one again gets the "
        "same answer_result. selectedOption and selectedOptions are option texts, "
        "order is all of them; answeredAt is kept for the audit and never trusted. "
        "Somebody else's participantId is forbidden.",
        {
            "questionId": ID,
            "selectedOption?": STRING,
            "selectedOptions?": TEXTS,
            "text?": STRING,
            "number?": NUMBER,
            "order?": TEXTS,
            "answeredAt?": STRING,
            "participantId?": ID,
        },
        roles=_PLAYER,
        published=True,
        any_of=("selectedOption", "selectedOptions", "text", "number", "order"),
    ),
    Message("get_leaderboard", "Ask for leaderboard_data.", {}, published=True),
    Message(
        "heartbeat",
        "Ask for the server's time; sentAt comes back as it is.",
        {"sentAt?": ECHO},
        published=True,
    ),
    Message("host_start", "Start the countdown.", _EXPECT, roles=_HOST),
    Message("host_next", "Go one step on.", _EXPECT, roles=_HOST),
    Message("host_skip", "Go on to the next question at once.", _EXPECT, roles=_HOST),
    Message("host_pause", "Stop the clock.", _EXPECT, roles=_HOST),
    Message("host_resume", "Let the clock go on.", _EXPECT, roles=_HOST),
    Message(
        "host_lock",
        "Let nobody else in; with locked: false, let them in again.",
        {**_EXPECT, "locked?": BOOL},
        roles=_HOST,
    ),
    Message(
        "host_kick",
        "Remove a participant; with ban, for the rest of the session.",
        {"participantId": ID, "ban?": BOOL, **_EXPECT},
        roles=_HOST,
    ),
    Message("host_end", "End the session.", _EXPECT, roles=_HOST),
)

SERVER_MESSAGES = (
    Message(
        "welcome",
        "The whole picture as of epoch and seq; the next broadcast is seq + 1. "
        "resumed: nothing was missed since the after that was asked for. question is "
        "the open one; reveal is what was closed last, until the next one, with you "
        "for players; startsAt is there while starting. locked: nobody can join. After "
        "the end, leaderboard is the final one.",
        {
            "sessionId": ID,
            "quizId": ID,
            "participantId": ByRole(ID, {"type": "null"}),
            "epoch": _integer(),
            "seq": _integer(),
            "resumed": BOOL,
            "phase": _ref("Phase"),
            "serverTime": TIME,
            "participants": _integer(),
            "you": ByRole(_ref("Player"), _ref("Host")),
            "question?": _ref("OpenQuestion"),
            "reveal?": _ref("Reveal"),
            "pin?": STRING,
            "title?": STRING,
            "locked?": BOOL,
            "startsAt?": TIME,
            "leaderboard?": _ref("Leaderboard"),
        },
    ),
    Message(
        "participants_changed",
        "participants and left are counts, joined the latest 20 at most; merged to at "
        "most 2 a second.",
        {
            "participants": _integer(),
            "joined": _list(_ref("Participant"), at_most=20),
            "left": _integer(),
        },
        number="version",
    ),
    Message(
        "quiz_starting",
        "The first question opens at startsAt.",
        {"startsAt": TIME, "inSeconds": {"type": "number", "minimum": 0}},
        number="seq",
    ),
    Message(
        "new_question",
        "The question's clock starts at startTime for everybody; an earlier answer "
        "counts as given then. options is empty where the type has none; index counts "
        "from 0.",
        _QUESTION,
        number="seq",
        published=True,
    ),
    Message(
        "answer_result",
        "The answer is durable. The other fields are there where the quiz gives "
        "immediate feedback.",
        {
            "questionId": ID,
            "accepted": BOOL,
            "receivedAt": TIME,
            "correct?": BOOL,
            "points?": _integer(),
            "score?": _integer(),
            "rank?": _integer(1),
        },
        roles=_PLAYER,
    ),
    Message(
        "question_closed",
        "What was right, and in you (players only) what it came to and where one "
        "stands, exactly.",
        {"questionId": ID, **_TRUTH, "you": ByRole(_ref("Outcome"))},
        number="seq",
    ),
    Message(
        "leaderboard_changed",
        "The top of the board, and in you (players only) one's own place.",
        _BOARD,
        number="version",
        published=True,
    ),
    Message(
        "leaderboard_data",
        "The answer to get_leaderboard.",
        _BOARD,
        number="version",
        published=True,
    ),
    Message("quiz_paused", "The clock stands still.", {"at": TIME}, number="seq"),
    Message(
        "quiz_resumed",
        "The clock goes on: endTime of an open question, startsAt of a countdown.",
        {"at": TIME, "endTime?": TIME, "startsAt?": TIME},
        number="seq",
    ),
    Message(
        "quiz_ended",
        "The top of the final board; the rest is to be had by REST.",
        {"finalLeaderboard": _ref("Leaderboard"), "you": ByRole(_ref("Place"))},
        number="seq",
        published=True,
    ),
    Message(
        "removed",
        "The host has removed this player.",
        {"reason": _one_of("kicked", "banned")},
        roles=_PLAYER,
    ),
    Message(
        "reconnect",
        "The server is going away; come back after the delay, which is spread.",
        {"afterMs": _integer(), "reason": STRING},
    ),
    Message("heartbeat", "The server's time.", {"serverTime": TIME, "sentAt?": ECHO}),
    Message(
        "error",
        "A message was refused; details names the questionId or field concerned, where "
        "there is one.",
        {"reason": _ref("Reason"), "details": {"type": "object"}},
        published=True,
    ),
    Message(
        "host_state",
        "What hosts watch: answers so far, deliveries in flight, and whether the "
        "session is locked.",
        {
            "phase": _ref("Phase"),
            "participants": _integer(),
            "connected": _integer(),
            "answered": _integer(),
            "distribution": _ref("Distribution"),
            "inFlight": _integer(),
            "locked?": BOOL,
        },
        number="version",
        roles=_HOST,
    ),
)
MESSAGES: dict[Direction, tuple[Message, ...]] = {
    "client": CLIENT_MESSAGES,
    "server": SERVER_MESSAGES,
}
