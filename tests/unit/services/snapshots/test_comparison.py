"""Comparison: symmetric, reflexive, exact where it must be and tolerant where it may."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from backend.src.infra.epics.frame import ValueType
from backend.src.services.snapshots.capture import Role
from backend.src.services.snapshots.comparison import Comparison, compare
from tests.unit.services.snapshots.captures import NEVER, Channel, MadePv, capture_of, double, setpoint
from tests.unit.services.snapshots.test_archive import channels, made_pvs

NAN, INF = float("nan"), float("inf")


def between(left: Channel, right: Channel, *, tolerance: float | None = None, **of_pv: Any) -> bool:
    """Whether one PV's two readings agree; both ways round."""
    first, second = capture_of([setpoint("X", left, **of_pv)]), capture_of([setpoint("X", right, **of_pv)])
    there, back = compare(first, second, tolerance), compare(second, first, tolerance)
    assert there.within.tolist() == back.within.tolist()
    return bool(there.within[0])


def of(kind: ValueType, value: Any) -> Channel:
    return Channel(kind, value)


@pytest.mark.parametrize(
    ("left", "right", "same"),
    [
        (double(1.0), double(1.0), True),
        (double(1.0), double(np.nextafter(1.0, 2.0)), False),
        (double(NAN), double(NAN), True),
        (double(NAN), double(0.0), False),
        (double(INF), double(INF), True),
        (double(INF), double(-INF), False),
        (double(0.0), double(-0.0), True),
        (of(ValueType.INT64, 2**53), of(ValueType.INT64, 2**53 + 1), False),
        (of(ValueType.UINT64, 2**64 - 1), of(ValueType.UINT64, 2**64 - 2), False),
        (of(ValueType.LONG, 1), of(ValueType.DOUBLE, 1.0), False),
        (of(ValueType.LONG, 0), of(ValueType.DOUBLE, 0.0), False),
        (of(ValueType.LONG, 1), of(ValueType.SHORT, 1), False),
        (of(ValueType.STRING, "1"), of(ValueType.STRING, "1 "), False),
        (of(ValueType.STRING, ""), of(ValueType.STRING, ""), True),
        (of(ValueType.STRING, "a"), of(ValueType.STRING, ["a"]), False),
        (of(ValueType.STRING, ["a", "b"]), of(ValueType.STRING, ["a", "b"]), True),
        (of(ValueType.STRING, ["a"]), of(ValueType.STRING, ["a", ""]), False),
        (of(ValueType.DOUBLE, np.array([1.0, NAN])), of(ValueType.DOUBLE, np.array([1.0, NAN])), True),
        (of(ValueType.DOUBLE, np.array([1.0])), of(ValueType.DOUBLE, np.array([1.0, 1.0])), False),
        (of(ValueType.DOUBLE, np.array([])), of(ValueType.DOUBLE, np.array([])), True),
        (of(ValueType.DOUBLE, 1.0), of(ValueType.DOUBLE, np.array([1.0])), False),
        (of(ValueType.BOOLEAN, True), of(ValueType.BOOLEAN, False), False),
        (NEVER, NEVER, True),
        (NEVER, double(0.0), False),
        (double(1.0), double(1.0, connected=False), False),
    ],
)
def test_without_tolerance(left: Channel, right: Channel, same: bool) -> None:
    assert between(left, right) is same


@pytest.mark.parametrize(
    ("left", "right", "absolute", "relative", "same"),
    [
        (double(1.0), double(1.5), 0.5, 0.0, True),
        (double(1.0), double(1.5001), 0.5, 0.0, False),
        (double(100.0), double(101.0), 0.0, 0.01, True),
        (double(-100.0), double(-102.0), 0.0, 0.01, False),
        (double(INF), double(1.0), 1e300, 1.0, False),
        (double(NAN), double(1.0), 1e300, 1.0, False),
        (double(1e308), double(-1e308), 1.0, 0.0, False),
        (of(ValueType.LONG, 10), of(ValueType.LONG, 12), 2.0, 0.0, True),
        (of(ValueType.LONG, 10), of(ValueType.LONG, 12), 1.9, 0.0, False),
        (of(ValueType.INT64, 2**62), of(ValueType.INT64, 2**62 + 2), 1.0, 0.0, False),
        (of(ValueType.INT64, -(2**63)), of(ValueType.INT64, 2**63 - 1), 1e18, 0.0, False),
        (of(ValueType.INT64, -(2**63)), of(ValueType.INT64, 2**63 - 1), 1e20, 0.0, True),
        (of(ValueType.ENUM, 1), of(ValueType.ENUM, 2), 5.0, 0.0, False),
        (of(ValueType.DOUBLE, np.array([1.0, 2.0])), of(ValueType.DOUBLE, np.array([1.1, 2.1])), 0.2, 0.0, True),
        (of(ValueType.DOUBLE, np.array([1.0, 2.0])), of(ValueType.DOUBLE, np.array([1.1, 2.3])), 0.2, 0.0, False),
        (of(ValueType.CHAR, np.array([0], np.uint8)), of(ValueType.CHAR, np.array([255], np.uint8)), 1.0, 0.0, False),
        (of(ValueType.ENUM, np.array([0])), of(ValueType.ENUM, np.array([1])), 5.0, 0.0, False),
    ],
)
def test_tolerances_of_the_pv(left: Channel, right: Channel, absolute: float, relative: float, same: bool) -> None:
    assert between(left, right, abs_tolerance=absolute, rel_tolerance=relative) is same


def test_an_asked_tolerance_takes_the_place_of_the_pvs_own() -> None:
    assert between(double(1.0), double(1.4), tolerance=0.5)
    assert not between(double(1.0), double(1.4), tolerance=0.1, abs_tolerance=1.0)


def test_the_larger_tolerance_of_the_two_counts() -> None:
    first = capture_of([setpoint("X", double(1.0), abs_tolerance=1.0)])
    second = capture_of([setpoint("X", double(1.5))])
    assert compare(first, second).match_count == compare(second, first).match_count == 1


def test_enums_are_compared_by_index_and_not_by_label() -> None:
    left, right = Channel(ValueType.ENUM, 1, choices=("Off", "On")), Channel(ValueType.ENUM, 1, choices=("Zu", "Auf"))
    assert between(left, right)


def test_fields_are_compared_each_for_itself() -> None:
    both = {Role.SETPOINT: double(1.0), Role.READBACK: double(1.1)}
    first = capture_of([MadePv("X", both)])
    second = capture_of([MadePv("X", {**both, Role.READBACK: double(1.2)})])
    found = compare(first, second)
    assert (found.match_count, found.difference_count) == (1, 1)
    assert first.roles[found.pairs.rows1[~found.within]].tolist() == [Role.READBACK]


def test_what_only_one_has_is_told_apart() -> None:
    first = capture_of([setpoint("A", double(1.0), id=1), setpoint("B", double(1.0), id=2)])
    second = capture_of([setpoint("B", double(1.0), id=2), setpoint("C", double(1.0), id=3)])
    found = compare(first, second)
    assert ([first.addresses[row] for row in found.only_in_1], [second.addresses[row] for row in found.only_in_2]) == (
        ["ca://A:setpoint"],
        ["ca://C:setpoint"],
    )
    assert found.match_count == 1


def test_a_pv_that_was_imported_anew_is_found_by_its_name() -> None:
    first, second = capture_of([setpoint("A", double(1.0), id=1)]), capture_of([setpoint("A", double(2.0), id=9)])
    assert compare(first, second).difference_count == 1


def test_an_id_goes_before_a_name() -> None:
    first = capture_of([setpoint("A", double(1.0), id=1), setpoint("B", double(2.0), id=2)])
    second = capture_of([setpoint("A", double(2.0), id=2), setpoint("B", double(1.0), id=1)])
    assert compare(first, second).match_count == 2


def test_differences_come_in_name_order() -> None:
    first = capture_of([setpoint(name, double(1.0), id=number) for name, number in (("A", 7), ("B", 2), ("C", 5))])
    second = capture_of([setpoint(name, double(2.0), id=number) for name, number in (("A", 7), ("B", 2), ("C", 5))])
    assert compare(first, second).pairs.rows1.tolist() == [0, 1, 2]


@settings(max_examples=100, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(made_pvs())
def test_a_capture_agrees_with_itself(pvs: list[MadePv]) -> None:
    capture = capture_of(pvs)
    found = compare(capture, capture)
    assert found.difference_count == 0
    assert found.match_count == len(capture)


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.lists(st.tuples(channels(), channels()), min_size=1, max_size=5), st.floats(0, 1e6), st.floats(0, 1))
def test_comparison_is_symmetric(both: list[tuple[Channel, Channel]], absolute: float, relative: float) -> None:
    limits = {"abs_tolerance": absolute, "rel_tolerance": relative}
    first = capture_of([setpoint(f"P{n}", left, **limits) for n, (left, _) in enumerate(both)])
    second = capture_of([setpoint(f"P{n}", right) for n, (_, right) in enumerate(both)])
    assert mirrored(compare(first, second)) == mirrored(compare(second, first))


@given(st.integers(-(2**63), 2**63 - 1), st.integers(-(2**63), 2**63 - 1), st.integers(0, 2**53))
def test_integers_agree_exactly_as_in_arithmetic(left: int, right: int, tolerance: int) -> None:
    channels = of(ValueType.INT64, left), of(ValueType.INT64, right)
    assert between(*channels, abs_tolerance=float(tolerance)) is (abs(left - right) <= tolerance)


def mirrored(found: Comparison) -> tuple[list[bool], int, int]:
    return found.within.tolist(), found.match_count, found.difference_count


def test_a_changed_connection_is_a_difference_of_arrays_too() -> None:
    channel = of(ValueType.DOUBLE, np.array([1.0]))
    assert not between(channel, replace(channel, connected=False))
