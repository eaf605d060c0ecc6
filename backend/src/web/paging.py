"""Keyset pagination: a token holds the last row's key, so rows added meanwhile neither repeat nor hide one."""

from __future__ import annotations

import base64
import binascii
import json
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from typing import Any, TypeVar

from starlette.requests import HTTPConnection

from backend.src.core.errors import Invalid
from backend.src.web.boilerplates import Boilerplates
from backend.src.web.inputs import FIRST_YEAR, LAST_YEAR, MOST_BIGINT

Key = str | int | datetime
Row = TypeVar("Row")


def write_token(kind: str, *keys: Key) -> str:
    """An opaque token for the row after the one with these keys; `kind` names the list and its order."""
    plain = [key.astimezone(UTC).isoformat() if isinstance(key, datetime) else key for key in keys]
    text = json.dumps([kind, *plain], separators=(",", ":"))
    return base64.urlsafe_b64encode(text.encode("ascii")).decode("ascii").rstrip("=")


def read_token(token: str, kind: str, *types: type[Key]) -> tuple[Any, ...]:
    """The keys of a token of this kind, each of its type (str, int or datetime). Raises Invalid for any other text."""
    try:
        padded = token.encode("ascii") + b"=" * (-len(token) % 4)
        content = json.loads(base64.b64decode(padded, altchars=b"-_", validate=True))
        if not isinstance(content, list) or content[:1] != [kind]:
            raise ValueError("another list's token")
        return tuple(_key(key, expected) for key, expected in zip(content[1:], types, strict=True))
    except (ValueError, binascii.Error, RecursionError) as exc:
        message = "the continuation token is not one of this list"
        raise Invalid(message, remedy="start again without a token") from exc


def page_of(
    request: HTTPConnection, found: Sequence[Row], size: int, token_of: Callable[[Row], str]
) -> tuple[Sequence[Row], dict[str, str]]:
    """Of up to one row more than fits: the page, and the Link to the next one when there was one more."""
    page = found[:size]
    return page, Boilerplates.next_link(request, token_of(page[-1])) if len(found) > size else {}


def _key(key: object, expected: type[Key]) -> Key:
    """It will be a parameter of a query: exact type, storable text, a number and a time that fit. Raises ValueError."""
    if expected is datetime and isinstance(key, str):
        return _moment(key)
    if type(key) is int and expected is int and abs(key) <= MOST_BIGINT:
        return key
    if type(key) is str and expected is str and "\x00" not in key:
        key.encode()  # a lone surrogate is a UnicodeEncodeError, which is a ValueError
        return key
    raise ValueError("not a key")


def _moment(text: str) -> datetime:
    moment = datetime.fromisoformat(text)
    if moment.tzinfo is None or not FIRST_YEAR <= moment.year <= LAST_YEAR:
        raise ValueError("not a moment")
    return moment.astimezone(UTC)
