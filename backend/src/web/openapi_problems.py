"""The problem documents that a route may answer with, as /openapi.json has them: one example for each kind."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from backend.src.core import errors
from backend.src.web import openapi_headers
from backend.src.web.boilerplates import PROBLEM
from backend.src.web.http_codes import HttpCodes
from backend.src.web.problems import PROBLEM_SCHEMA, shape_of

ANY, NO_SUCH_PART = "Any", "NoSuchPart"
REQUEST_ID = "0d2b7f6c1e9a4835"
_PATH = "/v1/snapshots/9f2c4e1a7b3d5f60"

# class of the error tree -> what is said of it, and what would help
_SAID: dict[type[errors.LarderError], Mapping[str, Any]] = {
    errors.Invalid: {
        "detail": "1 part of the request cannot be accepted",
        "errors": [{"where": ["query", "limit"], "message": "Input should be greater than or equal to 0"}],
    },
    errors.Unauthenticated: {
        "detail": "this needs an API key or a token",
        "remedy": "send X-API-Key or Authorization: Bearer",
    },
    errors.Forbidden: {"detail": "control-room-display has no write access"},
    errors.NotFound: {"detail": "snapshot 9f2c4e1a7b3d5f60 not found"},
    errors.Conflict: {
        "detail": "snapshot 9f2c4e1a7b3d5f60 is golden",
        "remedy": "take the golden mark off first",
    },
    errors.Busy: {"detail": "another restore is under way"},
    errors.TooLarge: {"detail": "the body is larger than 16777216 bytes"},
    errors.TooMany: {"detail": "too many requests", "remedy": "wait, as Retry-After says"},
    errors.TimedOut: {"detail": "QUAD:LI21:201:BDES did not confirm the put in 10 s"},
    errors.Unavailable: {"detail": "the bucket does not answer"},
}
_HEADERS: dict[HttpCodes, dict[str, Any]] = {
    HttpCodes.UNAUTHORIZED: {"WWW-Authenticate": {"$ref": "#/components/headers/WWW-Authenticate"}},
    HttpCodes.FORBIDDEN: {"WWW-Authenticate": {"$ref": "#/components/headers/WWW-Authenticate"}},
    HttpCodes.TOO_MANY_REQUESTS: {"Retry-After": {"$ref": "#/components/headers/Retry-After"}},
    HttpCodes.SERVICE_UNAVAILABLE: {"Retry-After": {"$ref": "#/components/headers/Retry-After"}},
}
HEADERS: dict[str, Any] = {
    "WWW-Authenticate": {
        "description": "Which credentials would do.",
        "schema": {"type": "string"},
        "example": 'Bearer realm="larder", ApiKey realm="larder"',
    },
    "Retry-After": {"description": "Seconds after which to try again.", "schema": {"type": "integer"}, "example": 1},
}


def problem_response(kind: type[errors.LarderError]) -> dict[str, Any]:
    """What a route that may raise errors of this class answers then."""
    shape, name = shape_of(kind), _told(kind).__name__
    response = {"description": shape.title, "content": _content(name)}
    return response | ({"headers": _HEADERS[shape.status]} if shape.status in _HEADERS else {})


def other_problems() -> dict[str, Any]:
    """What any route may answer besides."""
    return {"description": "Any other problem", "content": _content(ANY)}


def no_such_part() -> dict[str, Any]:
    """What is answered to a Range beyond the end."""
    phrase = HttpCodes.RANGE_NOT_SATISFIABLE.phrase
    return {"description": phrase, "content": _content(NO_SUCH_PART), "headers": openapi_headers.NO_SUCH_PART}


def components() -> dict[str, Any]:
    """What the responses refer to."""
    examples = {kind.__name__: {"summary": shape_of(kind).title, "value": _example(kind)} for kind in _SAID}
    code = HttpCodes.RANGE_NOT_SATISFIABLE
    beyond = _document(code, code.phrase, {"detail": "it has 721408 bytes"})
    examples[NO_SUCH_PART] = {"summary": code.phrase, "value": beyond}
    crash = {"detail": "the request failed inside the server; its log has the reason under this request id"}
    failed = HttpCodes.INTERNAL_SERVER_ERROR
    examples[ANY] = {"summary": "Internal error", "value": _document(failed, "Internal error", crash)}
    return {"schemas": {"Problem": PROBLEM_SCHEMA}, "examples": examples, "headers": HEADERS}


def _content(example: str) -> dict[str, Any]:
    reference = {"$ref": f"#/components/examples/{example}"}
    return {PROBLEM: {"schema": {"$ref": "#/components/schemas/Problem"}, "examples": {example: reference}}}


def _told(kind: type[errors.LarderError]) -> type[errors.LarderError]:
    """The nearest ancestor with an example."""
    return next(ancestor for ancestor in kind.__mro__ if ancestor in _SAID)


def _example(kind: type[errors.LarderError]) -> dict[str, Any]:
    shape = shape_of(kind)
    return _document(shape.status, shape.title, _SAID[kind])


def _document(status: HttpCodes, title: str, said: Mapping[str, Any]) -> dict[str, Any]:
    document = {"type": "about:blank", "title": title, "status": int(status)}
    return {**document, "instance": _PATH, "requestId": REQUEST_ID, **said}
