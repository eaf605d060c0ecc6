"""Each slot once, the latest of it, and metadata only when it differs."""

from __future__ import annotations

import numpy as np

from backend.src.infra.epics.frame import Flag, ValueType, empty_meta, empty_rows
from backend.src.infra.epics.live_rows import LiveRows

UP = np.uint8(Flag.CONNECTED | Flag.WRITABLE)


def slots(*numbers: int) -> np.ndarray:
    return np.array(numbers, np.int32)


def put(live: LiveRows, slot: int, bits: int, state: int = int(UP)) -> None:
    rows = empty_rows(1)
    rows["type"], rows["value"] = ValueType.LONG, bits
    live.put_rows(slots(slot), rows, np.array([state], np.uint8))


def test_the_latest_of_each_slot_once() -> None:
    live = LiveRows()
    for bits in (1, 2, 3):
        put(live, 5, bits)
    put(live, 50_000, 9)
    changes = live.take()
    assert changes.slots.tolist() == [5, 50_000]
    assert changes.rows["value"].tolist() == [3, 9]
    assert len(live.take()) == 0


def test_a_lost_connection_keeps_the_value() -> None:
    live = LiveRows()
    put(live, 1, 7)
    live.take()
    live.put_states(slots(1, 2), np.zeros(2, np.uint8))
    changes = live.take()
    assert changes.slots.tolist() == [1]  # slot 2 was never seen: there is nothing to tell
    assert (int(changes.rows["value"][0]), int(changes.rows["flags"][0])) == (7, 0)


def test_text_comes_with_a_change_of_connection_too() -> None:
    live = LiveRows()
    rows = empty_rows(1)
    rows["type"], rows["flags"] = ValueType.STRING, Flag.OBJECT
    live.put_objects([3], ["text"])
    live.put_rows(slots(3), rows, np.array([UP]))
    assert live.take().objects == {3: "text"}
    live.put_states(slots(3), np.zeros(1, np.uint8))
    assert live.take().objects == {3: "text"}


def test_metadata_is_told_once_until_it_differs() -> None:
    live = LiveRows()
    put(live, 0, 1)
    meta = empty_meta(1)
    meta["units"] = live.interned.unit("A")
    live.put_meta(slots(0), meta)
    first = live.take()
    assert (first.meta_slots.tolist(), first.units[int(first.meta["units"][0])]) == ([0], "A")
    assert int(first.rows["flags"][0]) & Flag.METADATA
    live.put_meta(slots(0), meta.copy())
    assert len(live.take().meta_slots) == 0
    meta["units"] = live.interned.unit("mA")
    live.put_meta(slots(0), meta)
    assert live.take().meta_slots.tolist() == [0]


def test_what_is_forgotten_starts_anew() -> None:
    live = LiveRows()
    put(live, 4, 7)
    live.take()
    live.forget(4)
    live.put_states(slots(4), np.zeros(1, np.uint8))
    assert len(live.take()) == 0
