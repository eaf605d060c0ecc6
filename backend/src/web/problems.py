"""How errors leave: every one as an RFC 9457 problem document.

One table gives each class of the error tree its status; a subclass takes its nearest ancestor's.
"""

from __future__ import annotations

import logging
import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from fastapi import FastAPI
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from backend.src.core import errors as tree
from backend.src.web.boilerplates import Boilerplates
from backend.src.web.http_codes import HttpCodes
from backend.src.web.request_id import request_id_of

log = logging.getLogger(__name__)

CHALLENGE = 'Bearer realm="larder", ApiKey realm="larder"'
INSUFFICIENT = 'Bearer realm="larder", error="insufficient_scope", ApiKey realm="larder"'
LONGEST_DETAIL = 2_000
MOST_ERRORS = 1_000


@dataclass(frozen=True, slots=True)
class Shape:
    """What a class of errors looks like from outside."""

    status: HttpCodes
    title: str
    headers: Mapping[str, str] | None = None


SHAPES: dict[type[tree.LarderError], Shape] = {
    tree.Invalid: Shape(HttpCodes.UNPROCESSABLE_CONTENT, "Invalid request"),
    tree.Unauthenticated: Shape(HttpCodes.UNAUTHORIZED, "Not authenticated", {"WWW-Authenticate": CHALLENGE}),
    tree.Forbidden: Shape(HttpCodes.FORBIDDEN, "Not allowed", {"WWW-Authenticate": INSUFFICIENT}),
    tree.NotFound: Shape(HttpCodes.NOT_FOUND, "Not found"),
    tree.Conflict: Shape(HttpCodes.CONFLICT, "Conflict"),
    tree.Busy: Shape(HttpCodes.CONFLICT, "Busy"),
    tree.TooLarge: Shape(HttpCodes.CONTENT_TOO_LARGE, "Too large"),
    tree.TooMany: Shape(HttpCodes.TOO_MANY_REQUESTS, "Too many", {"Retry-After": "1"}),
    tree.TimedOut: Shape(HttpCodes.GATEWAY_TIMEOUT, "Timed out"),
    tree.Unavailable: Shape(HttpCodes.SERVICE_UNAVAILABLE, "Unavailable", {"Retry-After": "1"}),
    tree.StartFailed: Shape(HttpCodes.SERVICE_UNAVAILABLE, "Unavailable"),
    tree.LarderError: Shape(HttpCodes.INTERNAL_SERVER_ERROR, "Internal error"),
}


def shape_of(kind: type[tree.LarderError]) -> Shape:
    """The shape of the nearest ancestor in the table."""
    return next(SHAPES[ancestor] for ancestor in kind.__mro__ if ancestor in SHAPES)


def render_error(request: Request, error: tree.LarderError) -> Response:
    """Any LarderError."""
    shape = shape_of(type(error))
    if shape.status >= HttpCodes.INTERNAL_SERVER_ERROR:
        told = (request.method, request.scope["path"], error.message, request_id_of(request.scope))
        log.warning("%s %s: %s (request %s)", *told)
    found: tuple[tree.FieldError, ...] = getattr(error, "errors", ())  # Invalid, and conflicts that name many things
    return Boilerplates.problem(
        shape.status,
        title=shape.title,
        detail=error.message[:LONGEST_DETAIL],
        remedy=error.remedy,
        instance=request.scope["path"],
        request_id=request_id_of(request.scope),
        errors=[{"where": list(one.where), "message": one.message} for one in found[:MOST_ERRORS]],
        headers=headers_of(error),
    )


def headers_of(error: tree.LarderError) -> Mapping[str, str] | None:
    """Those of its class, and when it is worth trying again."""
    shape = shape_of(type(error))
    wait_s: float | None = getattr(error, "retry_after_s", None)
    return shape.headers if wait_s is None else {**(shape.headers or {}), "Retry-After": str(max(1, math.ceil(wait_s)))}


def render_validation(request: Request, error: RequestValidationError) -> Response:
    """What pydantic refused. The input itself is not sent back: it may be huge, or a secret."""
    found = error.errors()
    return Boilerplates.problem(
        HttpCodes.UNPROCESSABLE_CONTENT,
        title="Invalid request",
        detail=f"{len(found)} part{'s' if len(found) != 1 else ''} of the request cannot be accepted",
        instance=request.scope["path"],
        request_id=request_id_of(request.scope),
        errors=[_plain(one) for one in found[:MOST_ERRORS]],
    )


def render_http(request: Request, error: HTTPException) -> Response:
    """What the framework itself refuses: unknown routes and methods, unreadable bodies."""
    status = HttpCodes(error.status_code)
    return Boilerplates.problem(
        status,
        title=status.phrase,
        detail=str(error.detail),
        instance=request.scope["path"],
        request_id=request_id_of(request.scope),
        headers=_allowed(request) if status is HttpCodes.METHOD_NOT_ALLOWED else error.headers,
    )


def install(app: FastAPI) -> None:
    """Makes every error on the way out of `app` a problem document (crashes: web/crash_border.py)."""
    app.add_exception_handler(tree.LarderError, _larder)
    app.add_exception_handler(RequestValidationError, _validation)
    app.add_exception_handler(HTTPException, _http)


async def _larder(request: Request, error: Exception) -> Response:
    assert isinstance(error, tree.LarderError)
    return render_error(request, error)


async def _validation(request: Request, error: Exception) -> Response:
    assert isinstance(error, RequestValidationError)
    return render_validation(request, error)


async def _http(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    return render_http(request, error)


def _allowed(request: Request) -> dict[str, str]:
    """Every method of this path (RFC 9110, 15.5.6); the framework names those of one route."""
    path = request.scope["path"]
    fitting = [route for route in request.app.routes if isinstance(route, Route) and route.path_regex.match(path)]
    methods = {method for route in fitting for method in route.methods or ()}
    if "GET" in methods:
        methods.add("HEAD")  # web/door.py answers it
    return {"Allow": ", ".join(sorted(methods))}


def _plain(error: Mapping[str, Any]) -> dict[str, Any]:
    where = [part if isinstance(part, int) else str(part)[:200] for part in error["loc"]]
    return {"where": where, "message": error["msg"][:500]}


PROBLEM_SCHEMA: dict[str, Any] = {
    "title": "Problem",
    "description": "A problem document (RFC 9457).",
    "type": "object",
    "required": ["type", "title", "status", "detail", "instance", "requestId"],
    "properties": {
        "type": {"type": "string"},
        "title": {"type": "string"},
        "status": {"type": "integer"},
        "detail": {"type": "string", "description": "What is wrong."},
        "remedy": {"type": "string", "description": "What to do about it."},
        "instance": {"type": "string", "description": "The path that was asked for."},
        "requestId": {"type": "string", "description": "The X-Request-ID of this answer; the log has it too."},
        "errors": {
            "type": "array",
            "description": "What is wrong with each part of the request.",
            "items": {
                "type": "object",
                "required": ["where", "message"],
                "properties": {
                    "where": {"type": "array", "items": {"anyOf": [{"type": "string"}, {"type": "integer"}]}},
                    "message": {"type": "string"},
                },
            },
        },
    },
}
