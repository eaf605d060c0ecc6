"""When two readings of a field are the same.

Two doubles agree when |a - b| <= max(absolute, relative * max(|a|, |b|)); integers likewise, their difference
being exact; NaN agrees with NaN, an infinity with itself. Arrays agree element by element. Enums (by index),
booleans and text have no tolerance. Values of different types or lengths differ, and so does a connected channel
from a disconnected one. Every rule is symmetric.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from backend.src.infra.epics.frame import Flag, Frame, PvValue, Rows, ValueType
from backend.src.services.snapshots.capture import Bytes, Floats, Ints, Mask

Numbers = npt.NDArray[Any]

EXACT = (ValueType.NONE, ValueType.ENUM, ValueType.BOOLEAN)
FLOATING = (ValueType.DOUBLE, ValueType.FLOAT)
LARGEST = np.uint64(2**64 - 1)
BEYOND = 2.0**64


@dataclass(frozen=True, slots=True)
class Tolerances:
    """float64[k] each: how far the two values of each pair may lie apart."""

    absolute: Floats
    relative: Floats

    def take(self, chosen: Mask) -> Tolerances:
        """Those of some pairs."""
        return Tolerances(self.absolute[chosen], self.relative[chosen])


@dataclass(frozen=True, slots=True)
class Pairs:
    """int64[k] each: the rows of two frames that belong together."""

    rows1: Ints
    rows2: Ints

    def __len__(self) -> int:
        return len(self.rows1)


def no_tolerance(k: int) -> Tolerances:
    """Values must be equal."""
    return Tolerances(np.zeros(k), np.zeros(k))


def agree(first: Frame, second: Frame, pairs: Pairs, tolerances: Tolerances) -> Mask:
    """bool[k]: whether the two readings of each pair are the same within tolerance."""
    left, right = first.rows[pairs.rows1], second.rows[pairs.rows2]
    same = _same_state(left, right)
    stored = (left["flags"] & Flag.OBJECT) != 0
    within = _scalars_agree(left, right, same & ~stored, tolerances)
    for pair in np.flatnonzero(same & stored).tolist():
        value1 = first.objects.get(int(pairs.rows1[pair]))
        value2 = second.objects.get(int(pairs.rows2[pair]))
        kind = ValueType(int(left["type"][pair]))
        within[pair] = _objects_agree(value1, value2, kind, tolerances.absolute[pair], tolerances.relative[pair])
    return within


def _same_state(left: Rows, right: Rows) -> Mask:
    """Of one type and shape, and both connected or both not."""
    shape = np.uint8(Flag.ARRAY | Flag.OBJECT | Flag.CONNECTED)
    same: Mask = (left["type"] == right["type"]) & ((left["flags"] & shape) == (right["flags"] & shape))
    return same


def _scalars_agree(left: Rows, right: Rows, chosen: Mask, tolerances: Tolerances) -> Mask:
    bits1, bits2, kinds = np.ascontiguousarray(left["value"]), np.ascontiguousarray(right["value"]), left["type"]
    never_seen = kinds == ValueType.NONE
    within: Mask = chosen & (never_seen | (bits1 == bits2))
    for dtype, members in _by_number(kinds):
        some = members & chosen & ~within
        if some.any():
            within[some] = numbers_agree(bits1[some].view(dtype), bits2[some].view(dtype), tolerances.take(some))
    return within


def _by_number(kinds: Bytes) -> tuple[tuple[type[np.generic], Mask], ...]:
    """What the eight bytes of a scalar are, for the types that know a tolerance."""
    floating, unsigned = np.isin(kinds, FLOATING), kinds == ValueType.UINT64
    return (
        (np.float64, floating),
        (np.uint64, unsigned),
        (np.int64, ~floating & ~unsigned & ~np.isin(kinds, EXACT)),
    )


def _objects_agree(left: PvValue, right: PvValue, kind: ValueType, absolute: float, relative: float) -> bool:
    if not isinstance(left, np.ndarray) or not isinstance(right, np.ndarray):
        return bool(type(left) is type(right) and left == right)
    if left.shape != right.shape:
        return False
    if kind in EXACT:
        return bool(np.array_equal(left, right))
    limits = Tolerances(np.float64(absolute), np.float64(relative))  # type: ignore[arg-type]  # broadcast
    return bool(numbers_agree(left, right, limits).all())


def numbers_agree(left: Numbers, right: Numbers, tolerances: Tolerances) -> Mask:
    """bool[k] of two arrays of one kind: floating, signed or unsigned."""
    if left.dtype.kind == "f":
        return _floats_agree(left.astype(np.float64, copy=False), right.astype(np.float64, copy=False), tolerances)
    wide = np.uint64 if left.dtype == np.uint64 else np.int64
    return _integers_agree(left.astype(wide, copy=False), right.astype(wide, copy=False), tolerances)


def _floats_agree(left: Floats, right: Floats, tolerances: Tolerances) -> Mask:
    with np.errstate(over="ignore", invalid="ignore"):
        magnitude = np.maximum(np.abs(left), np.abs(right))
        near = np.abs(left - right) <= np.maximum(tolerances.absolute, tolerances.relative * magnitude)
    finite = np.isfinite(left) & np.isfinite(right)  # an infinity is within no tolerance of a number
    agreeing: Mask = (left == right) | (np.isnan(left) & np.isnan(right)) | (near & finite)
    return agreeing


def _integers_agree(left: Numbers, right: Numbers, tolerances: Tolerances) -> Mask:
    # modulo 2**64 the difference of the larger and the smaller is exact, also from one end of int64 to the other
    apart = np.maximum(left, right).view(np.uint64) - np.minimum(left, right).view(np.uint64)
    magnitude = np.maximum(np.abs(left.astype(np.float64)), np.abs(right.astype(np.float64)))
    limit = np.floor(np.maximum(tolerances.absolute, tolerances.relative * magnitude))
    whole = np.where(limit < BEYOND, limit, 0.0).astype(np.uint64)
    agreeing: Mask = apart <= np.where(limit < BEYOND, whole, LARGEST)
    return agreeing
