"""What every request passes first and every answer last: its id, its limits, its host, its headers.

One middleware, because each one more costs a call and a closure for every message.
"""

from __future__ import annotations

from time import perf_counter

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from backend.src.core.errors import LarderError, TooMany
from backend.src.core.log_context import REQUEST
from backend.src.web.access import ATTEMPT_KEY, POLICY_VIOLATION
from backend.src.web.client_address import client_address
from backend.src.web.http_codes import HttpCodes
from backend.src.web.http_figures import HttpFigures, note_status
from backend.src.web.problems import render_error, render_http
from backend.src.web.rate_limits import RateLimits, budget_headers
from backend.src.web.request_id import HEADER as REQUEST_ID
from backend.src.web.request_id import SCOPE_KEY as REQUEST_ID_KEY
from backend.src.web.request_id import harmless_request_id, new_request_id
from backend.src.web.server_header import ServerHeaders
from backend.src.web.trusted_hosts import TrustedHosts

ANSWERS = frozenset({"http.response.start", "websocket.accept", "websocket.http.response.start"})
TLS = frozenset({"https", "wss"})


HEAD_KEY = "larder.head"  # in the scope of a request that wants no content


class Door:
    """Pure ASGI middleware, outside everything but what trusted proxies say."""

    def __init__(
        self, app: ASGIApp, *, headers: ServerHeaders, hosts: TrustedHosts, limits: RateLimits, figures: HttpFigures
    ) -> None:
        self._app = app
        self._headers = headers
        self._hosts = hosts
        self._limits = limits
        self._figures = figures

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            await self._app(scope, receive, send)
            return
        asked_for_head = scope.get("method") == "HEAD"
        if asked_for_head:  # RFC 9110, 9.3.2: as GET, without the content; a copy, for the server looks at its own
            whole = [header for header in scope["headers"] if header[0] != b"range"]  # 14.2: parts are of GET alone
            scope = {**scope, "method": "GET", "headers": whole, HEAD_KEY: True}
        request_id, hosts = _look_at(scope)
        scope[REQUEST_ID_KEY] = request_id
        encoded_id = request_id.encode("ascii")
        tls = scope["scheme"] in TLS

        async def answer(message: Message) -> None:
            kind = message["type"]
            if kind in ANSWERS:
                note_status(scope, message)
                unchanged = message.get("status") == HttpCodes.NOT_MODIFIED
                headers = self._headers.complete(message.get("headers", ()), tls=tls, unchanged=unchanged)
                headers.append((REQUEST_ID, encoded_id))
                headers += budget_headers(scope)
                message["headers"] = headers
            elif asked_for_head and kind == "http.response.body":
                message = {**message, "body": b""}
            await send(message)

        self._figures.begin()
        began, token = perf_counter(), REQUEST.set(request_id)
        try:
            await self._admit(scope, receive, answer, hosts)
        finally:
            self._figures.end(scope, perf_counter() - began)
            REQUEST.reset(token)

    async def _admit(self, scope: Scope, receive: Receive, answer: Send, hosts: list[bytes]) -> None:
        address = client_address(scope)
        try:
            self._limits.refuse_blocked(address)
        except TooMany as refusal:
            await _refuse(scope, receive, answer, refusal)
            return
        try:
            self._hosts.check(hosts, scope["path"])
        except HTTPException as refusal:
            await _refuse(scope, receive, answer, refusal)
            await self._limits.note_stranger(address)
            return
        try:
            await self._app(scope, receive, answer)
        finally:
            if ATTEMPT_KEY not in scope:
                await self._limits.note_stranger(address)


def _look_at(scope: Scope) -> tuple[str, list[bytes]]:
    """The request's id and its Host headers, in one pass."""
    request_id, hosts = None, []
    for name, value in scope["headers"]:
        if name == b"host":
            hosts.append(value)
        elif name == REQUEST_ID:
            request_id = harmless_request_id(value)
    return request_id or new_request_id(), hosts


async def _refuse(scope: Scope, receive: Receive, answer: Send, refusal: LarderError | HTTPException) -> None:
    if scope["type"] == "websocket" and "websocket.http.response" not in scope.get("extensions", ()):
        await answer({"type": "websocket.close", "code": POLICY_VIOLATION, "reason": ""})
        return
    await _rendered(scope, refusal)(scope, receive, answer)


def _rendered(scope: Scope, refusal: LarderError | HTTPException) -> Response:
    request = Request({"method": "GET", **scope, "type": "http"})  # a handshake's scope names no method
    return render_error(request, refusal) if isinstance(refusal, LarderError) else render_http(request, refusal)
