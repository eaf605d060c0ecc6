"""Standard answers, so that the same thing always looks the same. No handler makes a Response by itself.

What each kind of content gets beyond its own headers (policy, caching) is in server_header.py, by the media type.
"""

from __future__ import annotations

import json
from collections.abc import AsyncIterable, Iterable, Mapping, Sequence
from typing import Any
from urllib.parse import urlencode

from starlette.requests import HTTPConnection
from starlette.responses import RedirectResponse, Response, StreamingResponse

from backend.src.web.content_disposition import attachment, inline
from backend.src.web.http_codes import HttpCodes
from backend.src.web.large_json import dumps

JSON = "application/json"
PROBLEM = "application/problem+json"
HTML = "text/html"
TEXT = "text/plain"
CSV = "text/csv"
CSS = "text/css"
PDF = "application/pdf"
PARQUET = "application/vnd.apache.parquet"
BINARY = "application/octet-stream"

Headers = Mapping[str, str] | None
Chunks = AsyncIterable[bytes] | AsyncIterable[str] | Iterable[bytes] | Iterable[str]


class Boilerplates:
    """Builders of answers; no state. Those with content raise ValueError for a status that has none."""

    @staticmethod
    def json(content: Any, *, status: HttpCodes = HttpCodes.OK, headers: Headers = None) -> Response:
        """Plain values, dataclasses and NumPy arrays, without pydantic: the tests alone compare it with the model."""
        return Response(dumps(content), _with_content(status), headers, JSON)

    @staticmethod
    def encoded_json(body: bytes | str, *, status: HttpCodes = HttpCodes.OK, headers: Headers = None) -> Response:
        """What is JSON already."""
        return Response(body, _with_content(status), headers, JSON)

    @staticmethod
    def html(page: str, *, status: HttpCodes = HttpCodes.OK, headers: Headers = None) -> Response:
        """A page of this server."""
        return Response(page, _with_content(status), headers, HTML)

    @staticmethod
    def text(text: str | bytes, *, media_type: str = TEXT, headers: Headers = None) -> Response:
        """Text in UTF-8: plain, or of another text/* type."""
        return Response(text, HttpCodes.OK, headers, media_type)

    @staticmethod
    def csv(rows: bytes | Chunks, name: str) -> Response:
        """A table for a spreadsheet, to be saved; large ones come piece by piece."""
        return Boilerplates.download(rows, name, CSV)

    @staticmethod
    def pdf(content: bytes, name: str, *, headers: Headers = None) -> Response:
        """A document that browsers show."""
        return Response(content, HttpCodes.OK, {"Content-Disposition": inline(name), **(headers or {})}, PDF)

    @staticmethod
    def image(content: bytes, media_type: str, *, headers: Headers = None) -> Response:
        """A picture that pages show."""
        return Response(content, HttpCodes.OK, headers, media_type)

    @staticmethod
    def stream(chunks: Chunks, media_type: str = BINARY, *, headers: Headers = None) -> Response:
        """What is made while it is sent: frames, anything without a known length."""
        return StreamingResponse(chunks, HttpCodes.OK, headers, media_type)

    @staticmethod
    def download(
        content: bytes | Chunks,
        name: str,
        media_type: str = BINARY,
        *,
        status: HttpCodes = HttpCodes.OK,
        headers: Headers = None,
    ) -> Response:
        """A file to be saved under `name`, whatever that holds."""
        headers = {"Content-Disposition": attachment(name), **(headers or {})}
        if isinstance(content, bytes):
            return Response(content, _with_content(status), headers, media_type)
        return StreamingResponse(content, _with_content(status), headers, media_type)

    @staticmethod
    def redirect(address: str, *, status: HttpCodes = HttpCodes.SEE_OTHER) -> Response:
        """To another address, which is asked for by GET; the framework escapes what a header cannot carry."""
        return RedirectResponse(address, status)

    @staticmethod
    def empty(status: HttpCodes = HttpCodes.NO_CONTENT, headers: Headers = None) -> Response:
        """No content: because there is none to tell of, or because the client has it."""
        return Response(None, status, headers)

    @staticmethod
    def problem(
        status: HttpCodes,
        *,
        title: str,
        detail: str,
        instance: str,
        request_id: str,
        kind: str = "about:blank",
        remedy: str | None = None,
        errors: Sequence[Mapping[str, Any]] = (),
        headers: Headers = None,
    ) -> Response:
        """An RFC 9457 problem document; `remedy` and `errors` only when there are some."""
        document: dict[str, Any] = {
            "type": kind,
            "title": title,
            "status": int(status),
            "detail": detail,
            "instance": instance,
            "requestId": request_id,
        }
        if remedy:
            document["remedy"] = remedy
        if errors:
            document["errors"] = list(errors)
        # ASCII: what a client sent is quoted, and a lone surrogate has no UTF-8
        body = json.dumps(document, ensure_ascii=True, separators=(",", ":")).encode("ascii")
        return Response(body, _with_content(status), headers, PROBLEM)

    @staticmethod
    def next_link(request: HTTPConnection, token: str, *, parameter: str = "continuationToken") -> dict[str, str]:
        """The Link header (RFC 8288) to the next page of the list that `request` asked for."""
        kept = [(name, value) for name, value in request.query_params.multi_items() if name != parameter]
        query = urlencode([*kept, (parameter, token)])
        # relative: behind a proxy only the client knows the host
        return {"Link": f'<{request.url.path}?{query}>; rel="next"'}


def _with_content(status: HttpCodes) -> HttpCodes:
    if not status.allows_content:
        raise ValueError(f"an answer {int(status)} has no content")
    return status
