"""Readings of many channels as columns: the form in which values cross every border of the hot path.

A row is 40 bytes. Scalars of every numeric type travel in `value` as eight raw bytes, read back through
`type`; what does not fit (text and arrays) lies in the frame's `objects`, keyed by row.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import IntEnum, IntFlag
from typing import Any

import numpy as np
import numpy.typing as npt


class ValueType(IntEnum):
    """The element type of a channel, as the server declares it. NONE: never seen."""

    NONE = 0
    DOUBLE = 1
    FLOAT = 2
    LONG = 3  # 32 bits, signed: EPICS calls it long
    SHORT = 4
    CHAR = 5  # 8 bits, unsigned over Channel Access
    ENUM = 6
    STRING = 7
    INT8 = 8
    UINT16 = 9
    UINT32 = 10
    INT64 = 11
    UINT64 = 12
    BOOLEAN = 13
    LONG_STRING = 14  # a char array read as text (an address that ends in `$`)

    @property
    def label(self) -> str:
        """The name used in archives and in JSON."""
        return self.name.lower()


class Flag(IntFlag):
    """Bits of a row's `flags`."""

    CONNECTED = 1
    ARRAY = 2
    OBJECT = 4  # the value lies in `objects`
    WRITABLE = 8
    METADATA = 16  # units, limits and choices were read


ROW = np.dtype(
    [
        ("value", "u8"),  # the bits of a float64, int64 or uint64, by type
        ("time_ns", "i8"),  # the server's time stamp, ns since 1970, 0 for none
        ("received_ns", "i8"),  # when it reached this process, ns since 1970, 0 for never
        ("count", "u4"),  # elements; 1 for a scalar
        ("status", "u2"),  # alarm status, menuAlarmStat
        ("severity", "u1"),  # 0 none, 1 minor, 2 major, 3 invalid
        ("type", "u1"),
        ("flags", "u1"),
        ("padding", "u1", (7,)),
    ]
)

LIMITS = (
    "upper_display", "lower_display", "upper_alarm", "upper_warning",
    "lower_warning", "lower_alarm", "upper_control", "lower_control",
)  # fmt: skip

META = np.dtype(
    [
        ("limits", "f8", (len(LIMITS),)),  # in the order of LIMITS, NaN for none
        ("units", "i4"),  # index into Interned.units
        ("choices", "i4"),  # index into Interned.choices
        ("precision", "i2"),  # -1 for none
        ("padding", "u1", (6,)),
    ]
)

Rows = npt.NDArray[np.void]
PvValue = Any  # float | int | bool | str | list[str] | numpy array | None: the wire enters here

_UNSIGNED = frozenset({ValueType.UINT64})
_FLOATING = frozenset({ValueType.DOUBLE, ValueType.FLOAT})


@dataclass(slots=True)
class Interned:
    """Texts that many channels share; index 0 of each means none."""

    units: list[str] = field(default_factory=lambda: [""])
    choices: list[tuple[str, ...]] = field(default_factory=lambda: [()])
    _units: dict[str, int] = field(default_factory=lambda: {"": 0})
    _choices: dict[tuple[str, ...], int] = field(default_factory=lambda: {(): 0})

    def unit(self, text: str) -> int:
        """The index of a unit, added when new."""
        index = self._units.setdefault(text, len(self.units))
        if index == len(self.units):
            self.units.append(text)
        return index

    def choice(self, labels: tuple[str, ...]) -> int:
        """The index of a tuple of enum labels, added when new."""
        index = self._choices.setdefault(labels, len(self.choices))
        if index == len(self.choices):
            self.choices.append(labels)
        return index


@dataclass(frozen=True, slots=True)
class Frame:
    """n channels at a moment. rows: ROW[n]; meta: META[n]; objects: text and arrays by row number."""

    rows: Rows
    meta: Rows
    objects: dict[int, PvValue]
    interned: Interned

    def __len__(self) -> int:
        return len(self.rows)

    def take(self, rows: npt.NDArray[np.int64]) -> Frame:
        """Some rows, in the order given."""
        taken = self.rows[rows]
        with_objects = np.flatnonzero(taken["flags"] & Flag.OBJECT)
        numbers = rows[with_objects].tolist()
        moved = zip(with_objects.tolist(), numbers, strict=True)
        objects = {new: self.objects[old] for new, old in moved if old in self.objects}
        return Frame(taken, self.meta[rows], objects, self.interned)

    def value(self, row: int) -> PvValue:
        """The value of one row as a Python object; None for a channel never seen."""
        return row_value(self.rows[row], self.objects.get(row))

    def choices(self, row: int) -> tuple[str, ...]:
        """The enum labels of one row, () for none."""
        return self.interned.choices[int(self.meta["choices"][row])]

    def enum_label(self, row: int) -> str | None:
        """The label of a scalar enum's present value, None where it has none."""
        if self.rows["type"][row] != ValueType.ENUM or self.rows["flags"][row] & Flag.ARRAY:
            return None
        index, labels = int(self.rows["value"][row]), self.choices(row)
        return labels[index] if index < len(labels) else None

    @property
    def connected(self) -> npt.NDArray[np.bool_]:
        """bool[n]"""
        return np.asarray((self.rows["flags"] & np.uint8(Flag.CONNECTED)) != 0)


def empty_frame(n: int) -> Frame:
    """n channels never seen."""
    return Frame(empty_rows(n), empty_meta(n), {}, Interned())


def empty_rows(n: int) -> Rows:
    """ROW[n], never seen, not connected."""
    return np.zeros(n, ROW)


def empty_meta(n: int) -> Rows:
    """META[n] without units, choices, precision or limits."""
    meta = np.zeros(n, META)
    meta["precision"] = -1
    meta["limits"] = np.nan
    return meta


def row_value(row: Any, stored: PvValue) -> PvValue:
    """The Python value of one ROW, `stored` being its entry among the objects."""
    kind = ValueType(int(row["type"]))
    if kind is ValueType.NONE:
        return None
    if int(row["flags"]) & Flag.OBJECT:
        return stored
    return scalar_from_bits(int(row["value"]), kind)


def scalar_from_bits(bits: int, kind: ValueType) -> float | int | bool:
    """Reads the eight bytes of a row's value."""
    if kind in _FLOATING:
        return float(np.uint64(bits).view(np.float64))
    if kind is ValueType.BOOLEAN:
        return bool(bits)
    return bits if kind in _UNSIGNED else int(np.uint64(bits).view(np.int64))


def bits_from_scalar(value: float | int | bool, kind: ValueType) -> int:
    """The eight bytes of a scalar, the inverse of scalar_from_bits."""
    if kind in _FLOATING:
        return int(np.float64(value).view(np.uint64))
    if kind in _UNSIGNED:
        return int(np.uint64(value))
    return int(np.int64(value).view(np.uint64))
