"""The border at which a crash of a request ends: logged with its traceback, answered with a 500 that tells nothing.

It stands inside the door, unlike the framework's own, whose answer would lack their headers.
"""

from __future__ import annotations

import json
import logging

from starlette.requests import ClientDisconnect
from starlette.types import ASGIApp, Message, Receive, Scope, Send
from starlette.websockets import WebSocketDisconnect

from backend.src.web.access import POLICY_VIOLATION
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
            await send(message)
            started = True  # after: what the door refuses to send has not left

        try:
            await self._app(scope, receive, watch)
        except ClientDisconnect:
            if not started:  # an answer says itself why it was given up
                log.info("%s %s: the client left before its body had come", scope["method"], scope["path"])
        except Exception:
            log.exception("%s %s crashed (request %s)", scope["method"], scope["path"], request_id_of(scope))
            if started:  # the status has left; only cutting the connection tells the client
                raise
            await _crash(scope)(scope, receive, send)

    async def _guard_socket(self, scope: Scope, receive: Receive, send: Send) -> None:
        opened = closed = False

        async def watch(message: Message) -> None:
            nonlocal opened, closed
            if message["type"] == "websocket.close" and not opened:
                closed = True
                await _refuse(send)
                return
            opened = opened or message["type"] == "websocket.accept"
            closed = closed or message["type"] == "websocket.close"
            await send(message)

        try:
            await self._app(scope, receive, watch)
        except WebSocketDisconnect:
            log.info("WebSocket %s: the client left in the middle of a message", scope["path"])
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


async def _refuse(send: Send) -> None:
    """Only unknown paths close so early; opening first lets browsers see the reason, which hide a refused handshake."""
    await send({"type": "websocket.accept", "headers": []})
    await send({"type": "websocket.send", "text": json.dumps({"type": "error", "message": UNKNOWN_SOCKET})})
    await send({"type": "websocket.close", "code": POLICY_VIOLATION, "reason": UNKNOWN_SOCKET})
