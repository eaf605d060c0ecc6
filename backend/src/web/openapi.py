"""What /openapi.json says beyond what FastAPI finds out by itself: access, problems, media types, examples."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from fastapi import FastAPI
from fastapi.openapi.utils import get_openapi

from backend.src.core.errors import Forbidden, Invalid, LarderError, NotFound, TooLarge, TooMany, Unauthenticated
from backend.src.services.accounts.principal import Scope
from backend.src.web.access import Access
from backend.src.web.examples import add_examples, operations
from backend.src.web.http_codes import HttpCodes
from backend.src.web.large_json import dumps
from backend.src.web.openapi_headers import LINK, part_headers, request_headers, state_headers, whole_headers
from backend.src.web.openapi_problems import components, no_such_part, other_problems, problem_response
from backend.src.web.openapi_tags import TAGS
from backend.src.web.problems import shape_of
from backend.src.web.routes import Route

WITH_BODY = frozenset({"POST", "PUT", "PATCH"})

TOKEN_URL = "/oauth/token"
SCOPES = {
    Scope.READ.value: "Everything that only looks: PVs, snapshots, live values",
    Scope.WRITE.value: "Change the catalogue, take and delete snapshots",
    Scope.RESTORE.value: "Write to the machine",
    Scope.MANAGE.value: "API keys, retention",
    Scope.ADMIN.value: "People, audit trail, crons, circuits, the server itself",
}
SECURITY_SCHEMES: dict[str, Any] = {
    "ApiKey": {
        "type": "apiKey",
        "in": "header",
        "name": "X-API-Key",
        "description": "A program's key, made with `python -m backend.src key create` or POST /v1/api-keys.",
    },
    "Bearer": {"type": "http", "scheme": "bearer", "bearerFormat": "JWT", "description": "A person's token."},
    "OAuth2": {
        "type": "oauth2",
        "description": "A person logs in: with e-mail address and password, or on a page of this server.",
        "flows": {
            "password": {"tokenUrl": TOKEN_URL, "refreshUrl": TOKEN_URL, "scopes": SCOPES},
            "authorizationCode": {
                "authorizationUrl": "/oauth/authorize",
                "tokenUrl": TOKEN_URL,
                "refreshUrl": TOKEN_URL,
                "scopes": SCOPES,
            },
        },
    },
}

SERVERS = [{"url": "/", "description": "This server"}]
PAGED_BY = "continuationToken"
UNDESCRIBED = "Successful Response"
ENCODED = "openapi_json"


def problem_responses(route: Route) -> dict[int | str, dict[str, Any]]:
    """status -> response for every problem that this route may answer with, and a default for the rest."""
    responses: dict[int | str, dict[str, Any]] = {}
    for kind in (*_implied(route), *route.errors):
        responses[int(shape_of(kind).status)] = problem_response(kind)
    responses |= {status: dict(response) for status, response in route.responses.items()}
    content = {} if route.content is None else {"content": _contents(route.content)}
    responses[int(route.status)] = content | {"headers": whole_headers(route)}
    if route.conditional:
        responses[int(HttpCodes.NOT_MODIFIED)] = {"description": "You have it already", "headers": state_headers(route)}
    if route.by_parts:
        part = {"description": "The part that was asked for", "headers": part_headers(route)}
        responses |= {int(HttpCodes.PARTIAL_CONTENT): part | content}
        responses |= {int(HttpCodes.RANGE_NOT_SATISFIABLE): no_such_part()}
    responses["default"] = other_problems()
    return responses


def operation_extras(route: Route) -> dict[str, Any]:
    """The security requirement; OpenAPI 3.1 lets a scheme list the roles (here: the scope) that it asks for."""
    security = [{scheme: [scope.value]} for scope in route.access.value for scheme in SECURITY_SCHEMES]
    extras: dict[str, Any] = {"x-access": route.access.name, "security": security}
    extras["parameters"] = request_headers(route)
    if route.request_content is not None:
        extras["requestBody"] = {"required": True, "content": _contents(route.request_content)}
    return extras


def document(app: FastAPI) -> dict[str, Any]:
    """The whole OpenAPI document, made once."""
    if app.openapi_schema is None:
        found = get_openapi(
            title=app.title, version=app.version, description=app.description, routes=app.routes, servers=SERVERS
        )
        parts = found.setdefault("components", {})
        parts["securitySchemes"] = SECURITY_SCHEMES
        for name, more in components().items():
            parts.setdefault(name, {}).update(more)
        for _, operation in operations(found):
            _complete(operation, parts["schemas"])
        add_examples(found)
        used = {tag for _, operation in operations(found) for tag in operation.get("tags", ())}
        found["tags"] = [{"name": tag, "description": text} for tag, text in TAGS.items() if tag in used]
        app.openapi_schema = found
    return app.openapi_schema


def encoded(app: FastAPI) -> bytes:
    """The document as JSON, made once."""
    content: bytes | None = getattr(app.state, ENCODED, None)
    if content is None:
        content = dumps(document(app))
        setattr(app.state, ENCODED, content)
    return content


def _complete(operation: dict[str, Any], schemas: Mapping[str, Any]) -> None:
    """The link to the next page, and what its good answer is."""
    good = next(one for status, one in operation["responses"].items() if status.startswith(("2", "3")))
    schema: dict[str, Any] = next((one.get("schema", {}) for one in good.get("content", {}).values()), {})
    if schema.get("type") == "array" and any(one["name"] == PAGED_BY for one in operation["parameters"]):
        good["headers"]["Link"] = LINK
    for content in operation.get("requestBody", {}).get("content", {}).values():
        content["schema"].pop("default", None)  # generators take no object for one
    if good["description"] == UNDESCRIBED:
        good["description"] = _said(schema, schemas) or operation["summary"]


def _said(schema: Mapping[str, Any], schemas: Mapping[str, Any]) -> str:
    """What an answer of this schema is, in the words of its models; nothing where it has none."""
    match schema:
        case {"$ref": str(reference)}:
            return str(schemas[reference.rpartition("/")[2]].get("description", "")).partition("\n\n")[0]
        case {"anyOf": choices}:
            return " Or: ".join(_said(choice, schemas) for choice in choices)
        case {"type": "array", "items": item} if said := _said(item, schemas):
            return f"A list. Each: {said}"
        case {"type": "object", "additionalProperties": value} if said := _said(value, schemas):
            return f"By name. Each: {said}"
        case {"type": "boolean"}:
            return "true: it is done."
    return ""


def _contents(schemas: Mapping[str, Mapping[str, Any]]) -> dict[str, dict[str, Any]]:
    return {media_type: {"schema": dict(schema)} for media_type, schema in schemas.items()}


def _implied(route: Route) -> tuple[type[LarderError], ...]:
    implied: list[type[LarderError]] = [Invalid, TooMany]
    if route.access is not Access.OPEN:
        implied += [Unauthenticated, Forbidden]
    if "{" in route.path:
        implied.append(NotFound)
    if route.method in WITH_BODY:
        implied.append(TooLarge)
    return tuple(implied)
