"""When two readings are of the same state."""

from __future__ import annotations

import numpy as np
import pytest

from backend.src.infra.epics.frame import Frame, Interned, ValueType, empty_meta
from backend.src.services.live.same_readings import same_readings
from tests.unit.services.readings import batch


def frame_of(value: object, kind: ValueType = ValueType.DOUBLE, **fields: int) -> Frame:
    made = batch({0: value}, kind, **fields)
    return Frame(made.rows, empty_meta(1), made.objects, Interned())


@pytest.mark.parametrize("value", [1.0, np.nan, "text", ["a", "b"], np.array([1.0, np.nan]), np.array([1, 2])])
def test_a_reading_is_the_same_as_itself_whenever_it_was_made(value: object) -> None:
    assert same_readings(frame_of(value), frame_of(value, time_ns=1)).tolist() == [True]


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (frame_of(1.0), frame_of(1.1)),
        (frame_of(1.0), frame_of(np.nan)),
        (frame_of(1.0), frame_of(1, ValueType.LONG)),
        (frame_of(1.0), frame_of(1.0, severity=1)),
        (frame_of(1.0), frame_of(1.0, status=3)),
        (frame_of("a"), frame_of("b")),
        (frame_of(["a"]), frame_of(["a", "b"])),
        (frame_of(np.array([1.0])), frame_of(np.array([2.0]))),
        (frame_of(np.array([1.0])), frame_of(1.0)),
    ],
)
def test_what_differs_in_type_length_alarm_or_value_is_not_the_same(one: Frame, other: Frame) -> None:
    assert same_readings(one, other).tolist() == [False]
