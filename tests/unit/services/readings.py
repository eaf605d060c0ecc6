"""Made-up readings, as an ingest would hand them over."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from backend.src.infra.epics.frame import Flag, Interned, ValueType, bits_from_scalar, empty_meta, empty_rows


@dataclass
class Batch:
    """The changes of one drain."""

    slots: Any
    rows: Any
    objects: Mapping[int, Any] = field(default_factory=dict)
    meta_slots: Any = field(default_factory=lambda: np.empty(0, np.int32))
    meta: Any = field(default_factory=lambda: empty_meta(0))
    interned: Interned = field(default_factory=Interned)

    @property
    def units(self) -> list[str]:
        return self.interned.units

    @property
    def choices(self) -> list[tuple[str, ...]]:
        return self.interned.choices


def batch(values: Mapping[int, Any], kind: ValueType = ValueType.DOUBLE, **fields: Any) -> Batch:
    """Connected channels with these values; text and arrays go to the objects."""
    slots = np.array(list(values), np.int32)
    rows = empty_rows(len(slots))
    rows["type"], rows["flags"], rows["count"] = kind, Flag.CONNECTED, 1
    rows["time_ns"], rows["received_ns"] = 1_700_000_000_123_456_789, 1_700_000_001_000_000_000
    objects = {}
    for row, (slot, value) in enumerate(values.items()):
        if isinstance(value, str | list | np.ndarray):
            rows["flags"][row] |= Flag.OBJECT
            objects[slot] = value
            if not isinstance(value, str):
                rows["flags"][row] |= Flag.ARRAY
                rows["count"][row] = len(value)
        else:
            rows["value"][row] = bits_from_scalar(value, kind)
    for name, value in fields.items():
        rows[name] = value
    return Batch(slots, rows, objects)


def lost(*slots: int) -> Batch:
    """Channels that went away and took their value with them."""
    return Batch(np.array(slots, np.int32), empty_rows(len(slots)))


def described(made: Batch, units: Sequence[str], choices: Sequence[tuple[str, ...]] | None = None) -> Batch:
    """The batch with units and enum labels for each of its channels."""
    made.meta_slots = made.slots
    made.meta = empty_meta(len(made.slots))
    made.meta["units"] = [made.interned.unit(unit) for unit in units]
    if choices is not None:
        made.meta["choices"] = [made.interned.choice(labels) for labels in choices]
    return made
