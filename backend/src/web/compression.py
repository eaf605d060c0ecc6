"""Large answers are compressed, unless client and server share a machine."""

from __future__ import annotations

from starlette.middleware.gzip import DEFAULT_EXCLUDED_CONTENT_TYPES, GZipMiddleware
from starlette.types import ASGIApp, Receive, Scope, Send

FROM_BYTES = 32_768
FASTEST = 1
LOOPBACK = frozenset({"127.0.0.1", "::1"})
_PACKED_ALREADY = ("application/vnd.apache.parquet", "application/octet-stream")


class Compression:
    """gzip for clients on a network. Over loopback it costs both sides more time than the copying it saves."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app
        self._gzip = GZipMiddleware(
            app,
            minimum_size=FROM_BYTES,
            compresslevel=FASTEST,
            exclude_content_types=(*DEFAULT_EXCLUDED_CONTENT_TYPES, *_PACKED_ALREADY),
        )

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        host, _port = scope.get("client") or ("", 0)
        await (self._app if host in LOOPBACK else self._gzip)(scope, receive, send)
