"""Keyset pagination: a token holds the last row's key, so rows added meanwhile neither repeat nor hide one."""

from __future__ import annotations

import base64
import binascii
import json
from typing import Any

from backend.src.core.errors import Invalid
from backend.src.web.inputs import MOST_BIGINT

Key = str | int


def write_token(kind: str, *keys: Key) -> str:
    """An opaque token for the row after the one with these keys; `kind` names the list and its order."""
    text = json.dumps([kind, *keys], separators=(",", ":"))
    return base64.urlsafe_b64encode(text.encode("ascii")).decode("ascii").rstrip("=")


def read_token(token: str, kind: str, *types: type[Key]) -> tuple[Any, ...]:
    """The keys of a token of this kind, each of its type. Raises Invalid for any other text."""
    try:
        padded = token.encode("ascii") + b"=" * (-len(token) % 4)
        content = json.loads(base64.b64decode(padded, altchars=b"-_", validate=True))
    except (ValueError, binascii.Error, RecursionError) as exc:
        raise _bad_token() from exc
    if not isinstance(content, list) or content[:1] != [kind] or len(content) != len(types) + 1:
        raise _bad_token()
    keys = content[1:]
    if not all(_is_key(key, expected) for key, expected in zip(keys, types, strict=True)):
        raise _bad_token()
    return tuple(keys)


def _is_key(key: object, expected: type[Key]) -> bool:
    """It will be a parameter of a query: exact type, storable text, an integer that fits."""
    if type(key) is not expected:
        return False
    if isinstance(key, int):
        return abs(key) <= MOST_BIGINT
    return isinstance(key, str) and "\x00" not in key and not any("\ud800" <= char <= "\udfff" for char in key)


def _bad_token() -> Invalid:
    return Invalid("the continuation token is not one of this list", remedy="start again without a token")
