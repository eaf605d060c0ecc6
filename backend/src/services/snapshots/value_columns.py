"""The values of a frame as Parquet columns, one column a kind, and back, bit for bit.

A scalar costs no Python object in either direction; text and arrays are looped over.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from backend.src.infra.epics.frame import Flag, Frame, PvValue, Rows, ValueType
from backend.src.services.snapshots.arrow import Column, Columns, Kind, bools, column, spread

FLOATING = (ValueType.DOUBLE, ValueType.FLOAT)
UNSIGNED = (ValueType.UINT64,)

# How the elements of an array lie in memory, by the channel's type.
ELEMENT: dict[ValueType, npt.DTypeLike] = {
    ValueType.DOUBLE: np.float64,
    ValueType.FLOAT: np.float32,
    ValueType.LONG: np.int32,
    ValueType.SHORT: np.int16,
    ValueType.CHAR: np.uint8,
    ValueType.ENUM: np.int32,
    ValueType.INT8: np.int8,
    ValueType.UINT16: np.uint16,
    ValueType.UINT32: np.uint32,
    ValueType.INT64: np.int64,
    ValueType.UINT64: np.uint64,
    ValueType.BOOLEAN: np.bool_,
}

FIELDS: tuple[tuple[str, Kind], ...] = (
    ("value_double", pa.float64()),
    ("value_int64", pa.int64()),
    ("value_uint64", pa.uint64()),
    ("value_text", pa.string()),
    ("value_bytes", pa.binary()),
    ("value_doubles", pa.list_(pa.float64())),
    ("value_int64s", pa.list_(pa.int64())),
    ("value_uint64s", pa.list_(pa.uint64())),
    ("value_texts", pa.list_(pa.string())),
    ("value_bytes_list", pa.list_(pa.binary())),
)


def encode(frame: Frame) -> dict[str, Column]:
    """The value columns of n readings, each of n rows, null where the value is of another kind."""
    return encode_scalars(frame.rows) | encode_objects(len(frame), frame.objects, frame.rows)


def encode_scalars(rows: Rows) -> dict[str, Column]:
    """The three columns of numbers."""
    kinds, bits = rows["type"], np.ascontiguousarray(rows["value"])
    scalar = (kinds != ValueType.NONE) & ((rows["flags"] & Flag.OBJECT) == 0)
    floating, unsigned = np.isin(kinds, FLOATING), np.isin(kinds, UNSIGNED)
    return {
        "value_double": column(bits.view(np.float64), absent=~(scalar & floating)),
        "value_int64": column(bits.view(np.int64), absent=~(scalar & ~floating & ~unsigned)),
        "value_uint64": column(bits, absent=~(scalar & unsigned)),
    }


def encode_objects(n: int, objects: dict[int, PvValue], rows: Rows) -> dict[str, Column]:
    """The columns of text and arrays."""
    sorted_out: dict[str, dict[int, PvValue]] = {name: {} for name, _ in FIELDS[3:]}
    stored = rows["flags"] & Flag.OBJECT
    for row, value in objects.items():
        if stored[row] and value is not None:
            sorted_out[_column_of(value)][row] = value
    return {name: _ENCODERS[name](n, sorted_out[name], kind) for name, kind in FIELDS[3:]}


def _column_of(value: PvValue) -> str:
    if isinstance(value, str):
        return "value_text" if _is_text(value) else "value_bytes"
    if isinstance(value, np.ndarray):
        if value.dtype.kind == "f":
            return "value_doubles"
        return "value_uint64s" if value.dtype == np.uint64 else "value_int64s"
    return "value_texts" if all(map(_is_text, value)) else "value_bytes_list"


def _is_text(value: str) -> bool:
    if value.isascii():
        return True
    try:
        value.encode()
    except UnicodeEncodeError:
        return False
    return True


def to_bytes(text: str) -> bytes:
    """The bytes that came from the wire."""
    return text.encode("utf-8", "surrogateescape")


def from_bytes(raw: bytes) -> str:
    """The text under which bytes that are no UTF-8 travel."""
    return raw.decode("utf-8", "surrogateescape")


def _rows(values: dict[int, PvValue]) -> npt.NDArray[np.int64]:
    return np.fromiter(values, np.int64)


def _encode_texts(n: int, values: dict[int, PvValue], kind: Kind) -> Column:
    return spread(n, _rows(values), column(values.values(), kind))


def _encode_bytes(n: int, values: dict[int, PvValue], kind: Kind) -> Column:
    return spread(n, _rows(values), column([to_bytes(value) for value in values.values()], kind))


def _encode_bytes_lists(n: int, values: dict[int, PvValue], kind: Kind) -> Column:
    return spread(n, _rows(values), column([list(map(to_bytes, value)) for value in values.values()], kind))


def _encode_arrays(n: int, values: dict[int, PvValue], kind: Kind) -> Column:
    element = kind.value_type
    arrays = [value.astype(element.to_pandas_dtype(), copy=False) for value in values.values()]
    offsets = np.zeros(len(arrays) + 1, np.int32)
    np.cumsum([len(array) for array in arrays], out=offsets[1:])
    flat = np.concatenate(arrays) if arrays else np.empty(0)
    return spread(n, _rows(values), pa.ListArray.from_arrays(column(offsets), column(flat, element)))


_ENCODERS: dict[str, Callable[[int, dict[int, PvValue], Kind], Column]] = {
    "value_text": _encode_texts,
    "value_bytes": _encode_bytes,
    "value_doubles": _encode_arrays,
    "value_int64s": _encode_arrays,
    "value_uint64s": _encode_arrays,
    "value_texts": _encode_texts,
    "value_bytes_list": _encode_bytes_lists,
}


def decode(table: Columns, rows: Rows) -> dict[int, PvValue]:
    """Fills value, count and the OBJECT flag of n rows whose type is set; gives their objects."""
    _decode_scalars(table, rows)
    objects: dict[int, PvValue] = {}
    for name, _ in FIELDS[3:]:
        found = table.column(name)
        if found.null_count < len(found):
            _decode_objects(name, found, rows, objects)
    numbers = _rows(objects)
    rows["flags"][numbers] |= np.uint8(Flag.OBJECT)
    rows["count"][numbers] = [_count(value) for value in objects.values()]
    return objects


def _decode_scalars(table: Columns, rows: Rows) -> None:
    for name, dtype in (("value_double", np.float64), ("value_int64", np.int64), ("value_uint64", np.uint64)):
        found = table.column(name)
        if found.null_count < len(found):
            valid = bools(found.is_valid())
            bits = found.fill_null(0).to_numpy().astype(dtype, copy=False).view(np.uint64)
            rows["value"][valid] = bits[valid]
            rows["count"][valid] = 1


def _decode_objects(name: str, found: Column, rows: Rows, objects: dict[int, PvValue]) -> None:
    valid = bools(found.is_valid())
    numbers = np.flatnonzero(valid)
    packed = found.drop_null()
    if name in ("value_text", "value_texts"):
        values: Sequence[PvValue] = packed.to_pylist()
    elif name == "value_bytes":
        values = [from_bytes(raw) for raw in packed.to_pylist()]
    elif name == "value_bytes_list":
        values = [list(map(from_bytes, raw)) for raw in packed.to_pylist()]
    else:
        values = _decode_arrays(packed, rows["type"][numbers])
    objects.update(zip(numbers.tolist(), values, strict=True))


def _decode_arrays(packed: Column, kinds: npt.NDArray[np.uint8]) -> list[PvValue]:
    flat = packed.flatten().to_numpy(zero_copy_only=False)
    ends = np.cumsum(packed.value_lengths().to_numpy()).tolist()
    starts = [0, *ends[:-1]]
    elements = [ELEMENT[ValueType(kind)] for kind in kinds.tolist()]
    return [flat[start:end].astype(element) for start, end, element in zip(starts, ends, elements, strict=True)]


def _count(value: PvValue) -> int:
    return 1 if isinstance(value, str) else len(value)
