"""What the document shows as an example is what the server takes: every route, asked as it is written there."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Mapping
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlencode

import pytest

from backend.src.web.examples import operations
from tests.system.whole_server import Answer, WholeServer, whole_server

ENDS_THE_SERVER = "PUT /v1/admin/stop"
JSON, FORM, MULTIPART = "application/json", "application/x-www-form-urlencoded", "multipart/form-data"
OF_ANOTHER_LIST = "continuationToken"  # a token is of the list that gave it
# well formed, but codes and credentials in documents are nobody's
NOBODYS = {
    "POST /v1/users/verify",
    "POST /v1/users/invitations/accept",
    "POST /v1/users/password/reset",
    "POST /oauth/token",
}


@pytest.fixture
async def server(tmp_path: Path) -> AsyncIterator[WholeServer]:
    async with whole_server(tmp_path) as running:
        yield running


async def test_every_example_is_taken(server: WholeServer, subtests: pytest.Subtests) -> None:
    await server.call("POST", "/v1/tags/bulk", {"groups": {"Area": list("abcde")}})  # tags that the examples name
    document = (await server.ask("GET", "/openapi.json")).json
    for name, operation in operations(document):
        if name == ENDS_THE_SERVER:
            continue
        for body in bodies(operation):
            with subtests.test(name):
                answer = await ask(server, name, operation, *body)
                told = f"{name} {body}: {answer.status} {answer.text[:500]}"
                assert answer.status < 500 or answer.status in (503, 504), told
                assert name in NOBODYS or answer.status not in (400, 413, 415, 422), told
                assert "part of the request cannot be accepted" not in answer.text, told  # refused by its form


def bodies(operation: Mapping[str, Any]) -> list[tuple[str | None, bytes]]:
    """Content type and content of each example; one without, where the operation takes no body."""
    contents = operation.get("requestBody", {}).get("content", {})
    found: list[tuple[str | None, bytes]] = []
    for kind, content in contents.items():
        values = [one["value"] for one in content.get("examples", {}).values()] or [content["example"]]
        found += [encoded(kind, value) for value in values]
    return found or [(None, b"")]


def encoded(kind: str, value: Any) -> tuple[str, bytes]:
    if kind == JSON:
        return kind, json.dumps(value).encode()
    if kind == FORM:
        return kind, urlencode(value).encode()
    if kind == MULTIPART:
        part = (
            f'--b\r\nContent-Disposition: form-data; name="file"; filename="a.csv"\r\n\r\n{value["file"]}\r\n--b--\r\n'
        )
        return f"{kind}; boundary=b", part.encode()
    return kind, value.encode()


async def ask(server: WholeServer, name: str, operation: Mapping[str, Any], kind: str | None, body: bytes) -> Answer:
    method, path = name.split(" ")
    headers, query = server.operator(), []
    for parameter in operation["parameters"]:
        value = written(parameter["example"])
        match parameter["in"]:
            case "path":
                path = path.replace(f"{{{parameter['name']}}}", quote(value[0], safe=""))
            case "query" if parameter["name"] != OF_ANOTHER_LIST:
                query += [(parameter["name"], one) for one in value]
            case "header":
                headers[parameter["name"]] = value[0]
    if kind is not None:
        headers["content-type"] = kind
    return await server.ask(method, f"{path}?{urlencode(query)}", headers, body)


def written(value: Any) -> list[str]:
    """As a query has it."""
    values = value if isinstance(value, list) else [value]
    return [one if isinstance(one, str) else json.dumps(one) for one in values]
