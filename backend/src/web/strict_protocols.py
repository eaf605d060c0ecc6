"""uvicorn's protocols, less patient: a request's head has a size and a time, and what is malformed gets its 4xx.

llhttp bounds neither the head's size nor its time, a WebSocket handshake that websockets cannot read ends in uvicorn
without an answer, and an answer that was given up holds its connection for as long as the client does not read.
"""

from __future__ import annotations

import asyncio
from typing import Any

from uvicorn._types import ASGI3Application
from uvicorn.protocols.http.httptools_impl import STATUS_LINE, HttpToolsProtocol, RequestResponseCycle
from uvicorn.protocols.websockets.websockets_sansio_impl import WebSocketsSansIOProtocol
from websockets.datastructures import Headers
from websockets.http11 import Response as HandshakeResponse
from websockets.server import ServerProtocol

from backend.src.web.boilerplates import Boilerplates
from backend.src.web.http_codes import HttpCodes
from backend.src.web.request_id import HEADER, new_request_id
from backend.src.web.server_header import API

LARGEST_HEAD = 65_536  # bytes of the request line and the headers
LONGEST_LINE = 8_190  # bytes of the request line, as other servers have it
LINGER_S = 0.5
HEAD_TIMEOUT_S = 20.0  # from the connection, or the first byte of a further request, to the end of the head

_DETAILS = {
    HttpCodes.BAD_REQUEST: "this is no HTTP request",
    HttpCodes.REQUEST_TIMEOUT: "the headers did not come in time",
    HttpCodes.URI_TOO_LONG: f"the request line is longer than {LONGEST_LINE} bytes",
    HttpCodes.REQUEST_HEADER_FIELDS_TOO_LARGE: f"the headers are larger than {LARGEST_HEAD} bytes",
}


class _TooLarge(Exception):
    """Ends the parsing; the parser turns it into an error of its own."""


class StrictHttp(HttpToolsProtocol):
    """HTTP/1.1."""

    def __init__(self, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        self._head_bytes = 0
        self._undelivered = 0  # bytes that the parser keeps: one endless header, trailer or chunk extension
        self._reading_head = True
        self._refusal = HttpCodes.BAD_REQUEST
        self._refused = False
        self._head_timer: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        self._start_timer()

    def connection_lost(self, exc: Exception | None) -> None:
        self._stop_timer()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        if self._refused:
            return
        self._undelivered += len(data)
        super().data_received(data)
        if self._undelivered > LARGEST_HEAD:
            self._refusal = HttpCodes.REQUEST_HEADER_FIELDS_TOO_LARGE
            self.send_400_response("")
        if self._reading_head and self._head_timer is None:
            self._start_timer()

    def on_message_begin(self) -> None:
        self._head_bytes = self._undelivered = 0
        self._reading_head = True
        super().on_message_begin()

    def on_url(self, url: bytes) -> None:
        super().on_url(url)
        self._count(len(url))
        if self._head_bytes > LONGEST_LINE:
            self._refusal = HttpCodes.URI_TOO_LONG
            raise _TooLarge

    def on_header(self, name: bytes, value: bytes) -> None:
        self._count(len(name) + len(value))
        super().on_header(name, value)

    def on_headers_complete(self) -> None:
        self._reading_head, self._undelivered = False, 0
        self._stop_timer()
        super().on_headers_complete()

    def on_body(self, body: bytes) -> None:
        self._undelivered = 0
        super().on_body(body)

    def send_400_response(self, msg: str) -> None:
        """Also the other refusals of what cannot be read."""
        self._stop_timer()
        if not self._refused:
            self._refused = True
            _refuse(self.transport, self.loop, self._refusal)

    def _start_asgi_task(self, cycle: RequestResponseCycle, app: ASGI3Application) -> None:
        async def cut_unfinished(scope: Any, receive: Any, send: Any) -> None:
            await app(scope, receive, send)
            if not cycle.response_complete:
                # uvicorn would log an error and close, which waits until the client has read what is buffered
                cycle.disconnected = True
                self.transport.abort()

        super()._start_asgi_task(cycle, cut_unfinished)

    def _count(self, size: int) -> None:
        self._head_bytes += size
        self._undelivered = 0
        if self._head_bytes > LARGEST_HEAD:
            self._refusal = HttpCodes.REQUEST_HEADER_FIELDS_TOO_LARGE
            raise _TooLarge

    def _start_timer(self) -> None:
        self._head_timer = self.loop.call_later(HEAD_TIMEOUT_S, self._too_slow)

    def _stop_timer(self) -> None:
        if self._head_timer is not None:
            self._head_timer.cancel()
            self._head_timer = None

    def _too_slow(self) -> None:
        self._refusal = HttpCodes.REQUEST_TIMEOUT
        self.send_400_response("")


class StrictWebSocket(WebSocketsSansIOProtocol):
    """RFC 6455."""

    def __init__(self, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        unguarded = self.conn
        self.conn = _Handshake(
            extensions=unguarded.available_extensions, max_size=self.config.ws_max_size, logger=self.logger
        )

    def data_received(self, data: bytes) -> None:
        super().data_received(data)
        # one that cannot be read leaves no event behind, and its client would wait for ever
        if not self.handshake_initiated and self.conn.handshake_exc is not None:
            _refuse(self.transport, self.loop, HttpCodes.BAD_REQUEST)

    async def send(self, message: Any) -> None:
        await super().send(message)
        if message["type"] == "websocket.http.response.body" and not message.get("more_body", False):
            self.handshake_complete = True  # an answer too: uvicorn would log that there was none


class _Handshake(ServerProtocol):
    """Refuses with the headers that every answer has."""

    def reject(self, status: Any, text: str) -> HandshakeResponse:
        response = super().reject(status, text)
        _secure(response.headers)
        return response


def _secure(headers: Headers) -> None:
    for name, value in (*API, (HEADER, new_request_id().encode())):
        headers[name.decode()] = value.decode()


def _refuse(transport: asyncio.Transport, loop: asyncio.AbstractEventLoop, status: HttpCodes) -> None:
    """Closes after a while: what the client still sends would make the system drop the answer with the connection."""
    transport.write(_refusal_bytes(status))
    if transport.can_write_eof():
        transport.write_eof()
    loop.call_later(LINGER_S, transport.close)


def _refusal_bytes(status: HttpCodes) -> bytes:
    problem = Boilerplates.problem(
        status,
        title=status.name.replace("_", " ").capitalize(),
        detail=_DETAILS[status],
        instance="",
        request_id=(request_id := new_request_id()),
    )
    headers = [*problem.raw_headers, *API, (HEADER, request_id.encode()), (b"connection", b"close")]
    lines = b"".join(b"%b: %b\r\n" % header for header in headers)
    return STATUS_LINE[status] + lines + b"\r\n" + bytes(problem.body)
