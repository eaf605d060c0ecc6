"""X-Request-ID: taken from the client when it is harmless, made up otherwise, on every answer."""

from __future__ import annotations

import re
import secrets

from starlette.types import ASGIApp, Message, Receive, Scope, Send

HEADER = b"x-request-id"
SCOPE_KEY = "larder.request_id"
# what is echoed lands in logs and headers: no spaces, no control characters, no end of line
_harmless = re.compile(rb"[A-Za-z0-9._:+/=-]{1,128}")

ANSWERS = frozenset({"http.response.start", "websocket.accept"})


def request_id_of(scope: Scope) -> str:
    """The id of this request; "-" outside the middleware."""
    return str(scope.get(SCOPE_KEY, "-"))


class RequestIds:
    """Pure ASGI middleware."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            await self._app(scope, receive, send)
            return
        request_id = _given(scope) or secrets.token_hex(8)
        scope[SCOPE_KEY] = request_id
        header = (HEADER, request_id.encode("ascii"))

        async def send_with_id(message: Message) -> None:
            if message["type"] in ANSWERS:
                message["headers"] = [*message.get("headers", ()), header]
            await send(message)

        await self._app(scope, receive, send_with_id)


def _given(scope: Scope) -> str | None:
    for name, value in scope["headers"]:
        if name == HEADER:
            return value.decode("ascii") if _harmless.fullmatch(value) else None
    return None
