"""Types for what clients send: everything that passes can be stored, compared and sent back.

Each limit is a JSON schema keyword too, so /openapi.json says exactly what is accepted. No text holds a NUL or a
lone surrogate (pydantic refuses the latter by itself), and no integer is beyond SQL's BIGINT.
"""

from __future__ import annotations

import re
from datetime import UTC, datetime
from typing import Annotated, Any

from fastapi import Path
from pydantic import AfterValidator, AwareDatetime, BeforeValidator, Field, StringConstraints, WithJsonSchema

MOST_BIGINT = 2**63 - 1
LONGEST_NAME = 255
LONGEST_PV_ADDRESS = 255
LONGEST_TEXT = 4_000
LONGEST_QUERY = 400
MOST_LABELS = 64
FIRST_YEAR, LAST_YEAR = 1970, 9998
NO_NUL = r"^[^\x00]*$"
NOT_BLANK = r"^[^\x00]*[^\x00\s][^\x00]*$"
# 18 digits always fit BIGINT, so the pattern alone decides and the schema can state it
DIGITS = r"^[0-9]{1,18}$"
OPAQUE = r"^[0-9a-f]{16}$"

_digits = re.compile(r"[0-9]{1,18}")


def _number(value: Any) -> int:
    """Ids travel as text; a client's JSON number is taken too. int() alone would accept "+1", "1_0" and "１"."""
    text = str(value) if isinstance(value, int) and not isinstance(value, bool) else value
    if not isinstance(text, str) or not _digits.fullmatch(text):
        raise ValueError("an id is 1 to 18 digits")
    return int(text)


_id_schema = WithJsonSchema({"type": "string", "pattern": DIGITS, "examples": ["17"]})

BodyId = Annotated[int, BeforeValidator(_number), _id_schema]
"""A numeric id in a body or a query; an int for the handler."""

PathId = Annotated[int, Path(description="an id, as answers have it"), BeforeValidator(_number), _id_schema]
"""A numeric id in a path; an int for the handler."""

OpaqueId = Annotated[str, Path(pattern=OPAQUE, description="an id, as answers have it", examples=["9f2c4e1a7b3d5f60"])]
"""The id of a job or a snapshot in a path: 16 hexadecimal digits."""

OpaqueBodyId = Annotated[str, StringConstraints(pattern=OPAQUE)]
"""The same in a body or a query."""

IdText = Annotated[str, BeforeValidator(str), Field(examples=["17"])]
"""An id in an answer: text, whatever SQL holds."""

Name = Annotated[str, StringConstraints(min_length=1, max_length=LONGEST_NAME, pattern=NOT_BLANK)]
"""What a person calls a thing: not blank."""

PvText = Annotated[
    str,
    StringConstraints(min_length=1, max_length=LONGEST_PV_ADDRESS, pattern=r"^[^\x00\s]+$"),
    Field(examples=["QUAD:LI21:201:BDES"]),
]
"""A PV name or address as typed: no white space; PvAddress.parse judges the rest."""

Text = Annotated[str, StringConstraints(max_length=LONGEST_TEXT, pattern=NO_NUL)]
"""A description: may be empty."""

Query = Annotated[str, StringConstraints(max_length=LONGEST_QUERY, pattern=NO_NUL), Field(examples=["QUAD"])]
"""A part of a name to search for; use as `q: Query | None = None`."""

Token = Annotated[
    str,
    StringConstraints(max_length=8_000, pattern=r"^[A-Za-z0-9_-]*$"),
    Field(description="from the page before; none for the first page", examples=["WyJwdnMiLCJRVUFEIiwxN10"]),
]
"""A continuation token (web/paging.py)."""

Label = Annotated[str, StringConstraints(min_length=1, max_length=64, pattern=NOT_BLANK), Field(examples=["weekly"])]


def _without_repeats(labels: list[str]) -> list[str]:
    return list(dict.fromkeys(labels))


Labels = Annotated[list[Label], Field(max_length=MOST_LABELS), AfterValidator(_without_repeats)]
"""Labels, each once, in the order given."""

Finite = Annotated[float, Field(allow_inf_nan=False)]
"""A number; Python's json would let NaN and Infinity through."""

Tolerance = Annotated[float, Field(allow_inf_nan=False, ge=0, examples=[0.01])]
"""An absolute or relative tolerance."""

Seconds = Annotated[float, Field(allow_inf_nan=False, gt=0, le=86_400, examples=[10.0])]
"""A time-out: up to a day."""


def _storable(moment: datetime) -> datetime:
    """As UTC; the first and last year could leave the calendar on the way there."""
    if not FIRST_YEAR <= moment.year <= LAST_YEAR:
        raise ValueError(f"the year must be between {FIRST_YEAR} and {LAST_YEAR}")
    return moment.astimezone(UTC)


Moment = Annotated[AwareDatetime, AfterValidator(_storable), Field(examples=["2026-03-02T08:30:00Z"])]
"""A point in time with its zone; UTC for the handler."""

PageSize = Annotated[int, Field(ge=1, le=1_000, description="how many at most")]
Limit = Annotated[int, Field(ge=1, le=100_000, description="how many at most")]
Offset = Annotated[int, Field(ge=0, le=MOST_BIGINT, description="how many to leave out before", examples=[0])]
