"""JSON objects made of Arrow columns: tens of thousands of alike objects without a Python object for each number.

Every column is a column of JSON texts; `objects` joins them row by row. Numbers are formatted by Arrow, shortest
form that reads back the same.
"""

from __future__ import annotations

from collections.abc import AsyncIterable, AsyncIterator, Callable, Iterable, Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import orjson
import pyarrow as pa
import pyarrow.compute as pc
from starlette.responses import Response

from backend.src.infra.epics.frame import Flag, Frame, ValueType
from backend.src.web.boilerplates import JSON, Boilerplates
from backend.src.web.epics_json import json_value
from backend.src.web.large_json import dumps

Column = Any  # a pyarrow.Array of JSON texts
Mask = npt.NDArray[np.bool_]

TEXT = pa.large_string()
NULL = "null"
TO_ESCAPE = r'["\\\x00-\x1f]'  # all that JSON does not allow in a text as it is
_FLOATING = (ValueType.DOUBLE, ValueType.FLOAT)
compute: Any = pc  # its functions are made at run time


def constant(value: object) -> str:
    """The same value in every row."""
    return orjson.dumps(value).decode()


def texts(values: Sequence[str | None] | Column) -> Column:
    """Texts or null, as Python or Arrow has them."""
    column = values.cast(TEXT) if isinstance(values, pa.Array) else pa.array(values, TEXT)
    if compute.any(compute.match_substring_regex(column, TO_ESCAPE)).as_py():
        column = pa.array(
            [None if text is None else orjson.dumps(text)[1:-1].decode() for text in column.to_pylist()], TEXT
        )
    return compute.fill_null(join(['"', column, '"']), NULL)


def chosen(words: Sequence[object], codes: npt.NDArray[Any]) -> Column:
    """words[codes]."""
    made: Column = pa.array([constant(word) for word in words], TEXT)
    return made.take(pa.array(np.ascontiguousarray(codes, np.int64)))


def at(column: Column, rows: npt.NDArray[np.int64]) -> Column:
    """column[rows], null where the row is -1."""
    return compute.fill_null(column.take(pa.array(rows, mask=rows < 0)), NULL)


def numbers(values: npt.NDArray[Any], absent: Mask | None = None) -> Column:
    """Numbers; null where absent. NaN and infinities become the texts that JSON can carry."""
    encoded = pa.array(np.ascontiguousarray(values), mask=absent, from_pandas=False).cast(TEXT)
    if values.dtype.kind == "f":
        encoded = _name_unwritable(_with_point(encoded), values)
    return compute.fill_null(encoded, NULL)


def _with_point(encoded: Column) -> Column:
    """Arrow writes 1.0 as 1 and -0.0 as -0, which a reader takes for integers, the second one without its sign."""
    whole = compute.invert(compute.match_substring_regex(encoded, "[.en]"))
    return compute.if_else(whole, join([encoded, ".0"]), encoded)


def _name_unwritable(encoded: Column, values: npt.NDArray[Any]) -> Column:
    finite = np.isfinite(values)
    if finite.all():
        return encoded
    names = np.where(np.isnan(values), '"NaN"', np.where(values > 0, '"Infinity"', '"-Infinity"'))
    named = pa.array(names.tolist(), TEXT)
    # where it was null it stays so: a choice with a null is null
    return compute.if_else(pa.array(finite | _nulls(encoded)), encoded, named)


def _nulls(encoded: Column) -> Mask:
    nulls: Mask = encoded.is_null().to_numpy(zero_copy_only=False)
    return nulls


def ids(keys: npt.NDArray[np.int64]) -> Column:
    """Ids travel as texts."""
    return join(['"', numbers(keys), '"'])


def booleans(values: npt.NDArray[np.bool_]) -> Column:
    """true and false."""
    return chosen((False, True), values)


def values(frame: Frame) -> Column:
    """The values of n channels, null for a channel never seen."""
    bits, kinds = np.ascontiguousarray(frame.rows["value"]), frame.rows["type"]
    floating, unsigned = np.isin(kinds, _FLOATING), kinds == ValueType.UINT64
    boolean, never = kinds == ValueType.BOOLEAN, kinds == ValueType.NONE
    stored = (frame.rows["flags"] & Flag.OBJECT) != 0
    encoded = numbers(bits.view(np.float64), ~floating | stored)
    others: tuple[tuple[Mask, Callable[[], Column]], ...] = (
        (~floating & ~unsigned & ~boolean & ~never & ~stored, lambda: numbers(bits.view(np.int64))),
        (unsigned & ~stored, lambda: numbers(bits)),
        (boolean & ~stored, lambda: booleans(bits != 0)),
        (stored & ~never, lambda: _objects(frame)),
    )
    for members, column in others:
        if members.any():
            encoded = compute.if_else(pa.array(members), column(), encoded)
    return encoded


def _objects(frame: Frame) -> Column:
    encoded = [NULL] * len(frame)
    for row, value in frame.objects.items():
        encoded[row] = orjson.dumps(json_value(value)).decode()
    return pa.array(encoded, TEXT)


def objects(fields: Mapping[str, Column | str], present: Mask | None = None) -> Column:
    """An object for each row, with these keys; null where not present. A `str` is the same text in every row."""
    pieces: list[Column | str] = []
    opening = "{"
    for name, column in fields.items():
        pieces += [f"{opening}{constant(name)}:", column]
        opening = ","
    joined = join([*pieces, "}"])
    return joined if present is None else compute.if_else(pa.array(present), joined, pa.scalar(NULL, TEXT))


def join(pieces: Sequence[Column | str]) -> Column:
    """Row by row, one behind the other."""
    scalars = [pa.scalar(piece, TEXT) if isinstance(piece, str) else piece for piece in _merged(pieces)]
    return compute.binary_join_element_wise(*scalars, pa.scalar("", TEXT))


def _merged(pieces: Iterable[Column | str]) -> list[Column | str]:
    """Constant pieces beside each other as one."""
    merged: list[Column | str] = []
    for piece in pieces:
        if isinstance(piece, str) and merged and isinstance(merged[-1], str):
            merged[-1] += piece
        else:
            merged.append(piece)
    return merged


def array(rows: Column) -> bytes:
    """The rows as one JSON array."""
    if not len(rows):
        return b"[]"
    following = join([",", rows])
    first = following.offset
    offsets = np.frombuffer(following.buffers()[1], np.int64)[first : first + len(following) + 1]
    data = memoryview(following.buffers()[2])[offsets[0] + 1 : offsets[-1]]
    return b"".join((b"[", data, b"]"))


def answer_with(content: Mapping[str, Any], key: str, encoded: bytes) -> Response:
    """The content as JSON, with what is encoded already under `key`."""
    head = dumps(content)[:-1]
    body = b"".join((head, b"," if content else b"", orjson.dumps(key), b":", encoded, b"}"))
    return Boilerplates.encoded_json(body)


def stream_with(
    content: Mapping[str, Any], key: str, blocks: AsyncIterable[bytes], headers: Mapping[str, str] | None = None
) -> Response:
    """The same from encoded arrays, sent one after the other: the client reads one while the next is made."""
    head = dumps(content)[:-1]
    opening = b"".join((head, b"," if content else b"", orjson.dumps(key), b":["))
    return Boilerplates.stream(_one_array(opening, blocks), JSON, headers=headers)


async def _one_array(opening: bytes, blocks: AsyncIterable[bytes]) -> AsyncIterator[bytes]:
    before = opening
    async for block in blocks:
        if len(block) > len(b"[]"):
            yield b"".join((before, memoryview(block)[1:-1]))
            before = b","
    yield b"]}" if before == b"," else opening + b"]}"
