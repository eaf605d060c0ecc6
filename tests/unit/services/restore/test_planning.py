"""Verdicts, one rule at a time."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from backend.src.infra.epics.frame import Flag, ValueType
from backend.src.services.restore import RestoreOptions, Verdict
from backend.src.services.restore.models import VERDICTS
from backend.src.services.restore.planning import judge
from backend.src.services.snapshots.capture import Source
from tests.unit.services.snapshots.captures import NEVER, Channel, capture_of, double, frame_of, setpoint

NO_LIMITS = (float("nan"),) * 6
AS_USUAL = RestoreOptions()
NAN, INF = float("nan"), float("inf")


def limited(value: object, upper: float, lower: float, kind: ValueType = ValueType.DOUBLE) -> Channel:
    return Channel(kind, value, limits=(*NO_LIMITS, upper, lower))


def enum(index: int, *labels: str) -> Channel:
    return Channel(ValueType.ENUM, index, choices=labels)


def verdict(saved: Channel, now: Channel, options: RestoreOptions = AS_USUAL) -> tuple[Verdict, str]:
    target = capture_of([setpoint("X", saved)], Source.LIVE)
    found = judge(target, np.array([0]), frame_of([now]), np.array([False]), options)
    return VERDICTS[found.verdicts[0]], found.reasons[0]


@pytest.mark.parametrize(
    ("saved", "now", "expected"),
    [
        (double(1.0), double(2.0), Verdict.WRITE),
        (double(1.0), double(1.0), Verdict.EQUAL),
        (double(NAN), double(NAN), Verdict.EQUAL),
        (double(NAN), double(1.0), Verdict.WRITE),
        (double(1.0), NEVER, Verdict.DISCONNECTED),
        (double(1.0), double(2.0, connected=False), Verdict.DISCONNECTED),
        (NEVER, double(1.0), Verdict.NOT_CAPTURED),
        (double(1.0, connected=False), double(2.0), Verdict.NOT_CAPTURED),
        (double(1.0, stale=True), double(2.0), Verdict.NOT_CAPTURED),
        (Channel(ValueType.LONG, 1), double(1.0), Verdict.TYPE_MISMATCH),
        (Channel(ValueType.DOUBLE, np.array([1.0])), double(1.0), Verdict.TYPE_MISMATCH),
        (Channel(ValueType.DOUBLE, np.array([1.0])), Channel(ValueType.DOUBLE, np.array([1.0, 2.0])), Verdict.WRITE),
        (enum(1, "Off", "On"), enum(0, "Off", "On"), Verdict.WRITE),
        (enum(1, "Off", "On"), enum(0, "Off", "On", "Fault"), Verdict.WRITE),
        (enum(1, "Off", "On"), enum(0, "Open", "Closed"), Verdict.TYPE_MISMATCH),
        (enum(1, "Off", "On"), enum(0, "Off"), Verdict.TYPE_MISMATCH),
        (enum(1), enum(0, "Off", "On"), Verdict.WRITE),
        (limited(5.0, 10.0, -10.0), limited(0.0, 4.0, -4.0), Verdict.OUTSIDE_LIMITS),
        (limited(-5.0, 10.0, -10.0), limited(0.0, 4.0, -4.0), Verdict.OUTSIDE_LIMITS),
        (limited(INF, 10.0, -10.0), limited(0.0, 4.0, -4.0), Verdict.OUTSIDE_LIMITS),
        (limited(4.0, 10.0, -10.0), limited(0.0, 4.0, -4.0), Verdict.WRITE),
        (limited(5.0, 10.0, -10.0), limited(0.0, 0.0, 0.0), Verdict.WRITE),
        (limited(5.0, 10.0, -10.0), limited(5.0, 4.0, -4.0), Verdict.EQUAL),
        (limited(5, 10.0, -10.0, ValueType.LONG), limited(0, 4.0, -4.0, ValueType.LONG), Verdict.OUTSIDE_LIMITS),
        (
            limited(np.array([0.0, 5.0]), 9.0, -9.0),
            limited(np.array([0.0, 1.0]), 4.0, -4.0),
            Verdict.OUTSIDE_LIMITS,
        ),
        (limited(np.array([NAN]), 9.0, -9.0), limited(np.array([0.0]), 4.0, -4.0), Verdict.WRITE),
        (limited(np.array([]), 9.0, -9.0), limited(np.array([0.0]), 4.0, -4.0), Verdict.WRITE),
    ],
)
def test_verdicts(saved: Channel, now: Channel, expected: Verdict) -> None:
    found, reason = verdict(saved, now)
    assert found is expected
    assert reason


def test_options_that_widen_a_plan() -> None:
    assert verdict(double(1.0, stale=True), double(2.0), RestoreOptions(include_stale=True))[0] is Verdict.WRITE
    outside = limited(5.0, 10.0, -10.0), limited(0.0, 4.0, -4.0)
    assert verdict(*outside, RestoreOptions(ignore_limits=True))[0] is Verdict.WRITE


def test_reasons_name_what_is_wrong() -> None:
    assert "was 'On', means 'Closed' today" in verdict(enum(1, "Off", "On"), enum(0, "Open", "Closed"))[1]
    assert "-4 to 4" in verdict(limited(5.0, 10.0, -10.0), limited(0.0, 4.0, -4.0))[1]
    assert verdict(Channel(ValueType.LONG, 1), double(1.0))[1] == "is a double today, was a long"


def test_no_write_access() -> None:
    target, now = capture_of([setpoint("X", double(1.0))]), frame_of([double(2.0)])
    now.rows["flags"] &= ~np.uint8(Flag.WRITABLE)
    found = judge(target, np.array([0]), now, np.array([False]), RestoreOptions())
    assert VERDICTS[found.verdicts[0]] is Verdict.NO_ACCESS


def test_read_only_goes_before_everything() -> None:
    target = capture_of([replace(setpoint("X", NEVER), read_only=True)])
    found = judge(target, np.array([0]), frame_of([NEVER]), np.array([False]), RestoreOptions())
    assert VERDICTS[found.verdicts[0]] is Verdict.READ_ONLY
