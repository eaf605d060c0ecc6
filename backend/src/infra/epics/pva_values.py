"""PVAccess structures (NTScalar, NTScalarArray, NTEnum) as ROW and META, and Python values as what is put into them."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from backend.src.infra.epics.ca_values import Unfit, exact_double
from backend.src.infra.epics.frame import Flag, Interned, PvValue, ValueType, bits_from_scalar

CODES = {
    "?": ValueType.BOOLEAN, "s": ValueType.STRING, "b": ValueType.INT8, "B": ValueType.CHAR,
    "h": ValueType.SHORT, "H": ValueType.UINT16, "i": ValueType.LONG, "I": ValueType.UINT32,
    "l": ValueType.INT64, "L": ValueType.UINT64, "f": ValueType.FLOAT, "d": ValueType.DOUBLE,
}  # fmt: skip
_DTYPES = {
    "?": "?", "b": "i1", "B": "u1", "h": "i2", "H": "u2", "i": "i4", "I": "u4",
    "l": "i8", "L": "u8", "f": "f4", "d": "f8",
}  # fmt: skip
EPICS_EPOCH_S = 631_152_000
_LARGEST_FLOAT = float(np.finfo(np.float32).max)

# menuAlarmStat, in order: what QSRV writes into alarm.message
ALARM_STATUSES = (
    "NO_ALARM", "READ", "WRITE", "HIHI", "HIGH", "LOLO", "LOW", "STATE", "COS", "COMM", "TIMEOUT", "HWLIMIT", "CALC",
    "SCAN", "LINK", "SOFT", "BAD_SUB", "UDF", "DISABLE", "SIMM", "READ_ACCESS", "WRITE_ACCESS",
)  # fmt: skip
_STATUS_OF_MESSAGE = {name: number for number, name in enumerate(ALARM_STATUSES)}
# alarm_t.status when the message is no help: none, device, driver, record, database, configuration, undefined, client
_STATUS_OF_CLASS = (0, 1, 1, 7, 15, 15, 17, 9)

_LIMIT_FIELDS = (
    "display.limitHigh", "display.limitLow", "valueAlarm.highAlarmLimit", "valueAlarm.highWarningLimit",
    "valueAlarm.lowWarningLimit", "valueAlarm.lowAlarmLimit", "control.limitHigh", "control.limitLow",
)  # fmt: skip


class Unsupported(ValueError):
    """The structure is none that Larder keeps."""


def code_of(value: Any) -> str:
    """A letter of CODES, `a` and a letter for an array, or `enum`: what `value` is. Raises Unsupported."""
    try:
        spec = value.type()["value"]
    except KeyError as error:
        raise Unsupported(f"{value.getID() or 'a structure'} has no value") from error
    if isinstance(spec, str):
        if spec.removeprefix("a") in CODES:
            return spec
    elif getattr(spec, "getID", str)() == "enum_t":
        return "enum"
    raise Unsupported(f"{value.getID() or 'a structure'} is neither a scalar, an array nor an enum")


def fill_row(value: Any, row: Any, *, long_string: bool = False) -> PvValue:
    """Fills one ROW, of its flags ARRAY and OBJECT. Returns what belongs to `objects`, or None. Raises Unsupported."""
    code = code_of(value)
    _fill_stamps(value, row)
    if code == "enum":
        row["type"], row["count"], row["value"] = ValueType.ENUM, 1, int(value["value.index"])
        return None
    try:
        content = value["value"]
    except UnicodeDecodeError as error:
        raise Unsupported("text that is not UTF-8 cannot be read over PVAccess") from error
    if len(code) == 2:
        return _fill_array(code[1], content, row, long_string=long_string)
    row["type"], row["count"] = CODES[code], 1
    if code == "s":
        row["flags"], row["value"] = Flag.OBJECT, 0
        return str(content)
    row["value"] = bits_from_scalar(content, CODES[code])
    return None


def _fill_array(code: str, content: Any, row: Any, *, long_string: bool) -> PvValue:
    row["value"] = 0
    if long_string and code in "bB":
        row["type"], row["count"], row["flags"] = ValueType.LONG_STRING, 1, Flag.OBJECT
        return np.asarray(content).tobytes().split(b"\0", 1)[0].decode("utf-8", "surrogateescape")
    row["type"], row["count"], row["flags"] = CODES[code], len(content), Flag.OBJECT | Flag.ARRAY
    return list(content) if code == "s" else np.asarray(content)


def _fill_stamps(value: Any, row: Any) -> None:
    if value.get("alarm") is not None:
        row["severity"] = min(int(value["alarm.severity"]), 3)
        row["status"] = _status(int(value["alarm.status"]), _text(value, "alarm.message"))
    if value.get("timeStamp") is not None:
        seconds, nanoseconds = int(value["timeStamp.secondsPastEpoch"]), int(value["timeStamp.nanoseconds"])
        known = seconds not in (0, EPICS_EPOCH_S) or nanoseconds
        row["time_ns"] = seconds * 1_000_000_000 + nanoseconds if known else 0


def _status(status: int, message: str) -> int:
    named = _STATUS_OF_MESSAGE.get(message.removesuffix("_ALARM"))
    if named is not None:
        return named
    return _STATUS_OF_CLASS[status] if 0 <= status < len(_STATUS_OF_CLASS) else 0


def fill_meta(value: Any, meta: Any, interned: Interned) -> None:
    """Fills one META."""
    if code_of(value) == "enum":
        meta["choices"] = interned.choice(_choices(value))
        return
    meta["limits"] = [_number(value, name) for name in _LIMIT_FIELDS]
    meta["units"] = interned.unit(_text(value, "display.units"))
    precision = value.get("display.precision")
    if code_of(value).removeprefix("a") in ("f", "d") and precision is not None:
        meta["precision"] = int(precision)


def _text(value: Any, name: str) -> str:
    """Text beside the value; what is not UTF-8 is an old database's Latin-1, such as \\xb0C."""
    try:
        return str(value.get(name) or "")
    except UnicodeDecodeError as error:
        return error.object.decode("latin-1")


def _choices(value: Any) -> tuple[str, ...]:
    """The labels of an enum, none when one of them is not UTF-8: p4p gives all or nothing."""
    try:
        return tuple(value["value.choices"])
    except UnicodeDecodeError:
        return ()


def _number(value: Any, name: str) -> float:
    found = value.get(name)
    return math.nan if found is None else float(found)


def assign(target: Any, value: PvValue) -> None:
    """Puts a Python value into the structure that the server wants. Raises Unfit."""
    code = code_of(target)
    if code == "enum":
        target["value.index"] = _enum_index(target, value)
    elif len(code) == 2:
        target["value"] = _array(code[1], value)
    else:
        target["value"] = _scalar(code, value)


def _enum_index(target: Any, value: PvValue) -> int:
    choices = _choices(target)
    if isinstance(value, str):
        if value not in choices:
            raise Unfit(f"{value!r:.60} is none of {', '.join(choices)}")
        return choices.index(value)
    index = int(_scalar("i", value))
    if choices and not 0 <= index < len(choices):
        raise Unfit(f"{index} is outside 0..{len(choices) - 1}")
    return index


def _scalar(code: str, value: PvValue) -> PvValue:
    if code == "s":
        if not isinstance(value, str):
            raise Unfit(f"the channel holds text, not {value!r:.60}")
        return _encodable(value)
    if isinstance(value, str):
        value = _parsed(code, value)
    if not isinstance(value, (bool, int, float, np.bool_, np.integer, np.floating)):
        raise Unfit(f"{value!r:.60} is not a number")
    if code in "fd":
        return _floating(code, value)
    return _integer(code, value)


def _parsed(code: str, value: str) -> float | int:
    try:
        return float(value) if code in "fd" else int(value)
    except ValueError as error:
        raise Unfit(f"{value!r:.60} is not a number") from error


def _encodable(value: str) -> str:
    try:
        value.encode()
    except UnicodeEncodeError as error:
        raise Unfit("text that is not UTF-8 cannot be written over PVAccess") from error
    return value


def _floating(code: str, value: Any) -> float:
    number = exact_double(value)
    if code == "f" and math.isfinite(number) and abs(number) > _LARGEST_FLOAT:
        raise Unfit(f"{value} is beyond the range of a 32-bit float")
    return number


def _integer(code: str, value: Any) -> int | bool:
    if isinstance(value, (float, np.floating)) and not float(value).is_integer():
        raise Unfit(f"{value} is not an integer")
    number = int(value)
    if code == "?":
        if number not in (0, 1):
            raise Unfit(f"{number} is neither true nor false")
        return bool(number)
    limits = np.iinfo(_DTYPES[code])
    if not limits.min <= number <= limits.max:
        raise Unfit(f"{number} is outside {limits.min}..{limits.max}")
    return number


def _array(code: str, value: PvValue) -> PvValue:
    if isinstance(value, str) and code in "bB":
        return np.frombuffer(value.encode("utf-8", "surrogateescape") + b"\0", _DTYPES[code])
    items = value if isinstance(value, (list, tuple, np.ndarray)) else [value]
    if isinstance(items, np.ndarray) and items.ndim != 1:
        raise Unfit("an array must have one dimension")
    if code == "s":
        return [_scalar("s", item) for item in items]
    dtype = np.dtype(_DTYPES[code])
    if isinstance(items, np.ndarray) and np.can_cast(items.dtype, dtype, "safe"):
        return items.astype(dtype)
    return np.array([_scalar(code, item) for item in items], dtype)
