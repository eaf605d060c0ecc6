"""Headers in /openapi.json that follow from what a route is declared as: pages, conditional requests, parts."""

from __future__ import annotations

from typing import Any

from backend.src.web.byte_ranges import ACCEPTED
from backend.src.web.routes import Route

Header = dict[str, Any]

WEAK = 'W/"5d41402abc4b2a76b9719d911017c592"'
STRONG = '"2cf24dba5fb0a30e26e83b2ac5b9e29e1b161e5c1fa7425e73043362938b9824"'
DATE = "Mon, 02 Mar 2026 08:30:00 GMT"


def _header(description: str, example: str) -> Header:
    return {"description": description, "schema": {"type": "string"}, "example": example}


LINK = _header(
    'The next page: `<address>; rel="next"` (RFC 8288). None on the last page.',
    '</v1/snapshots?continuationToken=WyJzbmFw>; rel="next"',
)
NO_SUCH_PART = {"Content-Range": _header("How many bytes there are.", "bytes */721408")}
_ACCEPT_RANGES = _header("That parts may be asked for.", ACCEPTED["Accept-Ranges"])
_CONTENT_RANGE = _header("Which bytes these are, and of how many.", "bytes 0-1023/721408")
_LAST_MODIFIED = _header("When it was made; it never changes.", DATE)


def state_headers(route: Route) -> dict[str, Header]:
    """What tells one state from another: of an answer, and of the 304 in its place."""
    if not route.conditional:
        return {}
    said = "Of this state of the resource; send it as If-None-Match the next time."
    headers = {"ETag": _header(said, _tag(route))}
    return headers | ({"Last-Modified": _LAST_MODIFIED} if route.by_parts else {})


def whole_headers(route: Route) -> dict[str, Header]:
    """Of its good answer."""
    return state_headers(route) | ({"Accept-Ranges": _ACCEPT_RANGES} if route.by_parts else {})


def part_headers(route: Route) -> dict[str, Header]:
    """Of a part of it."""
    return whole_headers(route) | {"Content-Range": _CONTENT_RANGE}


def request_headers(route: Route) -> list[Header]:
    """The parameters by which a client says what it has, and which part it wants."""
    if not route.conditional:
        return []
    tag = _tag(route)
    found = [_parameter("If-None-Match", "The ETag of what you have: 304 while it is still so.", tag)]
    if route.by_parts:
        found += [
            _parameter("If-Modified-Since", "The Last-Modified of what you have; If-None-Match counts first.", DATE),
            _parameter("Range", "One part of it, in bytes; several at once get the whole.", "bytes=0-1023"),
            _parameter("If-Range", "ETag or Last-Modified of what you have parts of; the whole if it is another.", tag),
        ]
    return found


def _tag(route: Route) -> str:
    """Files have strong tags; what may be compressed on its way has weak ones."""
    return WEAK if route.content is None else STRONG


def _parameter(name: str, description: str, example: str) -> Header:
    schema = {"type": "string", "pattern": r"^[\x20-\x7e]*$", "maxLength": 1_000}
    where = {"name": name, "in": "header", "required": False}
    return {**where, "description": description, "schema": schema, "example": example}
