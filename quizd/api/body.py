"""Reading what a request says, with every way it can be wrong."""

from collections.abc import Mapping
from http import HTTPStatus
from typing import Any

import orjson
from starlette.requests import Request

from quizd.api.problems import Problem, invalid
from quizd.codes import Reason

KEY_MAX_CHARS = 200


async def json_object(request: Request, *, optional: bool = False) -> dict[str, Any]:
    """Return the JSON object in the body; an empty body is ``{}`` where *optional*.

    Raises ``invalid_message``: with status 400 for what is not JSON, 422 for JSON that
    is no object.
    """
    raw = await request.body()
    if optional and not raw:
        return {}
    try:
        value = orjson.loads(raw)
    except orjson.JSONDecodeError as error:
        raise malformed(
            {"errors": [{"field": "body", "problem": str(error)}]}
        ) from error
    if not isinstance(value, dict):
        raise invalid("body", "not an object")
    return value


def malformed(members: Mapping[str, object]) -> Problem:
    """Return the problem of a body that could not even be read."""
    status = HTTPStatus.BAD_REQUEST
    return Problem(Reason.INVALID_MESSAGE, members, status=status)


def idempotency_key(request: Request) -> str:
    """Return the ``Idempotency-Key``, ``""`` where there is none.

    Raises ``invalid_message`` unless it has 1 to :data:`KEY_MAX_CHARS` characters.
    """
    key = request.headers.get("idempotency-key")
    if key is None:
        return ""
    if not 1 <= len(key) <= KEY_MAX_CHARS:
        raise invalid("Idempotency-Key", f"not 1 to {KEY_MAX_CHARS} characters")
    return key
