"""Hold every answer against the OpenAPI document that the API itself gives."""

import re
from collections.abc import Mapping
from typing import Any

import httpx
from jsonschema import Draft202012Validator
from jsonschema.exceptions import best_match

PROBLEM = "application/problem+json"


class Conformance:
    """Checks answers; call it with each. ``seen`` has what it met, for coverage."""

    def __init__(self, document: Mapping[str, Any]) -> None:
        self.document = document
        self.seen: set[tuple[str, str, int]] = set()
        self._paths = {
            re.compile(re.sub(r"{\w+}", "[^/]+", path)): path
            for path in document["paths"]
        }

    async def __call__(self, response: httpx.Response) -> None:
        """Raise ``AssertionError`` where the answer isn't as documented."""
        await response.aread()
        method = response.request.method.lower()
        path = self._path(response.request.url.path)
        operation = self.document["paths"].get(path, {}).get(method)
        if operation is None:
            self._check_undocumented(path, response)
            return
        self.seen.add((method, path, response.status_code))
        documented = operation["responses"].get(str(response.status_code))
        where = f"{method} {path}: {response.status_code} {response.text[:300]}"
        assert documented is not None, f"undocumented: {where}"
        self._check_content(documented.get("content", {}), response, where)

    def _path(self, asked: str) -> str:
        fitting = [path for form, path in self._paths.items() if form.fullmatch(asked)]
        return min(fitting, key=lambda path: path.count("{"), default="")

    def _check_undocumented(self, path: str, response: httpx.Response) -> None:
        assert response.status_code == (405 if path else 404), response.text
        assert response.headers["content-type"] == PROBLEM
        self._check_schema({"$ref": "#/components/schemas/Problem"}, response.json())

    def _check_content(
        self, content: Mapping[str, Any], response: httpx.Response, where: str
    ) -> None:
        if not content:
            assert not response.content, where
            return
        media_type = response.headers["content-type"].partition(";")[0]
        assert media_type in content, f"{media_type}: {where}"
        if media_type.endswith("json"):
            self._check_schema(content[media_type]["schema"], response.json())
        if media_type == PROBLEM:
            assert response.json()["status"] == response.status_code

    def _check_schema(self, schema: Mapping[str, Any], value: object) -> None:
        rooted = {**schema, "components": self.document["components"]}
        fault = best_match(Draft202012Validator(rooted).iter_errors(value))
        assert fault is None, f"{fault.json_path}: {fault.message}\n  in {value!r}"
