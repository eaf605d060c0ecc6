"""Standard answers, so that the same thing always looks the same."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any
from urllib.parse import urlencode

from starlette.requests import HTTPConnection
from starlette.responses import Response

from backend.src.web.http_codes import HttpCodes

PROBLEM_MEDIA_TYPE = "application/problem+json"


class Boilerplates:
    """Builders of answers; no state."""

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
        headers: Mapping[str, str] | None = None,
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
        return Response(body, status, headers, PROBLEM_MEDIA_TYPE)

    @staticmethod
    def next_link(request: HTTPConnection, token: str, *, parameter: str = "continuationToken") -> dict[str, str]:
        """The Link header (RFC 8288) to the next page of the list that `request` asked for."""
        kept = [(name, value) for name, value in request.query_params.multi_items() if name != parameter]
        query = urlencode([*kept, (parameter, token)])
        # relative: behind a proxy only the client knows the host
        return {"Link": f'<{request.url.path}?{query}>; rel="next"'}
