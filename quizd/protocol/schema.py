"""JSON Schema of every message, and the socket's AsyncAPI document around them."""

from copy import deepcopy
from functools import cache
from typing import Any

from quizd.codes import CLOSE_ADVICE
from quizd.protocol.catalogue import (
    MESSAGES,
    SCHEMAS,
    Direction,
    Message,
    Role,
    Schema,
    object_of,
)

MAX_MESSAGE_BYTES = 4096
SUBPROTOCOL = "quizd.v1"
BEARER = "bearer."

_REF = "#/components/schemas/"
_DESCRIPTION = f"""\
Every message is one JSON text: `type`, `payload` and, where this document has them,
`seq` or `version`. A client's has at most {MAX_MESSAGE_BYTES} bytes. Times are ISO 8601
UTC with milliseconds, ids opaque strings.

Fields may be added in later versions, so clients ignore what they do not know; none is
ever taken away. Messages tagged `published` are the contract that existing clients
speak: their fields never change.

`seq` counts the session's recorded broadcasts, the same for everybody. After `welcome`
with seq S come S+1, S+2 and so on; a client that sees anything else connects again,
with the `epoch` and as `after` the last seq that it has. A message with `version` is
the latest value of something: one older than what a client has is dropped.
"""


def message_schemas(
    direction: Direction, role: Role | None = None
) -> dict[str, Schema]:
    """Return the schema of each message type that *direction* sends, standing alone.

    With *role*, only what that role sends or gets, and exactly as it does: ``you`` is
    then required or unknown instead of optional. There is no ``$ref`` in the result.
    """
    return {
        message.type: _inlined(_envelope(message, direction, role))
        for message in MESSAGES[direction]
        if role is None or role in message.roles
    }


def document(version: str) -> dict[str, Any]:
    """Return the AsyncAPI 3.0 document of the socket; plain values, ready for JSON.

    *version* is the program's. Format: https://www.asyncapi.com/docs/reference,
    specification 3.0.0 with the WebSockets binding 0.1.0.
    """
    return {
        "asyncapi": "3.0.0",
        "info": {
            "title": "quizd socket",
            "version": version,
            "description": _DESCRIPTION,
            "license": {"name": "MIT"},
        },
        "defaultContentType": "application/json",
        "servers": {"quizd": _server()},
        "channels": {"play": _channel()},
        "operations": _operations(),
        "components": {
            "messages": {
                _key(direction, message): _message(direction, message)
                for direction, messages in MESSAGES.items()
                for message in messages
            },
            "schemas": deepcopy(SCHEMAS),
            "securitySchemes": _security_schemes(),
        },
        "x-close-codes": [
            {"code": code.value, "reconnect": advice.reconnect, "means": advice.meaning}
            for code, advice in CLOSE_ADVICE.items()
        ],
    }


def _envelope(message: Message, direction: Direction, role: Role | None) -> Schema:
    closed = direction == "server"
    payload = object_of(message.fields, closed=closed, role=role)
    if message.any_of:
        payload["anyOf"] = [{"required": [field]} for field in message.any_of]
    fields = {"type": {"const": message.type}, "payload": payload}
    if message.number:
        least = 1 if message.number == "seq" else 0
        fields[message.number] = {"type": "integer", "minimum": least}
    return object_of(fields, closed=closed)


@cache
def _named(name: str) -> Schema:
    inlined: Schema = _inlined(SCHEMAS[name])
    return inlined


def _inlined(part: Any) -> Any:  # noqa: ANN401 - any JSON value
    """Return *part* with what its references mean in their place."""
    if isinstance(part, list):
        return [_inlined(item) for item in part]
    if not isinstance(part, dict):
        return part
    if "$ref" in part:
        return _named(part["$ref"].removeprefix(_REF))
    return {key: _inlined(value) for key, value in part.items()}


def _server() -> dict[str, Any]:
    return {
        "host": "{host}",
        "protocol": "wss",
        "description": "ws where the server has no TLS in front.",
        "variables": {"host": {"default": "localhost:8080"}},
        "security": [
            {"$ref": "#/components/securitySchemes/subprotocol"},
            {"$ref": "#/components/securitySchemes/query"},
        ],
    }


def _channel() -> dict[str, Any]:
    return {
        "address": "/ws",
        "description": "/ws/quiz is an alias. Joining by REST gives the address.",
        "messages": {
            _key(direction, message): _to("components/messages", direction, message)
            for direction, messages in MESSAGES.items()
            for message in messages
        },
        "bindings": {
            "ws": {
                "method": "GET",
                "query": _query(),
                "headers": _headers(),
                "bindingVersion": "0.1.0",
            }
        },
    }


def _query() -> Schema:
    text = {"type": "string"}
    return {
        "type": "object",
        "properties": {
            "quizId": {**text, "description": "The quiz's id or the session's pin."},
            "participantId": {**text, "description": "A player's; a host has none."},
            "token": {**text, "description": "Unless the subprotocol carries it."},
            "role": {"type": "string", "enum": ["player", "host"], "default": "player"},
            "epoch": {"type": "integer", "description": "Of the last welcome."},
            "after": {"type": "integer", "description": "The last seq received."},
        },
        "required": ["quizId"],
    }


def _headers() -> Schema:
    protocol = {
        "type": "string",
        "description": f"Either {SUBPROTOCOL}, or {SUBPROTOCOL}, {BEARER}<token>: the "
        f"token then stays out of addresses and their logs. Answered by {SUBPROTOCOL}.",
    }
    return {"type": "object", "properties": {"Sec-WebSocket-Protocol": protocol}}


def _operations() -> dict[str, Any]:
    """Name what each role sends and gets; the actions are the server's."""
    ways: tuple[tuple[str, str, Direction, Role], ...] = (
        ("fromPlayer", "receive", "client", "player"),
        ("fromHost", "receive", "client", "host"),
        ("toPlayer", "send", "server", "player"),
        ("toHost", "send", "server", "host"),
    )
    return {
        name: {
            "action": action,
            "channel": {"$ref": "#/channels/play"},
            "messages": [
                _to("channels/play/messages", direction, message)
                for message in MESSAGES[direction]
                if role in message.roles
            ],
        }
        for name, action, direction, role in ways
    }


def _security_schemes() -> dict[str, Any]:
    return {
        "subprotocol": {
            "type": "httpApiKey",
            "in": "header",
            "name": "Sec-WebSocket-Protocol",
            "description": f"{SUBPROTOCOL}, {BEARER}<token>",
        },
        "query": {"type": "httpApiKey", "in": "query", "name": "token"},
    }


def _message(direction: Direction, message: Message) -> dict[str, Any]:
    tags = {"tags": [{"name": "published"}]} if message.published else {}
    return {
        "name": message.type,
        "summary": message.summary,
        "payload": _envelope(message, direction, None),
        **tags,
    }


def _to(where: str, direction: Direction, message: Message) -> dict[str, str]:
    return {"$ref": f"#/{where}/{_key(direction, message)}"}


def _key(direction: Direction, message: Message) -> str:
    """Both sides have a heartbeat, so the type alone is no key."""
    return f"{direction}.{message.type}"
