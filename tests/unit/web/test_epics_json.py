"""Readings as JSON."""

from __future__ import annotations

import json
import math
from typing import Any

import numpy as np
import orjson
import pytest

from backend.src.infra.epics.frame import Flag, Frame, Interned, ValueType, empty_meta
from backend.src.web.epics_json import STATUS_NAMES, entries, epics_values, json_text, json_value, json_values
from tests.unit.services.readings import batch, described


def frame_of(values: list[Any], kind: ValueType, **fields: Any) -> Frame:
    made = batch(dict(enumerate(values)), kind, **fields)
    return Frame(made.rows, empty_meta(len(values)), dict(made.objects), Interned())


def through_json(value: Any) -> Any:
    """As a strict reader, such as a browser, sees it."""

    def refuse(constant: str) -> None:
        raise AssertionError(f"{constant} is no JSON")

    return json.loads(orjson.dumps(value), parse_constant=refuse)


@pytest.mark.parametrize("kind", [ValueType.DOUBLE, ValueType.FLOAT])
def test_numbers_that_json_lacks_travel_as_names(kind: ValueType) -> None:
    frame = frame_of([1.5, math.nan, math.inf, -math.inf, -0.0], kind)
    assert through_json(json_values(frame)) == [1.5, "NaN", "Infinity", "-Infinity", -0.0]


@pytest.mark.parametrize(
    ("kind", "value"),
    [
        (ValueType.LONG, -(2**31)),
        (ValueType.CHAR, 255),
        (ValueType.ENUM, 1),
        (ValueType.INT64, -(2**63)),
        (ValueType.INT64, 2**53 + 1),
        (ValueType.UINT64, 2**64 - 1),
        (ValueType.BOOLEAN, True),
        (ValueType.STRING, ""),
        (ValueType.LONG_STRING, "a long text, ünïcödé"),
    ],
)
def test_every_scalar_comes_back(kind: ValueType, value: Any) -> None:
    back = through_json(json_values(frame_of([value], kind)))[0]
    assert back == value
    assert type(back) is type(value)


def test_arrays_become_lists() -> None:
    assert json_value(np.array([1.0, math.nan, -math.inf])) == [1.0, "NaN", "-Infinity"]
    assert json_value(np.array([math.nan], np.float32)) == ["NaN"]
    assert json_value(np.array([0, 255], np.uint8)) == [0, 255]
    assert json_value(np.array([2**64 - 1], np.uint64)) == [2**64 - 1]
    assert json_value(np.array([True, False])) == [True, False]
    assert json_value(np.array([])) == []
    assert json_value(["a", "", "\udcff"]) == ["a", "", "�"]


def test_bits_of_integers_that_would_be_nan_are_integers() -> None:
    nan_bits = int(np.float64(math.nan).view(np.int64))
    assert json_values(frame_of([nan_bits, 1], ValueType.INT64)) == [nan_bits, 1]


@pytest.mark.parametrize("bad", ["\udce9t\udcff", "\ud800", "a\udfffb"])
def test_text_that_is_not_utf8_has_its_bad_bytes_replaced(bad: str) -> None:
    assert "�" in through_json(json_text(bad))
    assert json_text("naïve 😀") == "naïve 😀"


def test_an_entry_says_all(monkeypatch: pytest.MonkeyPatch) -> None:
    made = described(batch({0: 1}, ValueType.ENUM, severity=2, status=3), ["mA"], [("Off", "On")])
    made.meta["precision"] = 3
    (entry,) = entries(Frame(made.rows, made.meta, {}, made.interned), [False])
    assert entry == {
        "value": 1,
        "connected": True,
        "updated_at": 1_700_000_001.0,
        "status": "HIHI",
        "severity": 2,
        "timestamp": 1_700_000_000.1234567,
        "timestampNs": 1_700_000_000_123_456_789,
        "units": "mA",
        "error": None,
        "enumLabel": "On",
        "precision": 3,
        "stale": False,
    }


def test_a_channel_never_seen_is_present_and_empty() -> None:
    frame = frame_of([0.0], ValueType.NONE, flags=0, time_ns=0, received_ns=0)
    (entry,) = entries(frame, [True])
    assert entry["value"] is None and entry["connected"] is False and entry["stale"] is True
    assert entry["error"] == "never connected"
    assert [entry[key] for key in ("status", "severity", "timestamp", "timestampNs", "updated_at")] == [None] * 5


def test_a_disconnected_channel_keeps_its_value() -> None:
    (entry,) = entries(frame_of([4.5], ValueType.DOUBLE, flags=0), [True])
    assert (entry["value"], entry["connected"], entry["error"]) == (4.5, False, "disconnected")


def test_an_enum_beyond_its_labels_has_none() -> None:
    made = described(batch({0: 7, 1: 0}, ValueType.ENUM), ["", ""], [("Off", "On"), ()])
    labels = [entry["enumLabel"] for entry in entries(Frame(made.rows, made.meta, {}, made.interned), [False, False])]
    assert labels == [None, None]


def test_an_unknown_status_has_a_name() -> None:
    frame = frame_of([1.0, 1.0], ValueType.DOUBLE)
    frame.rows["status"] = [len(STATUS_NAMES), 17]
    assert [entry["status"] for entry in entries(frame, [False, False])] == ["STATUS_22", "UDF"]


def test_epics_values_carry_limits_and_age() -> None:
    frame = frame_of([1.0, np.array([1.0])], ValueType.DOUBLE)
    frame.meta["limits"][0] = [math.nan] * 6 + [10.0, -math.inf]
    first, second = epics_values(frame, [2.5, None])
    assert (first["upper_ctrl_limit"], first["lower_ctrl_limit"]) == (10.0, "-Infinity")
    assert (first["ageSeconds"], first["type"], first["connected"]) == (2.5, "double", True)
    assert (second["upper_ctrl_limit"], second["value"], second["ageSeconds"]) == (None, [1.0], None)
    assert frame.rows["flags"][1] & Flag.ARRAY
