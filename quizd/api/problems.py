"""Problems: every error of the API in one shape (RFC 9457), each with a stable code.

``code`` is a :class:`quizd.codes.Reason`, the same as over the socket, or one of the
few that only HTTP has. ``details`` is what the socket's error would tell, ``errors``
names fields of a request that are wrong, ``problems`` tells what is wrong with a quiz.
"""

import random
from collections.abc import Mapping
from enum import StrEnum
from http import HTTPStatus

import orjson
from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from prometheus_client import Counter
from starlette.exceptions import HTTPException
from starlette.responses import Response

from quizd.codes import Reason, Refused
from quizd.log import get_logger
from quizd.metrics import REGISTRY
from quizd.store.base import StoreUnavailable

MEDIA_TYPE = "application/problem+json"
RETRY_AFTER_S = (1, 3)
"""From when to when those whom we can't serve are asked back: not all at once."""

PROBLEMS = Counter(
    "quizd_api_problems_total",
    "Requests answered with a problem; session_full and shard_unavailable are those "
    "that found no room.",
    ["code"],
    registry=REGISTRY,
)

log = get_logger(__name__)


class Code(StrEnum):
    """Problems that only HTTP has; a value here never changes."""

    QUIZ_NOT_FOUND = "quiz_not_found"
    NOT_FOUND = "not_found"
    METHOD_NOT_ALLOWED = "method_not_allowed"
    PAYLOAD_TOO_LARGE = "payload_too_large"
    REQUEST_TIMEOUT = "request_timeout"


AnyCode = Reason | Code

STATUS: dict[AnyCode, HTTPStatus] = {
    Reason.INVALID_MESSAGE: HTTPStatus.UNPROCESSABLE_ENTITY,
    Reason.UNKNOWN_TYPE: HTTPStatus.UNPROCESSABLE_ENTITY,
    Reason.UNKNOWN_QUESTION: HTTPStatus.NOT_FOUND,
    Reason.QUESTION_NOT_OPEN: HTTPStatus.CONFLICT,
    Reason.TOO_EARLY: HTTPStatus.CONFLICT,
    Reason.TOO_LATE: HTTPStatus.CONFLICT,
    Reason.ALREADY_ANSWERED: HTTPStatus.CONFLICT,
    Reason.INVALID_OPTION: HTTPStatus.UNPROCESSABLE_ENTITY,
    Reason.RATE_LIMITED: HTTPStatus.TOO_MANY_REQUESTS,
    Reason.SESSION_NOT_FOUND: HTTPStatus.NOT_FOUND,
    Reason.SESSION_FULL: HTTPStatus.CONFLICT,
    Reason.SESSION_LOCKED: HTTPStatus.CONFLICT,
    Reason.UNAUTHORIZED: HTTPStatus.UNAUTHORIZED,
    Reason.FORBIDDEN: HTTPStatus.FORBIDDEN,
    Reason.WRONG_REGION: HTTPStatus.MISDIRECTED_REQUEST,
    Reason.SHARD_UNAVAILABLE: HTTPStatus.SERVICE_UNAVAILABLE,
    Reason.INTERNAL: HTTPStatus.INTERNAL_SERVER_ERROR,
    Code.QUIZ_NOT_FOUND: HTTPStatus.NOT_FOUND,
    Code.NOT_FOUND: HTTPStatus.NOT_FOUND,
    Code.METHOD_NOT_ALLOWED: HTTPStatus.METHOD_NOT_ALLOWED,
    Code.PAYLOAD_TOO_LARGE: HTTPStatus.REQUEST_ENTITY_TOO_LARGE,
    Code.REQUEST_TIMEOUT: HTTPStatus.REQUEST_TIMEOUT,
}

MEANING: dict[AnyCode, str] = {
    Reason.INVALID_MESSAGE: "The request is malformed; errors names what is wrong.",
    Reason.UNKNOWN_TYPE: "There is no such command.",
    Reason.UNKNOWN_QUESTION: "The quiz has no question of this id.",
    Reason.QUESTION_NOT_OPEN: "The question takes no answers while paused.",
    Reason.TOO_EARLY: "What this is about is still to come or going on.",
    Reason.TOO_LATE: "The question is closed.",
    Reason.ALREADY_ANSWERED: "Another answer to this question has been given before.",
    Reason.INVALID_OPTION: "This is no possible answer to the question.",
    Reason.RATE_LIMITED: "Too many requests; come back later.",
    Reason.SESSION_NOT_FOUND: "There is no such session, or none that is open.",
    Reason.SESSION_FULL: "No more players, or no more sessions, are taken.",
    Reason.SESSION_LOCKED: "The session takes no more players.",
    Reason.UNAUTHORIZED: "A valid token is needed.",
    Reason.FORBIDDEN: "This is not allowed here or now.",
    Reason.WRONG_REGION: "The session runs in another region.",
    Reason.SHARD_UNAVAILABLE: "The server cannot serve this now; come back later.",
    Reason.INTERNAL: "The server has failed; this has been noted.",
    Code.QUIZ_NOT_FOUND: "There is no quiz of this id.",
    Code.NOT_FOUND: "There is nothing at this address.",
    Code.METHOD_NOT_ALLOWED: "This address does not take this method.",
    Code.PAYLOAD_TOO_LARGE: "The request's body is too large.",
    Code.REQUEST_TIMEOUT: "The request's body took too long to arrive.",
}

_OF_STATUS = {
    HTTPStatus.NOT_FOUND: Code.NOT_FOUND,
    HTTPStatus.METHOD_NOT_ALLOWED: Code.METHOD_NOT_ALLOWED,
    HTTPStatus.REQUEST_ENTITY_TOO_LARGE: Code.PAYLOAD_TOO_LARGE,
}
_CLOSE = {"Connection": "close"}
_HEADERS: dict[AnyCode, dict[str, str]] = {
    Reason.UNAUTHORIZED: {"WWW-Authenticate": 'Bearer realm="quizd"'},
    Reason.RATE_LIMITED: {"Retry-After": "1"},
    Code.PAYLOAD_TOO_LARGE: _CLOSE,  # the rest of the body is not read
    Code.REQUEST_TIMEOUT: _CLOSE,
}


def _headers(code: AnyCode) -> dict[str, str]:
    """Return the headers that go with *code*."""
    if code is Reason.SHARD_UNAVAILABLE:
        after_s = random.randint(*RETRY_AFTER_S)  # noqa: S311 - spreads load
        return {"Retry-After": str(after_s)}
    return _HEADERS.get(code, {})


class Problem(Exception):  # noqa: N818 - the name that RFC 9457 gives it
    """An error as the client will see it; *members* are added to its JSON."""

    def __init__(
        self,
        code: AnyCode,
        members: Mapping[str, object] | None = None,
        *,
        status: HTTPStatus | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> None:
        super().__init__(code.value)
        self.code = code
        self.members = members or {}
        self.status = status or STATUS[code]
        self.headers = {**_headers(code), **(headers or {})}

    def response(self) -> Response:
        """Return the answer that tells it."""
        PROBLEMS.labels(self.code.value).inc()
        content = {
            "type": "about:blank",
            "title": self.status.phrase,
            "status": self.status,
            "code": self.code,
            "detail": MEANING[self.code],
            **self.members,
        }
        return Response(orjson.dumps(content), self.status, self.headers, MEDIA_TYPE)


def invalid(field: str, problem: str) -> Refused:
    """Return the refusal of a request whose *field* is wrong."""
    return Refused(Reason.INVALID_MESSAGE, field=field, problem=problem)


def install(app: FastAPI) -> None:
    """Have *app* tell every expected error as a problem."""
    for kind in (
        Problem,
        Refused,
        RequestValidationError,
        HTTPException,
        StoreUnavailable,
    ):
        app.add_exception_handler(kind, _answer)


def problem_of(error: Exception) -> Problem:
    """Return *error* as a problem; one that nobody expected says nothing of itself."""
    match error:
        case Problem():
            return error
        case Refused():
            return _of_refusal(error)
        case RequestValidationError():
            return Problem(Reason.INVALID_MESSAGE, {"errors": _errors(error)})
        case HTTPException():
            return _of_http(error)
        case StoreUnavailable():
            log.error("store_unavailable", error=str(error))
            return Problem(Reason.SHARD_UNAVAILABLE)
    return Problem(Reason.INTERNAL)


async def _answer(_: Request, error: Exception) -> Response:
    return problem_of(error).response()


def _of_refusal(refused: Refused) -> Problem:
    """Return *refused* with the details that the socket would give."""
    members: dict[str, object] = {}
    if refused.details:
        members["details"] = refused.details
    if refused.reason is Reason.INVALID_MESSAGE and "field" in refused.details:
        members["errors"] = [refused.details]
    return Problem(refused.reason, members)


def _errors(error: RequestValidationError) -> list[dict[str, str]]:
    return [
        {"field": str(details["loc"][-1]), "problem": details["msg"]}
        for details in error.errors()
    ]


def _of_http(error: HTTPException) -> Problem:
    status = HTTPStatus(error.status_code)
    code = _OF_STATUS.get(status, Reason.INVALID_MESSAGE)
    return Problem(code, status=status, headers=error.headers)
