"""The document says what the gate enforces."""

from __future__ import annotations

from typing import Any

import pytest

from backend.src.web.access import Access
from backend.src.web.routes import SOCKET
from tests.unit.web.conftest import client_of, make_app
from tests.unit.web.sample import Sample


@pytest.fixture
async def document() -> dict[str, Any]:
    async with client_of(make_app(Sample()), key=None) as client:
        found: dict[str, Any] = (await client.get("/openapi.json")).json()
        return found


def test_every_route_names_its_access(document: dict[str, Any]) -> None:
    for route in Sample().routes():
        if route.method == SOCKET:
            continue
        operation = document["paths"][route.path][route.method.lower()]
        schemes = [
            {scheme: [scope.value]}
            for scope in route.access.value
            for scheme in document["components"]["securitySchemes"]
        ]
        assert operation["security"] == schemes
        assert ("401" in operation["responses"]) is (route.access is not Access.OPEN)


def test_every_problem_is_a_problem_document(document: dict[str, Any]) -> None:
    for path in document["paths"].values():
        for operation in path.values():
            for status, response in operation["responses"].items():
                if status == "200":
                    continue
                assert list(response["content"]) == ["application/problem+json"]
                assert response["content"]["application/problem+json"]["schema"] == {
                    "$ref": "#/components/schemas/Problem"
                }
    assert "HTTPValidationError" not in document["components"]["schemas"]


def test_answers_are_described(document: dict[str, Any]) -> None:
    paths = document["paths"]
    assert paths["/large"]["get"]["responses"]["200"]["content"]["application/json"]["schema"]["type"] == "array"
    assert list(paths["/csv"]["get"]["responses"]["200"]["content"]) == ["text/csv"]
    assert set(paths["/things"]["delete"]["responses"]) >= {"401", "403", "409", "422", "default"}
    assert paths["/things/{thing_id}"]["get"]["parameters"][0]["schema"]["pattern"] == "^[0-9]{1,18}$"
    assert paths["/things/{thing_id}"]["get"]["tags"] == ["Things"]


def test_names_of_operations_are_unique_and_stay(document: dict[str, Any]) -> None:
    names = [operation["operationId"] for path in document["paths"].values() for operation in path.values()]
    assert len(set(names)) == len(names)
    assert "get_things_thing_id" in names
