"""Parts of a file (RFC 9110, 14): a reader of Parquet fetches the end of an archive, then the columns it needs.

One part at a time: a request for several gets the whole, as the RFC allows. The framework's own way reads from a file
of the local disk; archives come from a bucket, and are verified as a whole first.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from starlette.datastructures import Headers
from starlette.exceptions import HTTPException

from backend.src.web.conditional import Validators
from backend.src.web.http_codes import HttpCodes

ACCEPTED = {"Accept-Ranges": "bytes"}
MOST_DIGITS = 18  # more is beyond every file

_range = re.compile(rf"bytes=\s*([0-9]{{0,{MOST_DIGITS}}})-([0-9]{{0,{MOST_DIGITS}}})\s*", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Part:
    """What is sent: the whole (200), or a part of it (206)."""

    content: bytes
    status: HttpCodes
    headers: dict[str, str]


def part_of(content: bytes, headers: Headers, state: Validators) -> Part:
    """What a request with these headers gets of the content in this state. Raises HTTPException (416)."""
    limits = limits_of(headers.get("range"), len(content)) if state.allow_range(headers) else None
    if limits is None:
        return Part(content, HttpCodes.OK, ACCEPTED)
    start, stop = limits
    described = ACCEPTED | {"Content-Range": f"bytes {start}-{stop - 1}/{len(content)}"}
    return Part(content[start:stop], HttpCodes.PARTIAL_CONTENT, described)


def limits_of(header: str | None, size: int) -> tuple[int, int] | None:
    """First byte and the one after the last. None for the whole: no header, several parts, or one without sense.

    Raises HTTPException (416) when none of the bytes exists.
    """
    found = _range.fullmatch(header) if header else None
    if found is None:
        return None
    first, last = found.groups()
    if (not first and not last) or (first and last and int(last) < int(first)):
        return None
    start = int(first) if first else max(0, size - int(last))  # without a first: the last so many
    stop = min(size, int(last) + 1) if first and last else size
    if start >= stop:
        nothing = {"Content-Range": f"bytes */{size}"}
        raise HTTPException(HttpCodes.RANGE_NOT_SATISFIABLE, f"it has {size} bytes", nothing)
    return start, stop
