"""Readings as JSON: whole columns at a time, because a request may ask for 40,000 of them.

JSON has no NaN: NaN and infinities travel as the strings "NaN", "Infinity" and "-Infinity". Text that is not
UTF-8 has its bad bytes replaced, for no JSON reader could take it.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from backend.src.infra.epics.frame import LIMITS, Flag, Frame, PvValue, ValueType

Json = Any  # what orjson takes: the wire leaves here
Mask = npt.NDArray[np.bool_]

# menuAlarmStat of EPICS base, by number
STATUS_NAMES = (
    "NO_ALARM", "READ", "WRITE", "HIHI", "HIGH", "LOLO", "LOW", "STATE", "COS", "COMM", "TIMEOUT",
    "HWLIMIT", "CALC", "SCAN", "LINK", "SOFT", "BAD_SUB", "UDF", "DISABLE", "SIMM", "READ_ACCESS", "WRITE_ACCESS",
)  # fmt: skip

NEVER_CONNECTED = "never connected"
DISCONNECTED = "disconnected"

_TYPE_LABELS = tuple(kind.label for kind in ValueType)
_UPPER_CONTROL = LIMITS.index("upper_control")
_LOWER_CONTROL = LIMITS.index("lower_control")


def json_text(text: str) -> str:
    """The text, with what is not UTF-8 replaced."""
    if text.isascii():
        return text
    return text.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace")


def status_name(status: int) -> str:
    """The name of an alarm status."""
    return STATUS_NAMES[status] if status < len(STATUS_NAMES) else f"STATUS_{status}"


def json_value(value: PvValue) -> Json:
    """One PV's value."""
    match value:
        case str():
            return json_text(value)
        case bool() | int() | None:
            return value
        case float():
            return _finite([value])[0]
        case np.ndarray():
            return _array(value)
        case np.generic():
            return json_value(value.item())
        case list() | tuple():
            return [json_value(item) for item in value]
        case _:
            return json_text(str(value))


def json_values(frame: Frame) -> list[Json]:
    """The values of n channels; None for a channel never seen."""
    bits = np.ascontiguousarray(frame.rows["value"])
    kinds = frame.rows["type"]
    values: list[Json] = _finite(bits.view(np.float64).tolist(), bits.view(np.float64))
    floating = (kinds == ValueType.DOUBLE) | (kinds == ValueType.FLOAT)
    if not floating.all():
        _patch_integers(values, bits, kinds, floating)
    for row, stored in frame.objects.items():
        values[row] = json_value(stored)
    return values


def _patch_integers(
    values: list[Json], bits: npt.NDArray[np.uint64], kinds: npt.NDArray[np.uint8], floating: Mask
) -> None:
    rows = np.flatnonzero(~floating)
    integers: list[Json] = bits[rows].view(np.int64).tolist()
    for row, value, kind in zip(rows.tolist(), integers, kinds[rows].tolist(), strict=True):
        if kind == ValueType.NONE:
            values[row] = None
        elif kind == ValueType.BOOLEAN:
            values[row] = bool(value)
        elif kind == ValueType.UINT64:
            values[row] = int(bits[row])
        else:
            values[row] = value


def _finite(values: list[Any], column: npt.NDArray[np.float64] | None = None) -> list[Json]:
    """Changes, in place, every number that JSON lacks into its name."""
    column = np.asarray(values, np.float64) if column is None else column
    for row in np.flatnonzero(~np.isfinite(column)).tolist():
        value = values[row]
        values[row] = "NaN" if value != value else "Infinity" if value > 0 else "-Infinity"
    return values


def _array(array: npt.NDArray[Any]) -> list[Json]:
    if array.dtype.kind == "f":
        flat = array.astype(np.float64).ravel()
        return _finite(flat.tolist(), flat)
    if array.dtype.kind in "OSU":
        return [json_value(item) for item in array.tolist()]
    items: list[Json] = array.ravel().tolist()
    return items


def entries(frame: Frame, stale: Mask | Sequence[bool]) -> list[dict[str, Json]]:
    """The live values of n channels as the interface's Entry; stale: bool[n]."""
    seen = (frame.rows["type"] != ValueType.NONE).tolist()
    connected = frame.connected.tolist()
    columns = zip(
        json_values(frame),
        connected,
        _seconds(frame.rows["received_ns"]),
        _statuses(frame),
        _severities(frame),
        _seconds(frame.rows["time_ns"]),
        frame.rows["time_ns"].tolist(),
        _units(frame),
        _errors(connected, seen),
        _enum_labels(frame),
        _precisions(frame),
        np.asarray(stale).tolist(),
        strict=True,
    )
    return [
        {
            "value": value, "connected": is_connected, "updated_at": updated_at, "status": status,
            "severity": severity, "timestamp": timestamp, "timestampNs": time_ns or None, "units": units,
            "error": error, "enumLabel": label, "precision": precision, "stale": is_stale,
        }
        for (
            value, is_connected, updated_at, status, severity, timestamp, time_ns, units, error, label,
            precision, is_stale,
        ) in columns
    ]  # fmt: skip


def epics_values(frame: Frame, ages_s: Sequence[float | None] | None = None) -> list[dict[str, Json]]:
    """The values of n channels as the interface's EpicsValue; ages_s: seconds each, None where not known."""
    columns = zip(
        json_values(frame),
        _statuses(frame),
        _severities(frame),
        _seconds(frame.rows["time_ns"]),
        frame.rows["time_ns"].tolist(),
        _units(frame),
        _precisions(frame),
        _limits(frame, _UPPER_CONTROL),
        _limits(frame, _LOWER_CONTROL),
        _enum_labels(frame),
        [_TYPE_LABELS[kind] for kind in frame.rows["type"].tolist()],
        frame.connected.tolist(),
        [None] * len(frame) if ages_s is None else ages_s,
        strict=True,
    )
    return [
        {
            "value": value, "status": status, "severity": severity, "timestamp": timestamp,
            "timestampNs": time_ns or None, "units": units, "precision": precision, "upper_ctrl_limit": upper,
            "lower_ctrl_limit": lower, "enumLabel": label, "type": kind, "connected": connected, "ageSeconds": age_s,
        }
        for (
            value, status, severity, timestamp, time_ns, units, precision, upper, lower, label, kind, connected,
            age_s,
        ) in columns
    ]  # fmt: skip


def _seconds(times_ns: npt.NDArray[np.int64]) -> list[float | None]:
    seconds: list[float | None] = (times_ns / 1e9).tolist()
    for row in np.flatnonzero(times_ns == 0).tolist():
        seconds[row] = None
    return seconds


def _statuses(frame: Frame) -> list[str | None]:
    statuses = frame.rows["status"]
    names = {status: status_name(status) for status in np.unique(statuses).tolist()}
    return _blank_unseen([names[status] for status in statuses.tolist()], frame)


def _severities(frame: Frame) -> list[int | None]:
    return _blank_unseen(frame.rows["severity"].tolist(), frame)


def _blank_unseen(column: list[Any], frame: Frame) -> list[Any]:
    for row in np.flatnonzero(frame.rows["type"] == ValueType.NONE).tolist():
        column[row] = None
    return column


def _units(frame: Frame) -> list[str | None]:
    texts = [json_text(text) or None for text in frame.interned.units]
    return [texts[index] for index in frame.meta["units"].tolist()]


def _precisions(frame: Frame) -> list[int | None]:
    return [precision if precision >= 0 else None for precision in frame.meta["precision"].tolist()]


def _limits(frame: Frame, which: int) -> list[Json]:
    column = frame.meta["limits"][:, which]
    limits = _finite(column.tolist(), column)
    return [None if limit == "NaN" else limit for limit in limits]


def _errors(connected: list[bool], seen: list[bool]) -> list[str | None]:
    return [
        None if is_connected else DISCONNECTED if was_seen else NEVER_CONNECTED
        for is_connected, was_seen in zip(connected, seen, strict=True)
    ]


def _enum_labels(frame: Frame) -> list[str | None]:
    labels: list[str | None] = [None] * len(frame)
    scalar = (frame.rows["flags"] & Flag.ARRAY) == 0
    rows = np.flatnonzero((frame.rows["type"] == ValueType.ENUM) & scalar)
    choices = frame.meta["choices"][rows].tolist()
    for row, index, choice in zip(rows.tolist(), frame.rows["value"][rows].tolist(), choices, strict=True):
        texts = frame.interned.choices[choice]
        labels[row] = json_text(texts[index]) if index < len(texts) else None
    return labels
