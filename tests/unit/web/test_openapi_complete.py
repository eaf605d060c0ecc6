"""The real server's document: valid, and complete for every route that PathManager has."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from http import HTTPStatus
from typing import Any

import pytest
from jsonschema import Draft202012Validator, FormatChecker
from openapi_spec_validator import OpenAPIV31SpecValidator

from backend.src.config.settings import Settings
from backend.src.core.runtime_manager import RuntimeManager
from backend.src.server import Server
from backend.src.web import openapi
from backend.src.web.examples import ExampleMissing, examples_of, operations
from backend.src.web.openapi_tags import TAGS
from backend.src.web.routes import SOCKET, Route

PROBLEM = "application/problem+json"
DOCUMENTS_OF_OTHERS = {"/oauth/token", "/oauth/revoke", "/oauth/introspect"}  # RFC 6749 has its own

FILLERS = {openapi.UNDESCRIBED, "Done", "The content", ""}  # what says nothing of this answer
STATE = {"ETag"}
DATED = STATE | {"Last-Modified"}
WHOLE = DATED | {"Accept-Ranges"}
PART = WHOLE | {"Content-Range"}

Document = dict[str, Any]


@pytest.fixture(scope="module")
def server() -> Iterator[Server]:
    RuntimeManager.reset()
    yield Server(Settings())
    RuntimeManager.reset()


@pytest.fixture(scope="module")
def document(server: Server) -> Document:
    """As a client reads it."""
    found: Document = json.loads(json.dumps(openapi.document(server.app)))
    return found


@pytest.fixture(scope="module")
def routes(server: Server) -> list[Route]:
    return [route for route in server.paths.routes() if route.method != SOCKET and route.documented]


def operation_of(document: Document, route: Route) -> Document:
    found: Document = document["paths"][route.path][route.method.lower()]
    return found


def test_it_is_valid(document: Document) -> None:
    assert [str(error) for error in OpenAPIV31SpecValidator(document).iter_errors()] == []


def test_it_says_whose_it_is(document: Document) -> None:
    info = document["info"]
    assert (info["title"], bool(info["version"]), len(info["description"]) > 40) == ("Larder", True, True)
    assert [one["url"] for one in document["servers"]] == ["/"]


def test_every_route_is_in_it(document: Document, routes: list[Route]) -> None:
    assert {name for name, _ in operations(document)} == {f"{route.method} {route.path}" for route in routes}
    names = [operation["operationId"] for _, operation in operations(document)]
    assert len(set(names)) == len(names)


def test_names_are_those_that_a_generator_can_take(document: Document) -> None:
    """Two models of one name get long ones, two parameters that differ in signs alone get one."""
    assert [name for name in document["components"]["schemas"] if "__" in name] == []
    for name, operation in operations(document):
        words = [re.sub(r"\W", "", parameter["name"]).lower() for parameter in operation["parameters"]]
        assert len(set(words)) == len(words), name


def test_every_route_has_a_summary_a_description_and_a_group(document: Document, routes: list[Route]) -> None:
    for route in routes:
        operation = operation_of(document, route)
        told = (route.method, route.path, operation)
        assert 0 < len(operation["summary"]) <= 60 and not operation["summary"].endswith("."), told
        assert len(operation["description"]) > 20, told
        assert len(operation["tags"]) == 1 and operation["tags"][0] in TAGS, told


def test_groups_are_in_one_order(document: Document) -> None:
    shown = [tag["name"] for tag in document["tags"]]
    assert shown == [tag for tag in TAGS if tag in shown]
    assert all(tag["description"] for tag in document["tags"])


def test_every_route_says_who_may(document: Document, routes: list[Route]) -> None:
    for route in routes:
        operation = operation_of(document, route)
        wanted = [
            {scheme: [scope.value]}
            for scope in route.access.value
            for scheme in document["components"]["securitySchemes"]
        ]
        assert operation["security"] == wanted, route
        assert ("401" in operation["responses"] or route.path in DOCUMENTS_OF_OTHERS) >= bool(wanted), route


def test_every_answer_says_what_it_is(document: Document) -> None:
    assert [
        (name, status)
        for name, operation in operations(document)
        for status, response in operation["responses"].items()
        if response["description"] in FILLERS
    ] == []


def test_the_headers_of_conditional_answers_and_of_parts(document: Document, routes: list[Route]) -> None:
    for route in routes:
        operation = operation_of(document, route)
        headers = {status: set(one.get("headers", ())) for status, one in operation["responses"].items()}
        sent = {one["name"] for one in operation["parameters"] if one["in"] == "header"}
        good = headers[str(int(route.status))] - {"Link"}
        found = (good, headers.get("304"), headers.get("206"), headers.get("416"), sent)
        match route.conditional, route.by_parts:
            case False, False:
                assert found == (set(), None, None, None, set()), route
            case True, False:
                assert found == (STATE, STATE, None, None, {"If-None-Match"}), route
            case True, True:
                asked = {"If-None-Match", "If-Modified-Since", "Range", "If-Range"}
                assert found == (WHOLE, DATED, PART, {"Content-Range"}, asked), route
            case _:
                pytest.fail(f"parts of what may have changed: {route}")


def test_the_tag_of_a_file_is_a_strong_one(document: Document, routes: list[Route]) -> None:
    for route in (one for one in routes if one.conditional):
        operation = operation_of(document, route)
        (asked,) = (one["example"] for one in operation["parameters"] if one["name"] == "If-None-Match")
        shown = {
            one["headers"]["ETag"]["example"]
            for one in operation["responses"].values()
            if "ETag" in one.get("headers", ())
        }
        assert shown == {asked} and asked.startswith("W/") is (route.content is None), route


def test_every_parameter_is_described_and_has_an_example(document: Document) -> None:
    lacking = [
        (name, parameter["name"], lack)
        for name, operation in operations(document)
        for parameter in operation["parameters"]
        for lack in ("description", "example")
        if lack not in parameter
    ]
    assert lacking == []


def bodies(document: Document) -> Iterator[tuple[str, Document]]:
    """Each content of a request or a good answer that people can read, and whose it is."""
    for name, content in contents(document):
        if content["schema"].get("format") != "binary":
            yield name, content


def contents(document: Document) -> Iterator[tuple[str, Document]]:
    for name, operation in operations(document):
        for kind, content in operation.get("requestBody", {}).get("content", {}).items():
            yield f"{name} takes {kind}", content
        for status, response in operation["responses"].items():
            if status.startswith("2"):
                for kind, content in response.get("content", {}).items():
                    yield f"{name} {status} {kind}", content


def test_every_body_has_an_example(document: Document) -> None:
    assert [
        (name, why_missing(content["schema"], document))
        for name, content in bodies(document)
        if not content.keys() & {"example", "examples"}
    ] == []


def why_missing(schema: Document, document: Document) -> str:
    try:
        examples_of(schema, document["components"]["schemas"])
    except ExampleMissing as missing:
        return str(missing)
    return "nothing is missing"


def test_every_example_is_valid(document: Document) -> None:
    for name, content in bodies(document):
        values = [one["value"] for one in content.get("examples", {}).values()] or [content["example"]]
        for value in values:
            assert faults(value, content["schema"], document) == [], name
    for name, operation in operations(document):
        for parameter in operation["parameters"]:
            assert faults(parameter["example"], parameter["schema"], document) == [], (name, parameter["name"])
    for schema_name, schema in document["components"]["schemas"].items():
        for value in schema.get("examples", ()):
            assert faults(value, schema, document) == [], schema_name
        for field, part in schema.get("properties", {}).items():
            for value in part.get("examples", ()):
                assert faults(value, part, document) == [], (schema_name, field)


def faults(value: Any, schema: Document, document: Document) -> list[str]:
    whole = {**schema, "components": document["components"]}
    validator = Draft202012Validator(whole, format_checker=FormatChecker(["date-time"]))
    return [f"{error.json_path}: {error.message}" for error in validator.iter_errors(value)]


def test_every_refusal_is_a_problem_with_an_example(document: Document, routes: list[Route]) -> None:
    problems = document["components"]["examples"]
    for route in routes:
        responses = operation_of(document, route)["responses"]
        for status, response in responses.items():
            if status.startswith(("2", "3")) or (route.path in DOCUMENTS_OF_OTHERS and status in ("400", "401")):
                continue
            (example,) = response["content"][PROBLEM]["examples"]
            if status != "default":
                assert problems[example]["value"]["status"] == HTTPStatus(int(status)), (route.path, status)
        assert {"422", "429", "default"} <= responses.keys(), route


def test_the_examples_of_problems_are_problems(document: Document) -> None:
    for name, example in document["components"]["examples"].items():
        assert faults(example["value"], {"$ref": "#/components/schemas/Problem"}, document) == [], name


def test_a_field_without_an_example_is_found() -> None:
    """That the checks above can fail."""
    text = {"type": "string"}
    with pytest.raises(ExampleMissing, match="name"):
        examples_of({"type": "object", "properties": {"name": text}}, {})
    assert examples_of({"type": "object", "properties": {"name": {"anyOf": [text, {"type": "null"}]}}}, {}) == [
        {"name": None}
    ]
