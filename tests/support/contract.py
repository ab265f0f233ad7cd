"""Hold what goes over the socket against the published schemas."""

import json
from functools import cache
from typing import Any

from jsonschema import Draft202012Validator
from jsonschema.exceptions import best_match

from quizd.protocol.catalogue import Direction, Role
from quizd.protocol.schema import message_schemas


def check_server_message(raw: str | bytes, role: Role = "player") -> dict[str, Any]:
    """Return the decoded message; raise ``AssertionError`` if *role* may not get it."""
    return _check(raw, "server", role)


def check_client_message(raw: str | bytes, role: Role | None = None) -> dict[str, Any]:
    """Return the decoded message; raise ``AssertionError`` if *role* may not send it.

    Without a role, what any client may send passes.
    """
    return _check(raw, "client", role)


@cache
def _validators(
    direction: Direction, role: Role | None
) -> dict[str, Draft202012Validator]:
    schemas = message_schemas(direction, role)
    return {name: Draft202012Validator(schema) for name, schema in schemas.items()}


def _check(raw: str | bytes, direction: Direction, role: Role | None) -> dict[str, Any]:
    who = f"{direction} message" + (f" ({role})" if role else "")
    try:
        message = json.loads(raw)
    except ValueError as error:
        msg = f"{who} is not JSON ({error}): {raw!r}"
        raise AssertionError(msg) from error
    kind = message.get("type") if isinstance(message, dict) else None
    validator = _validators(direction, role).get(str(kind))
    if validator is None:
        msg = f"{who} of unknown type {kind!r}: {raw!r}"
        raise AssertionError(msg)
    fault = best_match(validator.iter_errors(message))
    if fault is not None:
        msg = f"{who} {kind}: {fault.json_path}: {fault.message}\n  in {raw!r}"
        raise AssertionError(msg)
    return dict(message)
