"""Conditional requests (RFC 9110, 13): whoever has the answer already is told so instead of getting it again, and
whoever wants to act on another state than the present one is refused.

An answer that may be compressed on its way carries a weak tag, which stays true then. Strong ones are for files that
nothing touches, so that parts of them can be asked for.
"""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import format_datetime, parsedate_to_datetime
from typing import Self

from starlette.datastructures import Headers
from starlette.exceptions import HTTPException
from starlette.requests import HTTPConnection
from starlette.responses import Response

from backend.src.web.boilerplates import Boilerplates
from backend.src.web.http_codes import HttpCodes
from backend.src.web.version import VERSION

# for the one who asked, and only after asking here whether it is still so and still theirs to see
REVALIDATED = "private, no-cache"
DIGEST_BYTES = 16

ANY = "*"

_tag = re.compile(r'(W/)?("[\x21\x23-\x7e\x80-\xff]*")')


@dataclass(frozen=True, slots=True)
class Validators:
    """What tells one state of a resource from another. modified: only where that is known for certain."""

    etag: str
    modified: datetime | None = None

    @classmethod
    def strong(cls, text: str, modified: datetime | None = None) -> Self:
        """Of content that is the same byte by byte for as long as `text` is (a checksum: no quotes, no spaces)."""
        return cls(f'"{text}"', modified)

    @classmethod
    def weak(cls, request: HTTPConnection, *parts: str | int | bytes) -> Self:
        """Of an answer to just this request that says the same for as long as all of `parts` are the same."""
        scope = request.scope
        asked = (VERSION, scope["path"], scope["query_string"])
        digest = hashlib.blake2b(digest_size=DIGEST_BYTES)
        for part in (*asked, *parts):
            content = part if isinstance(part, bytes) else str(part).encode("utf-8", "surrogatepass")
            digest.update(b"%d:" % len(content) + content)
        return cls(f'W/"{digest.hexdigest()}"')

    def headers(self) -> dict[str, str]:
        """Those of the answer, 200 and 304 alike."""
        headers = {"ETag": self.etag, "Cache-Control": REVALIDATED}
        if self.modified is not None:
            headers["Last-Modified"] = format_datetime(self.modified.astimezone(UTC), usegmt=True)
        return headers

    def unchanged(self, request: HTTPConnection) -> Response | None:
        """304 for a client that has this state; None for one that needs it.

        Raises HTTPException (412) for one that asks for another state alone.
        """
        if not self._wanted_by(request.headers):
            raise HTTPException(HttpCodes.PRECONDITION_FAILED, "it is in another state than the request asks for")
        return Boilerplates.empty(HttpCodes.NOT_MODIFIED, self.headers()) if self._known_to(request.headers) else None

    def allow_range(self, headers: Headers) -> bool:
        """Whether a part may be sent: what the client has of it must be of this state (RFC 9110, 13.1.5)."""
        condition = headers.get("if-range")
        if condition is None:
            return True
        if condition.startswith(('"', "W/")):
            return condition == self.etag and not self.etag.startswith("W/")
        return self.modified is not None and _date(condition) == self.modified.replace(microsecond=0)

    def _wanted_by(self, headers: Headers) -> bool:
        tags = _listed(headers, "if-match")
        if tags is not None:  # then the date does not count
            return tags == ANY or ("", self.etag) in _tag.findall(tags)  # strongly: a weak tag is never the same
        date = _date(headers.get("if-unmodified-since", ""))
        return date is None or self.modified is None or self.modified.replace(microsecond=0) <= date

    def _known_to(self, headers: Headers) -> bool:
        tags = _listed(headers, "if-none-match")
        if tags is not None:
            return tags == ANY or any(self.etag.removeprefix("W/") == tag for _, tag in _tag.findall(tags))
        date = _date(headers.get("if-modified-since", ""))
        return date is not None and self.modified is not None and self.modified.replace(microsecond=0) <= date


def refuse_stale_change(headers: Headers) -> None:
    """For a request that may change something: nothing that can be changed has a strong tag, so `*` alone is met.

    Nothing of it has a date either, so If-Unmodified-Since is ignored (RFC 9110, 13.1.4). Raises HTTPException (412).
    """
    tags = _listed(headers, "if-match")
    if tags is not None and tags != ANY:
        why = "nothing that can be changed has a strong ETag, so that only If-Match: * can be met"
        raise HTTPException(HttpCodes.PRECONDITION_FAILED, why)


def _listed(headers: Headers, name: str) -> str | None:
    """All lines of a header that is a list (RFC 9110, 5.3)."""
    lines = headers.getlist(name)
    return ", ".join(lines).strip() if lines else None


def _date(text: str) -> datetime | None:
    """None for what is no HTTP date."""
    try:
        date = parsedate_to_datetime(text)
    except (ValueError, OverflowError):
        return None
    return date if date.tzinfo is not None else date.replace(tzinfo=UTC)
