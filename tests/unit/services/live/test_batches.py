"""Part of a live table as bytes."""

from __future__ import annotations

import numpy as np
from numpy.testing import assert_array_equal

from backend.src.infra.epics.frame import ValueType
from backend.src.services.live.batches import Batch, Stamp, decode, encode
from tests.unit.services.readings import batch, described


def test_everything_comes_back() -> None:
    arrays = {5: np.array([1.0, np.nan]), 6: np.array([], np.int16)}
    made = batch({1: np.nan, 2: -0.0, 3: "5 \udcb5A", 4: ["a", "", "ü"], **arrays}, severity=2)
    made = described(made, ["mA", "", "µ\udcff", "", "mA", "mA"], [(), ("Off", "On"), (), (), (), ()])
    stamp = Stamp(2**60, 7, 6, 3, 1_700_000_000_123_456_789)
    back = decode(encode(Batch(stamp, made, np.arange(6) % 2 == 0)))
    assert back.stamp == stamp
    assert_array_equal(back.changes.slots, made.slots)
    assert back.changes.rows.tobytes() == made.rows.tobytes()
    assert back.suspect.tolist() == [True, False] * 3
    assert [back.changes.units[i] for i in back.changes.meta["units"]] == ["mA", "", "µ\udcff", "", "mA", "mA"]
    assert back.changes.choices[back.changes.meta["choices"][1]] == ("Off", "On")
    assert back.changes.objects[3] == "5 \udcb5A" and back.changes.objects[4] == ["a", "", "ü"]
    for slot, array in arrays.items():
        came = back.changes.objects[slot]
        assert isinstance(came, np.ndarray) and came.dtype == array.dtype
        assert_array_equal(came, array)


def test_nothing_comes_back_as_nothing() -> None:
    nothing = batch({}, ValueType.DOUBLE)
    back = decode(encode(Batch(Stamp(1, 1, 0, 0, 0), nothing, np.empty(0, np.bool_))))
    assert (len(back.changes), len(back.changes.meta_slots), back.changes.objects) == (0, 0, {})
