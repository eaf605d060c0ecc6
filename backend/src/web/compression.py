"""Large answers are compressed, unless client and server share a machine.

Of what a client takes, Zstandard is chosen before gzip: of 40,000 PVs with their values (35 MB) it makes 3.3 MB in
50 ms of a core, gzip at its fastest 4.5 MB in 150 ms, Brotli at its fastest 3.8 MB in 75 ms. Arrow brings it along.
"""

from __future__ import annotations

import io

import anyio.to_thread
import pyarrow as pa
from starlette.datastructures import Headers, MutableHeaders
from starlette.middleware.gzip import DEFAULT_EXCLUDED_CONTENT_TYPES, GZipResponder, IdentityResponder
from starlette.types import ASGIApp, Message, Receive, Scope, Send

FROM_BYTES = 32_768
IN_A_THREAD_FROM_BYTES = 131_072
FASTEST = 1
LOOPBACK = frozenset({"127.0.0.1", "::1"})
AS_IT_IS = (
    *DEFAULT_EXCLUDED_CONTENT_TYPES,
    # packed already
    "application/vnd.apache.parquet",
    "application/octet-stream",
    "application/pdf",
    "image/tiff",  # ours are deflated
    "multipart/x-mixed-replace",
)


class Compression:
    """For clients on a network. Over loopback it costs both sides more time than the copying it saves."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        host, _port = scope.get("client") or ("", 0)
        if scope["type"] != "http" or host in LOOPBACK:
            await self._app(scope, receive, send)
            return
        await self._responder(scope)(scope, receive, _weakening(send))

    def _responder(self, scope: Scope) -> ASGIApp:
        accepted = codings_of(Headers(scope=scope))
        if "zstd" in accepted:
            return ZstdResponder(self._app, FROM_BYTES, exclude_content_types=AS_IT_IS)
        if "gzip" in accepted:
            return GZipResponder(self._app, FROM_BYTES, FASTEST, exclude_content_types=AS_IT_IS)
        return IdentityResponder(self._app, FROM_BYTES, exclude_content_types=AS_IT_IS)


class ZstdResponder(IdentityResponder):
    """One frame (RFC 8878) for the whole answer, flushed after each piece: the client reads on meanwhile."""

    content_encoding = "zstd"
    _written: io.BytesIO | None = None

    async def apply_compression(self, body: bytes, *, more_body: bool) -> bytes:
        """What the piece adds to the frame."""
        if len(body) < IN_A_THREAD_FROM_BYTES:
            return self._add(body, more_body)
        return await anyio.to_thread.run_sync(self._add, body, more_body)

    def _add(self, body: bytes, more_body: bool) -> bytes:
        if self._written is None:
            self._written = _Kept()
            self._frame = pa.CompressedOutputStream(pa.PythonFile(self._written, "w"), "zstd")
        self._frame.write(body)
        if more_body:
            self._frame.flush()
        else:
            self._frame.close()
        made = self._written.getvalue()
        self._written.seek(0)
        self._written.truncate()
        return made


class _Kept(io.BytesIO):
    """Can be read after Arrow has closed it."""

    def close(self) -> None:
        return None


def codings_of(headers: Headers) -> frozenset[str]:
    """The content codings that Accept-Encoding takes, on all its lines (RFC 9110, 12.5.3); `*` names none."""
    accepted = set()
    for part in ",".join(headers.getlist("accept-encoding")).lower().split(","):
        coding, _, weight = part.partition(";")
        if weight.replace(" ", "") not in ("q=0", "q=0.0", "q=0.00", "q=0.000"):
            accepted.add(coding.strip())
    return frozenset(accepted)


def _weakening(send: Send) -> Send:
    """A strong tag means the very bytes, which an encoding changes (RFC 9110, 8.8.1)."""

    async def sent(message: Message) -> None:
        if message["type"] == "http.response.start":
            headers = MutableHeaders(raw=message["headers"])
            tag = headers.get("etag", "")
            if tag.startswith('"') and "content-encoding" in headers:
                headers["etag"] = f"W/{tag}"
        await send(message)

    return sent
