"""The structures in which Channel Access delivers values (db_access.h), as NumPy dtypes, and their way to ROW and META.

Channel Access has seven element types; a native type here is its DBR number, 0 to 6.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from backend.src.infra.epics.frame import LIMITS, META, Flag, Interned, PvValue, Rows, ValueType, empty_meta

STRING, SHORT, FLOAT, ENUM, CHAR, LONG, DOUBLE = range(7)
NATIVE_TYPES = range(7)
TIME, CTRL = 14, 28  # added to a native type: with alarm and time stamp; with limits and units
STRING_BYTES = 40
EPOCH_S = 631_152_000  # 1990-01-01, the EPICS epoch, in seconds since 1970
NEVER = 0xFF  # what buffers are filled with before a read: no alarm status or severity is 0xFFFF

VALUE_TYPES = (
    ValueType.STRING, ValueType.SHORT, ValueType.FLOAT, ValueType.ENUM, ValueType.CHAR, ValueType.LONG, ValueType.DOUBLE
)  # fmt: skip
ELEMENTS = tuple(np.dtype(code) for code in ("S40", "i2", "f4", "u2", "u1", "i4", "f8"))

_VALUE_OFFSETS = (12, 14, 12, 14, 15, 12, 16)
_STAMPED = [("status", "u2"), ("severity", "u2"), ("seconds", "u4"), ("nanoseconds", "u4")]


def _time_layout(native: int) -> np.dtype[np.void]:
    names = [name for name, _ in _STAMPED]
    formats: list[Any] = [code for _, code in _STAMPED]
    offsets = [0, 2, 4, 8, _VALUE_OFFSETS[native]]
    size = _VALUE_OFFSETS[native] + ELEMENTS[native].itemsize
    return np.dtype(
        {"names": [*names, "value"], "formats": [*formats, ELEMENTS[native]], "offsets": offsets, "itemsize": size}
    )


def _numeric_control(code: str, *, precision: bool, pad: int = 0) -> np.dtype[np.void]:
    fields: list[Any] = [("status", "u2"), ("severity", "u2")]
    if precision:
        fields += [("precision", "i2"), ("pad0", "V2")]
    fields += [("units", "S8"), ("limits", code, (len(LIMITS),))]
    if pad:
        fields += [("pad1", f"V{pad}")]
    return np.dtype([*fields, ("value", code)])


_ENUM_CONTROL = np.dtype(
    [("status", "u2"), ("severity", "u2"), ("states", "u2"), ("labels", "S26", (16,)), ("value", "u2")]
)
TIME_LAYOUTS = tuple(_time_layout(native) for native in NATIVE_TYPES)
CONTROL_LAYOUTS = (
    np.dtype([("status", "u2"), ("severity", "u2"), ("value", "S40")]),
    _numeric_control("i2", precision=False),
    _numeric_control("f4", precision=True),
    _ENUM_CONTROL,
    _numeric_control("u1", precision=False, pad=1),
    _numeric_control("i4", precision=False),
    _numeric_control("f8", precision=True),
)


def time_size(native: int, count: int) -> int:
    """Bytes of `count` elements with alarm and time stamp."""
    return _VALUE_OFFSETS[native] + count * ELEMENTS[native].itemsize


def text(raw: bytes) -> str:
    """Bytes up to the first NUL as text; what is not UTF-8 survives as surrogates."""
    return raw.split(b"\0", 1)[0].decode("utf-8", "surrogateescape")


def metadata_text(raw: bytes) -> str:
    """Units or a label; what is not UTF-8 is an old database's Latin-1, such as \\xb0C. For values see `text`."""
    content = raw.split(b"\0", 1)[0]
    try:
        return content.decode()
    except UnicodeDecodeError:
        return content.decode("latin-1")


def arrived(buffer: Rows) -> npt.NDArray[np.bool_]:
    """bool[n]: which entries of a buffer filled with NEVER were written since."""
    return np.asarray(buffer["severity"] != 0xFFFF)


def fill_stamps(rows: Rows, stamped: Rows) -> None:
    """Alarm and time stamp of n DBR_TIME structures into ROW[n]; 1990-01-01 sharp means no time stamp."""
    seconds = stamped["seconds"].astype(np.int64)
    nanoseconds = stamped["nanoseconds"].astype(np.int64)
    known = (seconds != 0) | (nanoseconds != 0)
    rows["time_ns"] = np.where(known, (seconds + EPOCH_S) * 1_000_000_000 + nanoseconds, 0)
    rows["status"] = stamped["status"]
    rows["severity"] = stamped["severity"]


def scalar_rows(native: int, stamped: Rows, rows: Rows) -> list[str] | None:
    """Fills ROW[n] from n DBR_TIME structures of one element; flags get OBJECT only. Returns the texts of strings."""
    fill_stamps(rows, stamped)
    rows["count"] = 1
    rows["type"] = VALUE_TYPES[native]
    if native == STRING:
        rows["value"] = 0
        rows["flags"] |= np.uint8(Flag.OBJECT)
        return [text(raw) for raw in stamped["value"].tolist()]
    wide = np.float64 if native in (FLOAT, DOUBLE) else np.int64
    rows["value"] = _widened(stamped["value"], wide).view(np.uint64)
    return None


def _widened(values: npt.NDArray[Any], wide: type[np.float64] | type[np.int64]) -> npt.NDArray[Any]:
    if values.dtype == wide:
        return np.ascontiguousarray(values)  # bit for bit: a NaN keeps its payload
    return values.astype(wide)


def array_row(native: int, count: int, raw: bytes, *, long_string: bool, row: Any) -> PvValue:
    """Fills one ROW from a DBR_TIME structure of `count` elements and returns the value."""
    header = np.frombuffer(raw, np.dtype(_STAMPED), 1)
    fill_stamps(row, header)
    row["value"] = 0
    data = raw[_VALUE_OFFSETS[native] :]
    if long_string:
        row["type"], row["count"] = ValueType.LONG_STRING, 1
        row["flags"] |= np.uint8(Flag.OBJECT)
        return text(data)
    row["type"], row["count"] = VALUE_TYPES[native], count
    row["flags"] |= np.uint8(Flag.OBJECT | Flag.ARRAY)
    if native == STRING:
        return [text(data[at : at + STRING_BYTES]) for at in range(0, count * STRING_BYTES, STRING_BYTES)]
    return np.frombuffer(data, ELEMENTS[native], count)


def meta_rows(native: int, control: Rows, interned: Interned) -> Rows:
    """META[n] of n DBR_CTRL structures."""
    meta = empty_meta(len(control))
    if native == ENUM:
        meta["choices"] = _choices(control, interned)
    elif native != STRING:
        meta["limits"] = control["limits"]
        meta["units"] = _units(control["units"], interned)
    if native in (FLOAT, DOUBLE):
        meta["precision"] = control["precision"]
    return meta


def _units(units: npt.NDArray[Any], interned: Interned) -> npt.NDArray[np.int32]:
    distinct, inverse = np.unique(units, return_inverse=True)
    return np.array([interned.unit(metadata_text(raw)) for raw in distinct.tolist()], np.int32)[inverse]


def _choices(control: Rows, interned: Interned) -> npt.NDArray[np.int32]:
    packed = np.ascontiguousarray(control[["states", "labels"]]).tolist()
    known: dict[Any, int] = {}
    found = []
    for states, labels in packed:
        key = (states, *labels[:states])
        if key not in known:
            known[key] = interned.choice(tuple(metadata_text(raw) for raw in labels[:states]))
        found.append(known[key])
    return np.array(found, np.int32)


__all__ = [
    "CHAR", "CONTROL_LAYOUTS", "CTRL", "DOUBLE", "ELEMENTS", "ENUM", "FLOAT", "LONG", "META", "NATIVE_TYPES", "NEVER",
    "SHORT", "STRING", "STRING_BYTES", "TIME", "TIME_LAYOUTS", "VALUE_TYPES", "array_row", "arrived", "fill_stamps",
    "meta_rows", "metadata_text", "scalar_rows", "text", "time_size",
]  # fmt: skip
