"""The API's own documents are whole, valid and true."""

import json
from collections.abc import Iterator

import pytest
from fastapi.routing import APIRoute
from jsonschema import Draft202012Validator

from quizd.api.play import JOIN
from quizd.api.problems import STATUS, Code
from quizd.codes import Reason
from quizd.protocol.schema import document
from tests.api.stage import API, Json, Stage

NOWHERE = {
    Code.METHOD_NOT_ALLOWED,  # of addresses that are not documented with that method
    Reason.UNKNOWN_TYPE,  # of sockets: an unknown command is an unknown address here
}


@pytest.fixture
async def openapi(stage: Stage) -> Json:
    """The document as it is served."""
    answer = await stage.api.get(f"{API}/openapi.json")
    assert answer.status_code == 200
    served: Json = answer.json()
    return served


def _operations(openapi: Json) -> Iterator[tuple[str, str, Json]]:
    for path, operations in openapi["paths"].items():
        for method, operation in operations.items():
            yield method, path, operation


def _references(value: object) -> Iterator[str]:
    if isinstance(value, dict):
        for key, inner in value.items():
            if key == "$ref":
                yield inner
            yield from _references(inner)
    elif isinstance(value, list):
        for inner in value:
            yield from _references(inner)


async def test_the_document_says_what_it_is(openapi: Json) -> None:
    """OpenAPI 3.1 with the program's name and version."""
    assert openapi["openapi"].startswith("3.1")
    assert (openapi["info"]["title"], openapi["info"]["version"]) == ("quizd", "1.2.3")


async def test_every_reference_leads_somewhere(openapi: Json) -> None:
    """Nothing refers to a schema that isn't there, and none is there for nothing."""
    schemas = openapi["components"]["schemas"]
    for reference in _references(openapi):
        assert reference.startswith("#/components/schemas/")
        assert reference.rpartition("/")[2] in schemas, reference


async def test_every_schema_is_one(openapi: Json) -> None:
    """By the rules of JSON Schema 2020-12, which OpenAPI 3.1 speaks."""
    for schema in openapi["components"]["schemas"].values():
        Draft202012Validator.check_schema(schema)


async def test_every_route_is_described(stage: Stage, openapi: Json) -> None:
    """With an id of its own, a summary, and text; the plain join by FastAPI's."""
    described = {(method, path) for method, path, _ in _operations(openapi)}
    routes = {
        (method.lower(), route.path)
        for route in stage.app.routes
        if isinstance(route, APIRoute)
        for method in route.methods or ()
    }
    assert routes <= described
    assert ("post", f"{API}{JOIN}") in described
    ids = [operation["operationId"] for *_, operation in _operations(openapi)]
    assert len(set(ids)) == len(ids)
    for _, path, operation in _operations(openapi):
        assert operation["summary"], path
        for status, response in operation["responses"].items():
            assert response["description"], (path, status)


async def test_every_error_is_a_problem(openapi: Json) -> None:
    """Whatever is not a success has the one shape; 500 and 503 can come anywhere."""
    for _, path, operation in _operations(openapi):
        errors = {s: r for s, r in operation["responses"].items() if int(s) >= 400}
        assert {"500", "503"} <= set(errors), path
        for response in errors.values():
            assert list(response["content"]) == ["application/problem+json"], path


async def test_every_code_is_documented(openapi: Json) -> None:
    """At each call with the status that it comes with."""
    found = set()
    for *_, operation in _operations(openapi):
        for status, response in operation["responses"].items():
            problem = response.get("content", {}).get("application/problem+json")
            for code in (
                problem["schema"]["properties"]["code"]["enum"] if problem else ()
            ):
                found.add(code)
                assert int(status) in (STATUS[_code(code)], 400)
    assert found == {code.value for code in STATUS if code not in NOWHERE}


def _code(value: str) -> Reason | Code:
    return Reason(value) if value in set(Reason) else Code(value)


async def test_who_may_call_is_documented(openapi: Json) -> None:
    """Each call names the tokens that open it, all of them described."""
    schemes = openapi["components"]["securitySchemes"]
    for _, path, operation in _operations(openapi):
        tokens = {token for each in operation.get("security", []) for token in each}
        assert tokens <= set(schemes)
        assert bool(tokens) == ("401" in operation["responses"]), path


async def test_the_sockets_document_is_served(stage: Stage) -> None:
    """As the protocol has it, with the program's version."""
    answer = await stage.api.get(f"{API}/asyncapi.json")
    assert answer.json() == json.loads(json.dumps(document("1.2.3")))
