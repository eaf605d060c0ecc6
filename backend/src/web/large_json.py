"""Large answers without pydantic: 40,000 rows become bytes in milliseconds."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import orjson
from starlette.responses import Response

OPTIONS = orjson.OPT_SERIALIZE_NUMPY | orjson.OPT_NON_STR_KEYS | orjson.OPT_UTC_Z


def orjson_response(content: Any, *, status: int = 200, headers: Mapping[str, str] | None = None) -> Response:
    """JSON of plain values, dataclasses and NumPy arrays. NaN would become null: epics_json names it first.

    The route still documents its response_model; nothing checks `content` against it but the tests.
    """
    return Response(orjson.dumps(content, option=OPTIONS), status, headers, "application/json")
