"""The latest row of each monitored slot, and how changes are gathered from what arrives.

Belongs to whoever drains; one thread at a time.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np
import numpy.typing as npt

from backend.src.infra.epics.frame import META, ROW, Flag, Interned, PvValue, Rows, ValueType, empty_meta, empty_rows
from backend.src.infra.epics.outcomes import Changes, Slots

STATE = np.uint8(Flag.CONNECTED | Flag.WRITABLE)
_FIRST_CAPACITY = 1024


class LiveRows:
    """ROW and META by slot, with what changed since the last `take`."""

    def __init__(self) -> None:
        self.rows = empty_rows(_FIRST_CAPACITY)
        self.meta = empty_meta(_FIRST_CAPACITY)
        self.objects: dict[int, PvValue] = {}
        self.interned = Interned()
        self._changed: list[Slots] = []
        self._meta_changed: list[Slots] = []

    def reserve(self, slots: Slots) -> None:
        """Makes room for these slots."""
        needed = int(slots.max()) + 1 if len(slots) else 0
        missing = max(needed, 2 * len(self.rows)) - len(self.rows) if needed > len(self.rows) else 0
        if missing:
            self.rows = np.concatenate([self.rows, empty_rows(missing)])
            self.meta = np.concatenate([self.meta, empty_meta(missing)])

    def put_rows(self, slots: Slots, rows: Rows, states: npt.NDArray[np.uint8]) -> None:
        """New values. Of `rows` the flags ARRAY and OBJECT count, CONNECTED and WRITABLE come from `states`."""
        self.reserve(slots)
        kept = self.rows["flags"][slots] & np.uint8(Flag.METADATA)
        rows["flags"] = (rows["flags"] & np.uint8(Flag.ARRAY | Flag.OBJECT)) | kept | (states & STATE)
        self.rows[slots] = rows
        self._changed.append(slots)

    def put_objects(self, slots: Iterable[int], values: Iterable[PvValue]) -> None:
        """Texts and arrays of slots whose rows have the flag OBJECT."""
        self.objects.update(zip(slots, values, strict=True))

    def put_states(self, slots: Slots, states: npt.NDArray[np.uint8]) -> None:
        """Connection and access of slots; those never seen stay as they are."""
        self.reserve(slots)
        seen = self.rows["type"][slots] != ValueType.NONE
        slots, states = slots[seen], states[seen] & STATE
        self.rows["flags"][slots] = (self.rows["flags"][slots] & ~STATE) | states
        self._changed.append(slots)

    def put_meta(self, slots: Slots, meta: Rows) -> None:
        """Metadata, indexes being those of `interned`; only what differs counts as changed."""
        self.reserve(slots)
        known = (self.rows["flags"][slots] & np.uint8(Flag.METADATA)) != 0
        differs = ~known | (_raw(self.meta[slots]) != _raw(meta))
        slots, meta = slots[differs], meta[differs]
        if not len(slots):
            return
        self.meta[slots] = meta
        self.rows["flags"][slots] |= np.uint8(Flag.METADATA)
        self._meta_changed.append(slots)
        self._changed.append(slots[self.rows["type"][slots] != ValueType.NONE])

    def forget(self, slot: int) -> None:
        """Back to never seen, without telling."""
        if slot < len(self.rows):
            self.rows[slot] = np.zeros((), ROW)
            self.meta[slot] = empty_meta(1)[0]
        self.objects.pop(slot, None)

    def take(self) -> Changes:
        """What changed since the last call, each slot once."""
        slots, meta_slots = _distinct(self._changed), _distinct(self._meta_changed)
        self._changed, self._meta_changed = [], []
        rows = self.rows[slots]
        holders = slots[(rows["flags"] & np.uint8(Flag.OBJECT)) != 0].tolist()
        objects = {slot: self.objects[slot] for slot in holders}
        return Changes(slots, rows, objects, meta_slots, self.meta[meta_slots], self.interned)


def _raw(meta: Rows) -> npt.NDArray[Any]:
    return np.ascontiguousarray(meta).view(f"V{META.itemsize}")


def _distinct(pieces: list[Slots]) -> Slots:
    filled = [piece for piece in pieces if len(piece)]
    if not filled:
        return np.zeros(0, np.int32)
    return filled[0] if len(filled) == 1 else np.unique(np.concatenate(filled))
