"""Whether two readings of a channel are of the same state."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from backend.src.infra.epics.frame import Flag, Frame, PvValue, ValueType
from backend.src.services.live.table import Mask


def same_readings(one: Frame, other: Frame) -> Mask:
    """bool[n]: same type, number of elements, alarm and value; NaN equals NaN. Time stamps do not count."""
    a, b = one.rows, other.rows
    same: Mask = np.ones(len(a), np.bool_)
    for name in ("type", "count", "status", "severity"):
        same &= a[name] == b[name]
    in_objects = ((a["flags"] | b["flags"]) & Flag.OBJECT) != 0
    same &= in_objects | (a["value"] == b["value"]) | _both_nan(a, b)
    for row in np.flatnonzero(in_objects & same).tolist():
        same[row] = _same_object(one.objects.get(row), other.objects.get(row))
    return same


def _both_nan(a: npt.NDArray[np.void], b: npt.NDArray[np.void]) -> Mask:
    floating = (a["type"] == ValueType.DOUBLE) | (a["type"] == ValueType.FLOAT)
    numbers_a, numbers_b = (np.ascontiguousarray(rows["value"]).view(np.float64) for rows in (a, b))
    both: Mask = floating & np.isnan(numbers_a) & np.isnan(numbers_b)
    return both


def _same_object(one: PvValue, other: PvValue) -> bool:
    if isinstance(one, np.ndarray) and isinstance(other, np.ndarray):
        return np.array_equal(one, other, equal_nan=one.dtype.kind == "f" and other.dtype.kind == "f")
    return type(one) is type(other) and bool(one == other)
