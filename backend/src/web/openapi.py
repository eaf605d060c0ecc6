"""What /openapi.json says beyond what FastAPI finds out by itself: access, problems, media types."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from fastapi import FastAPI
from fastapi.openapi.utils import get_openapi

from backend.src.core.errors import Forbidden, Invalid, LarderError, NotFound, TooLarge, TooMany, Unauthenticated
from backend.src.services.accounts.principal import Scope
from backend.src.web.access import Access
from backend.src.web.boilerplates import PROBLEM
from backend.src.web.problems import PROBLEM_SCHEMA, shape_of
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

_problem: dict[str, Any] = {PROBLEM: {"schema": {"$ref": "#/components/schemas/Problem"}}}


def problem_responses(route: Route) -> dict[int | str, dict[str, Any]]:
    """status -> response for every problem that this route may answer with, and a default for the rest."""
    responses: dict[int | str, dict[str, Any]] = {}
    for kind in (*_implied(route), *route.errors):
        shape = shape_of(kind)
        responses[int(shape.status)] = {"description": shape.title, "content": _problem}
    responses |= {status: dict(response) for status, response in route.responses.items()}
    if route.content is not None:
        responses[int(route.status)] = {"description": "The content", "content": _contents(route.content)}
    responses["default"] = {"description": "Any other problem", "content": _problem}
    return responses


def operation_extras(route: Route) -> dict[str, Any]:
    """The security requirement; OpenAPI 3.1 lets a scheme list the roles (here: the scope) that it asks for."""
    security = [{scheme: [scope.value]} for scope in route.access.value for scheme in SECURITY_SCHEMES]
    extras: dict[str, Any] = {"x-access": route.access.name, "security": security}
    if route.request_content is not None:
        extras["requestBody"] = {"required": True, "content": _contents(route.request_content)}
    return extras


def document(app: FastAPI) -> dict[str, Any]:
    """The whole OpenAPI document, made once."""
    if app.openapi_schema is None:
        found = get_openapi(title=app.title, version=app.version, description=app.description, routes=app.routes)
        components = found.setdefault("components", {})
        components["securitySchemes"] = SECURITY_SCHEMES
        components.setdefault("schemas", {})["Problem"] = PROBLEM_SCHEMA
        app.openapi_schema = found
    return app.openapi_schema


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
