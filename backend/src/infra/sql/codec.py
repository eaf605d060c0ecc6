"""Values to bytes and back, exact: what JSON holds, and datetime, Decimal, bytes, any int, NaN, any dict key.

A tuple comes back as a list, and a StrEnum as its text. Not pickle: whoever can write to Redis must not be able
to run code here.
"""

from __future__ import annotations

import base64
import json
from collections.abc import Mapping
from datetime import datetime
from decimal import Decimal
from typing import Any

_TIME, _DECIMAL, _BYTES, _PAIRS = "~t", "~n", "~b", "~o"


def encode(value: Any) -> bytes:
    """Raises TypeError for what it does not know."""
    return json.dumps(_plain(value), separators=(",", ":")).encode("ascii")


def decode(data: bytes) -> Any:
    """What encode was given. Raises ValueError for anything else."""
    return json.loads(data, object_hook=_rich)


def _plain(value: Any) -> Any:
    match value:
        case None | bool() | int() | float() | str():
            return value
        case list() | tuple():
            return [_plain(item) for item in value]
        case Mapping():
            return _plain_mapping(value)
        case datetime():
            return {_TIME: value.isoformat()}
        case Decimal():
            return {_DECIMAL: str(value)}
        case bytes():
            return {_BYTES: base64.b64encode(value).decode("ascii")}
        case _:
            raise TypeError(f"a cached value cannot hold a {type(value).__name__}")


def _plain_mapping(value: Mapping[Any, Any]) -> dict[str, Any]:
    if all(type(key) is str and not key.startswith("~") for key in value):
        return {key: _plain(item) for key, item in value.items()}
    return {_PAIRS: [[_plain(key), _plain(item)] for key, item in value.items()]}


def _rich(plain: dict[str, Any]) -> Any:
    match plain:
        case {"~t": str(text)}:
            return datetime.fromisoformat(text)
        case {"~n": str(text)}:
            return Decimal(text)
        case {"~b": str(text)}:
            return base64.b64decode(text)
        case {"~o": list(pairs)}:
            return {_hashable(key): item for key, item in pairs}
        case _:
            return plain


def _hashable(key: Any) -> Any:
    return tuple(_hashable(item) for item in key) if isinstance(key, list) else key
