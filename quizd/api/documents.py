"""How routes describe themselves, and the OpenAPI document made of that."""

from collections.abc import Iterable, Sequence
from http import HTTPStatus
from itertools import groupby
from typing import Any

from fastapi import FastAPI
from fastapi.openapi.utils import get_openapi

from quizd.api.problems import MEANING, MEDIA_TYPE, STATUS, AnyCode, Code
from quizd.api.schemas import all_schemas, ref
from quizd.codes import Reason

Json = dict[str, Any]

PLAYER = "participantToken"
HOST = "hostToken"
AUTHOR = "authorToken"

ANYTIME = (Reason.SHARD_UNAVAILABLE, Reason.WRONG_REGION, Reason.INTERNAL)
WITH_BODY = (Reason.INVALID_MESSAGE, Code.PAYLOAD_TOO_LARGE, Code.REQUEST_TIMEOUT)
WITH_SEAT = (Reason.UNAUTHORIZED, Reason.FORBIDDEN, Reason.SESSION_NOT_FOUND)
ANSWER_REFUSALS = (
    Reason.UNKNOWN_QUESTION,
    Reason.QUESTION_NOT_OPEN,
    Reason.TOO_EARLY,
    Reason.TOO_LATE,
    Reason.ALREADY_ANSWERED,
    Reason.INVALID_OPTION,
)

_TOKENS = {
    PLAYER: "From the join call.",
    HOST: "From the open call.",
    AUTHOR: "From the server's operator.",
}


def gives(
    schema: str | None, *codes: AnyCode, status: int = 200, also: int | None = None
) -> dict[int | str, Json]:
    """Return FastAPI's ``responses``: *schema* with *status*, problems with *codes*.

    *also* is a second status with the same schema.
    """
    responses = _problems({*codes, *ANYTIME})
    for fine in (status, also):
        if fine is not None:
            responses[int(fine)] = _fine(fine, schema)
    if Code.PAYLOAD_TOO_LARGE in codes:
        responses[HTTPStatus.BAD_REQUEST.value] = _problem([Reason.INVALID_MESSAGE])
    return responses


def with_text(
    responses: dict[int | str, Json], media_type: str
) -> dict[int | str, Json]:
    """Return *responses* with a text as another, or the only, content of success."""
    content = responses[HTTPStatus.OK.value].setdefault("content", {})
    content[media_type] = {"schema": {"type": "string"}}
    return responses


def takes(
    body: str | None = None,
    *,
    optional: bool = False,
    tokens: Iterable[str] = (),
    parameters: Iterable[Json] = (),
) -> Json:
    """Return FastAPI's ``openapi_extra``: the schema of the *body*, who may call."""
    extra: Json = {}
    if body is not None:
        content = {"application/json": {"schema": ref(body)}}
        extra["requestBody"] = {"required": not optional, "content": content}
    if tokens:
        extra["security"] = [{token: []} for token in tokens]
    if parameters:
        extra["parameters"] = list(parameters)
    return extra


class Application(FastAPI):
    """An application whose document has our schemas in place of FastAPI's."""

    def openapi(self) -> Json:
        """Return the OpenAPI document; it is made once."""
        if self.openapi_schema is None:
            self.openapi_schema = _document(self)
        return self.openapi_schema


def _document(app: FastAPI) -> Json:
    document = get_openapi(
        title=app.title,
        version=app.version,
        description=app.description,
        routes=app.routes,
    )
    for path in document["paths"].values():
        for operation in path.values():
            _drop_unused(operation["responses"])
    document["components"] = {
        "schemas": all_schemas(),
        "securitySchemes": {
            name: {"type": "http", "scheme": "bearer", "description": description}
            for name, description in _TOKENS.items()
        },
    }
    return document


def _drop_unused(responses: Json) -> None:
    """Drop the answer that FastAPI would give to an invalid request: ours differ."""
    unprocessable = str(HTTPStatus.UNPROCESSABLE_ENTITY.value)
    content = responses.get(unprocessable, {}).get("content", {})
    if "application/json" in content:
        del responses[unprocessable]


def _fine(status: int, schema: str | None) -> Json:
    answer: Json = {"description": HTTPStatus(status).phrase}
    if schema is not None:
        answer["content"] = {"application/json": {"schema": ref(schema)}}
    return answer


def _problems(codes: Iterable[AnyCode]) -> dict[int | str, Json]:
    def status(code: AnyCode) -> int:
        return STATUS[code].value

    ordered = sorted(codes, key=lambda code: (status(code), code))
    return {key: _problem(list(same)) for key, same in groupby(ordered, status)}


def _problem(codes: Sequence[AnyCode]) -> Json:
    lines = [f"`{code}`: {MEANING[code]}" for code in codes]
    schema = {"allOf": [ref("Problem")], "properties": {"code": {"enum": codes}}}
    return {
        "description": "\n\n".join(lines),
        "content": {MEDIA_TYPE: {"schema": schema}},
    }
