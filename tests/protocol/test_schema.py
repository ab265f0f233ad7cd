"""The published schemas: valid, complete, strict, and true to the first contract."""

import json
import re
from collections.abc import Callable, Iterator
from copy import deepcopy
from typing import Any

import pytest
from jsonschema import Draft7Validator, Draft202012Validator, ValidationError, validate

from quizd.codes import CLOSE_ADVICE, Close, Reason
from quizd.protocol.catalogue import PHASES, Direction, Role
from quizd.protocol.schema import document, message_schemas
from quizd.session.phases import Phase
from tests.support import samples
from tests.support.contract import check_client_message, check_server_message

SERVER_CASES = [
    *(("player", sample) for sample in samples.SERVER.values()),
    *(("host", sample) for sample in samples.FOR_HOST.values()),
]
RECORDED = {
    "quiz_starting",
    "new_question",
    "question_closed",
    "quiz_paused",
    "quiz_resumed",
    "quiz_ended",
}
LATEST = {
    "leaderboard_changed",
    "leaderboard_data",
    "participants_changed",
    "host_state",
}


def walk(part: object) -> Iterator[dict[str, Any]]:
    """Yield every object inside *part*, itself included."""
    if isinstance(part, dict):
        yield part
        part = list(part.values())
    if isinstance(part, list):
        for item in part:
            yield from walk(item)


def resolve(root: object, pointer: str) -> object:
    """Return what the JSON pointer ``#/a/b`` means in *root*; raise ``KeyError``."""
    found: Any = root
    for step in pointer.removeprefix("#/").split("/"):
        found = found[step]
    return found


def every_schema() -> list[tuple[str, dict[str, Any]]]:
    """Return each message's schema in each direction and for each role."""
    directions: tuple[Direction, ...] = ("client", "server")
    roles: tuple[Role | None, ...] = (None, "player", "host")
    return [
        (f"{direction}-{role}-{kind}", schema)
        for direction in directions
        for role in roles
        for kind, schema in message_schemas(direction, role).items()
    ]


@pytest.mark.parametrize("dialect", [Draft7Validator, Draft202012Validator])
def test_every_schema_is_valid_json_schema(dialect: type[Draft7Validator]) -> None:
    """Both dialects accept every schema, and none needs another document."""
    for name, schema in every_schema():
        dialect.check_schema(schema)
        assert not any("$ref" in part for part in walk(schema)), name
    for schema in document("1.2.3")["components"]["schemas"].values():
        dialect.check_schema(schema)


def test_nothing_stands_beside_a_reference() -> None:
    """Draft 7 would ignore it, 2020-12 would not."""
    beside = [part for part in walk(document("1")) if "$ref" in part and len(part) > 1]
    assert beside == []


def test_every_reference_of_the_document_resolves() -> None:
    """The document is complete in itself."""
    whole = document("1.2.3")
    references = [part["$ref"] for part in walk(whole) if "$ref" in part]
    assert len(references) > 100
    for reference in references:
        assert resolve(whole, reference), reference


def test_the_document_is_plain_json_and_nobody_elses() -> None:
    """JSON changes nothing in it, it names the version, no reader can spoil it."""
    whole = document("1.2.3")
    assert json.loads(json.dumps(whole)) == whole
    assert (whole["asyncapi"], whole["info"]["version"]) == ("3.0.0", "1.2.3")
    whole["components"]["schemas"].clear()
    assert document("1.2.3")["components"]["schemas"]


def test_codes_and_reasons_are_complete() -> None:
    """Every close code with its advice and every reason can be read there."""
    whole = document("1")
    listed = {
        Close(row["code"]): (row["reconnect"], row["means"])
        for row in whole["x-close-codes"]
    }
    assert set(listed) == set(Close)
    for close, advice in CLOSE_ADVICE.items():
        assert listed[close] == (advice.reconnect, advice.meaning)
    assert set(whole["components"]["schemas"]["Reason"]["enum"]) == set(Reason)


def test_phases_are_the_sessions() -> None:
    """The socket's phases are those of the state machine."""
    assert set(PHASES) == set(Phase)


def test_the_connection_is_described() -> None:
    """Query parameters and both subprotocols are named."""
    binding = document("1")["channels"]["play"]["bindings"]["ws"]
    known = {"quizId", "participantId", "token", "role", "epoch", "after"}
    assert set(binding["query"]["properties"]) == known
    header = binding["headers"]["properties"]["Sec-WebSocket-Protocol"]
    assert "quizd.v1, bearer.<token>" in header["description"]


def test_operations_name_who_gets_what() -> None:
    """A player's side knows no host message, and the other way round."""
    operations = document("1")["operations"]

    def kinds(name: str) -> set[str]:
        return {m["$ref"].rsplit(".")[-1] for m in operations[name]["messages"]}

    assert kinds("fromPlayer") == {"answer_submission", "get_leaderboard", "heartbeat"}
    assert "host_state" in kinds("toHost") - kinds("toPlayer")
    assert {"answer_result", "removed"} == kinds("toPlayer") - kinds("toHost")
    assert operations["fromHost"]["action"] == "receive"


def test_there_is_a_sample_of_every_message() -> None:
    """The tests below leave no type out."""
    assert set(samples.SERVER) | {"host_state"} == set(message_schemas("server"))
    assert set(samples.CLIENT) == set(message_schemas("client"))


@pytest.mark.parametrize(("role", "sample"), SERVER_CASES)
def test_samples_of_the_server_pass(role: Role, sample: dict[str, Any]) -> None:
    """What the server should send is accepted, for its role and in the document."""
    raw = json.dumps(sample)
    assert check_server_message(raw, role) == sample
    assert check_server_message(raw.encode(), role) == sample
    validate(sample, message_schemas("server")[sample["type"]])


@pytest.mark.parametrize("sample", samples.CLIENT.values())
def test_samples_of_clients_pass_with_unknown_fields(sample: dict[str, Any]) -> None:
    """Clients may send what a later version knows."""
    assert check_client_message(json.dumps(sample)) == sample
    payload = {**sample["payload"], "later": 1}
    check_client_message(json.dumps({**sample, "payload": payload, "later": 1}))


def spoilt(part: object, optional: frozenset[str]) -> Iterator[object]:
    """Yield copies of *part*, each with one field unknown, missing or of a wrong type.

    Fields in *optional* are not taken away, only given a wrong type.
    """
    if isinstance(part, list):
        for at, item in enumerate(part):
            for worse in spoilt(item, optional):
                yield [*part[:at], worse, *part[at + 1 :]]
    if not isinstance(part, dict):
        return
    yield {**part, "unheardOf": 1}
    for name, value in part.items():
        yield {**part, name: {"wrong": "type"} if name != "details" else 1}
        if name not in optional:
            yield {key: kept for key, kept in part.items() if key != name}
        if name != "details":
            for worse in spoilt(value, optional):
                yield {**part, name: worse}


OPTIONAL = {
    "welcome": {"pin", "question", "leaderboard", "startsAt"},
    "new_question": {"media", "alt"},
    "answer_result": {"correct", "points", "score", "rank"},
    "question_closed": {"explanation"},
    "quiz_resumed": {"endTime", "startsAt"},
    "heartbeat": {"sentAt"},
}


@pytest.mark.parametrize(("role", "sample"), SERVER_CASES)
def test_each_spoilt_server_message_fails(role: Role, sample: dict[str, Any]) -> None:
    """No field may be unknown, missing or of a wrong type, at any depth."""
    optional = frozenset(OPTIONAL.get(sample["type"], ()))
    cases = list(spoilt(sample, optional))
    assert len(cases) >= 5
    for case in cases:
        with pytest.raises(AssertionError):
            check_server_message(json.dumps(case), role)


@pytest.mark.parametrize(("role", "sample"), SERVER_CASES)
def test_numbers_are_where_they_belong(role: Role, sample: dict[str, Any]) -> None:
    """Broadcasts have seq from 1 on, latest values have version, others neither."""
    kind = sample["type"]
    for number, kinds, least in (("seq", RECORDED, 1), ("version", LATEST, 0)):
        given = json.dumps({**sample, number: least})
        if kind not in kinds:
            with pytest.raises(AssertionError, match=number):
                check_server_message(given, role)
            continue
        check_server_message(given, role)
        for wrong in (least - 1, 1.5, "1", None):
            with pytest.raises(AssertionError, match=number):
                check_server_message(json.dumps({**sample, number: wrong}), role)


def test_you_is_the_players_alone() -> None:
    """A player never goes without; a host never has a place."""
    for kind in ("leaderboard_changed", "leaderboard_data", "quiz_ended"):
        sample = samples.SERVER[kind]
        with pytest.raises(AssertionError, match="you"):
            check_server_message(json.dumps(sample), "host")
        bare = deepcopy(sample)
        del bare["payload"]["you"]
        check_server_message(json.dumps(bare), "host")
        with pytest.raises(AssertionError, match="you"):
            check_server_message(json.dumps(bare))


@pytest.mark.parametrize(
    "time",
    [
        "2026-01-31T09:30:00Z",
        "2026-01-31T09:30:00.000+00:00",
        "2026-01-31 09:30:00.000Z",
        "2026-01-31T09:30:00.0000Z",
        "x2026-01-31T09:30:00.000Z",
        1_767_225_600_000,
    ],
)
def test_times_have_one_form(time: object) -> None:
    """ISO 8601, UTC, milliseconds; nothing else."""
    with pytest.raises(AssertionError):
        check_server_message(json.dumps(samples.welcome(serverTime=time)))


def without(field: str) -> Callable[[dict[str, Any]], None]:
    """Return what takes *field* out of a message's payload."""
    return lambda sample: sample["payload"].pop(field)


@pytest.mark.parametrize(
    ("kind", "spoil"),
    [
        ("answer_submission", without("questionId")),
        ("answer_submission", without("selectedOption")),
        ("answer_submission", lambda s: s["payload"].update(selectedOption=1)),
        ("answer_submission", lambda s: s["payload"].update(selectedOptions="run")),
        ("get_leaderboard", lambda s: s.pop("payload")),
        ("host_kick", without("participantId")),
        ("host_next", lambda s: s["payload"].update(expect={"phase": "soon"})),
        ("host_lock", lambda s: s["payload"].update(locked="yes")),
    ],
)
def test_wrong_client_messages_fail(
    kind: str, spoil: Callable[[dict[str, Any]], None]
) -> None:
    """Known fields are checked although unknown ones are allowed."""
    sample = deepcopy(samples.CLIENT[kind])
    spoil(sample)
    with pytest.raises(AssertionError, match=kind):
        check_client_message(json.dumps(sample))


def test_only_hosts_command() -> None:
    """With a role given, what another role sends is unknown."""
    check_client_message('{"type": "host_end", "payload": {}}', "host")
    with pytest.raises(AssertionError, match="host_end"):
        check_client_message('{"type": "host_end", "payload": {}}', "player")


@pytest.mark.parametrize("raw", ["", "{", "[]", "null", '"welcome"', b"\xff", "{}"])
def test_what_is_no_message_is_named(raw: str | bytes) -> None:
    """The failure shows what came."""
    with pytest.raises(AssertionError, match=re.escape(repr(raw))):
        check_server_message(raw)


PARTICIPANT = {
    "type": "object",
    "properties": {
        "participantId": {"type": "string"},
        "participantName": {"type": "string"},
        "score": {"type": "number"},
        "rank": {"type": "integer"},
    },
    "required": ["participantId", "score", "rank"],
}
STRING = {"type": "string"}
PUBLISHED: dict[str, dict[str, Any]] = {
    "new_question": {
        "questionId": STRING,
        "text": STRING,
        "options": {"type": "array", "items": STRING},
        "startTime": STRING,
        "endTime": STRING,
    },
    "leaderboard_changed": {"leaderboard": {"type": "array", "items": PARTICIPANT}},
    "leaderboard_data": {"leaderboard": {"type": "array", "items": PARTICIPANT}},
    "quiz_ended": {"finalLeaderboard": {"type": "array", "items": PARTICIPANT}},
    "error": {"reason": STRING, "details": {"type": "object"}},
}
"""The first contract's events to clients, as its own text gives them."""


@pytest.mark.parametrize("kind", PUBLISHED)
def test_published_events_keep_every_field(kind: str) -> None:
    """What we send is what the first contract promised: same fields, same types."""
    payload = samples.SERVER[kind]["payload"]
    fields = PUBLISHED[kind]
    promised = {"type": "object", "properties": fields, "required": list(fields)}
    validate(payload, promised)
    ours = message_schemas("server")[kind]["properties"]["payload"]
    assert set(fields) <= set(ours["required"])
    for field in fields:
        assert refuses(ours, {k: v for k, v in payload.items() if k != field})


def refuses(schema: dict[str, Any], value: object) -> bool:
    """Tell whether *schema* does not accept *value*."""
    try:
        validate(value, schema)
    except ValidationError:
        return True
    return False


@pytest.mark.parametrize(
    "published",
    [
        {
            "type": "answer_submission",
            "payload": {
                "questionId": "q1",
                "selectedOption": "run",
                "answeredAt": "2026-01-31T09:30:00+02:00",
            },
        },
        {
            "type": "answer_submission",
            "payload": {
                "participantId": "p1",
                "questionId": "q1",
                "selectedOption": "run",
                "answeredAt": "2026-01-31T09:30:00Z",
            },
        },
        {"type": "get_leaderboard", "payload": {}},
        {"type": "heartbeat", "payload": {}},
    ],
)
def test_published_messages_of_clients_pass(published: dict[str, Any]) -> None:
    """Clients written to the first contract send nothing that is refused."""
    check_client_message(json.dumps(published), "player")


def test_published_messages_are_tagged() -> None:
    """The document tells which messages never change."""
    messages = document("1")["components"]["messages"].values()
    tagged = {m["name"] for m in messages if "tags" in m}
    clients = {"answer_submission", "get_leaderboard", "heartbeat"}
    assert tagged == set(PUBLISHED) | clients
