"""X-Request-ID: taken from the client when it is harmless, made up otherwise, on every answer."""

from __future__ import annotations

import re
import secrets

from starlette.types import Scope

HEADER = b"x-request-id"
SCOPE_KEY = "larder.request_id"
# what is echoed lands in logs and headers: no spaces, no control characters, no end of line
_harmless = re.compile(rb"[A-Za-z0-9._:+/=-]{1,128}")


def request_id_of(scope: Scope) -> str:
    """The id of this request; "-" before the door has given it one."""
    return str(scope.get(SCOPE_KEY, "-"))


def new_request_id() -> str:
    """An id that the client did not choose."""
    return secrets.token_hex(8)


def harmless_request_id(value: bytes) -> str | None:
    """The id that a client sent, None when it may not be echoed."""
    return value.decode("ascii") if _harmless.fullmatch(value) else None
