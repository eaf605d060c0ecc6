"""JSON without pydantic: 40,000 rows become bytes in milliseconds."""

from __future__ import annotations

from typing import Any

import orjson

OPTIONS = orjson.OPT_SERIALIZE_NUMPY | orjson.OPT_NON_STR_KEYS | orjson.OPT_UTC_Z


def dumps(content: Any) -> bytes:
    """Plain values, dataclasses and NumPy arrays. NaN would become null: epics_json names it first."""
    return orjson.dumps(content, option=OPTIONS)
