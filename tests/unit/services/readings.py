"""Made-up readings, as an ingest would hand them over."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from backend.src.infra.epics.frame import Flag, Interned, ValueType, bits_from_scalar, empty_meta, empty_rows
from backend.src.infra.epics.outcomes import Changes


def batch(values: Mapping[int, Any], kind: ValueType = ValueType.DOUBLE, **fields: Any) -> Changes:
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
    return Changes(slots, rows, objects, np.empty(0, np.int32), empty_meta(0))


def lost(*slots: int) -> Changes:
    """Channels that went away and took their value with them."""
    return Changes(np.array(slots, np.int32), empty_rows(len(slots)), {}, np.empty(0, np.int32), empty_meta(0))


def described(made: Changes, units: Sequence[str], choices: Sequence[tuple[str, ...]] | None = None) -> Changes:
    """The batch with units and enum labels for each of its channels."""
    interned, meta = Interned(), empty_meta(len(made.slots))
    meta["units"] = [interned.unit(unit) for unit in units]
    if choices is not None:
        meta["choices"] = [interned.choice(labels) for labels in choices]
    return Changes(made.slots, made.rows, made.objects, made.slots, meta, interned)
