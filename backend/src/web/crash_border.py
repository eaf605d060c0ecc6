"""The border at which a crash of a request ends: logged with its traceback, answered with a 500 that tells nothing.

It stands inside RequestIds and ServerHeaders, unlike the framework's own, whose answer would lack their headers.
"""

from __future__ import annotations

import logging

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from backend.src.web.boilerplates import Boilerplates
from backend.src.web.http_codes import HttpCodes
from backend.src.web.request_id import request_id_of

log = logging.getLogger(__name__)

INTERNAL_ERROR = 1011  # RFC 6455 close code
UNKNOWN_SOCKET = "no such WebSocket"


class CrashBorder:
    """Pure ASGI middleware for HTTP and WebSocket."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http":
            await self._guard_http(scope, receive, send)
        elif scope["type"] == "websocket":
            await self._guard_socket(scope, receive, send)
        else:
            await self._app(scope, receive, send)

    async def _guard_http(self, scope: Scope, receive: Receive, send: Send) -> None:
        started = False

        async def watch(message: Message) -> None:
            nonlocal started
            started = True
            await send(message)

        try:
            await self._app(scope, receive, watch)
        except Exception:
            log.exception("%s %s crashed (request %s)", scope["method"], scope["path"], request_id_of(scope))
            if started:  # the status has left; only cutting the connection tells the client
                raise
            await _crash(scope)(scope, receive, send)

    async def _guard_socket(self, scope: Scope, receive: Receive, send: Send) -> None:
        opened = closed = False

        async def watch(message: Message) -> None:
            nonlocal opened, closed
            if message["type"] == "websocket.close" and not opened and _may_answer(scope):
                closed = True
                await _refuse(scope, send)
                return
            opened = opened or message["type"] == "websocket.accept"
            closed = closed or message["type"] == "websocket.close"
            await send(message)

        try:
            await self._app(scope, receive, watch)
        except Exception:
            log.exception("WebSocket %s crashed (request %s)", scope["path"], request_id_of(scope))
            if not closed:
                await send({"type": "websocket.close", "code": INTERNAL_ERROR, "reason": "internal error"})


def _crash(scope: Scope) -> ASGIApp:
    return Boilerplates.problem(
        HttpCodes.INTERNAL_SERVER_ERROR,
        title="Internal error",
        detail="the request failed inside the server; its log has the reason under this request id",
        instance=scope["path"],
        request_id=request_id_of(scope),
    )


def _may_answer(scope: Scope) -> bool:
    return "websocket.http.response" in scope.get("extensions", {})


async def _refuse(scope: Scope, send: Send) -> None:
    """A bare close before accept is a 403 without headers or reason; only unknown paths close so early here."""
    answer = Boilerplates.problem(
        HttpCodes.NOT_FOUND,
        title="Not found",
        detail=UNKNOWN_SOCKET,
        instance=scope["path"],
        request_id=request_id_of(scope),
    )
    await send({"type": "websocket.http.response.start", "status": answer.status_code, "headers": answer.raw_headers})
    await send({"type": "websocket.http.response.body", "body": answer.body})
