"""What came over two protocols becomes one."""

from __future__ import annotations

import numpy as np

from backend.src.infra.epics.frame import Flag, Frame, Interned, ValueType, empty_frame, empty_meta, empty_rows
from backend.src.infra.epics.joining import joined_changes, joined_frames
from backend.src.infra.epics.outcomes import Changes


def frame_of(units: list[str], texts: list[str]) -> Frame:
    frame = empty_frame(len(units))
    frame.rows["type"], frame.rows["flags"] = ValueType.STRING, Flag.OBJECT
    frame.meta["units"] = [frame.interned.unit(unit) for unit in units]
    frame.objects.update(enumerate(texts))
    return frame


def units_of(frame: Frame) -> list[str]:
    return [frame.interned.units[at] for at in frame.meta["units"].tolist()]


def test_rows_return_to_their_places_with_their_units() -> None:
    first, second = frame_of(["A", "mA"], ["a", "b"]), frame_of(["mA", "V", ""], ["c", "d", "e"])
    whole = joined_frames(5, [(np.array([1, 3]), first), (np.array([0, 2, 4]), second)])
    assert units_of(whole) == ["mA", "A", "V", "mA", ""]
    assert [whole.value(row) for row in range(5)] == ["c", "a", "d", "b", "e"]


def test_a_whole_part_is_passed_on() -> None:
    frame = frame_of(["A"], ["a"])
    parts = [(np.array([0]), frame), (np.zeros(0, np.int64), empty_frame(0))]
    assert units_of(joined_frames(1, parts)) == ["A"]


def changes_of(slot: int, unit: str) -> Changes:
    interned = Interned()
    meta = empty_meta(1)
    meta["units"] = interned.unit(unit)
    slots = np.array([slot], np.int32)
    return Changes(slots, empty_rows(1), {slot: unit}, slots, meta, interned)


def test_changes_are_joined_and_empty_ones_cost_nothing() -> None:
    nothing = Changes(np.zeros(0, np.int32), empty_rows(0), {}, np.zeros(0, np.int32), empty_meta(0))
    first, second = changes_of(3, "A"), changes_of(9, "V")
    assert joined_changes(first, nothing) is first
    assert joined_changes(nothing, second) is second
    both = joined_changes(first, second)
    assert both.slots.tolist() == [3, 9]
    assert [both.units[at] for at in both.meta["units"].tolist()] == ["A", "V"]
    assert both.objects == {3: "A", 9: "V"}
