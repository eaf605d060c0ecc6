"""JSON by columns says the same as JSON by rows, to the last bit."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import orjson
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from backend.src.infra.epics.address import Protocol
from backend.src.infra.epics.frame import Frame, ValueType
from backend.src.services.catalog import TagRef
from backend.src.services.snapshots.capture import Role
from backend.src.web import column_json
from backend.src.web.epics_json import json_values
from backend.src.web.pv_values_json import pv_values_json
from backend.src.web.snapshot_json import values_json
from tests.unit.services.snapshots.captures import Channel, MadePv, capture_of, double, frame_of, setpoint
from tests.unit.services.snapshots.test_archive import made_pvs


def plain(frame: Frame) -> Any:
    return orjson.loads(column_json.array(column_json.values(frame)))


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(made_pvs())
def test_the_same_as_by_rows(pvs: list[MadePv]) -> None:
    capture = capture_of(pvs)
    got = orjson.loads(pv_values_json(capture, Protocol.CA))
    by_rows = orjson.loads(orjson.dumps(values_json(capture)))
    assert plain(capture.frame) == orjson.loads(orjson.dumps(json_values(capture.frame)))
    row = 0
    for pv, made in zip(got, pvs, strict=True):
        assert pv["pvName"] == made.name
        assert pv["tags"] == [{"id": str(ref.id), "name": ref.name, "groupName": ref.group_name} for ref in made.tags]
        first = None
        for role in Role:
            if role in made.channels:
                assert pv[f"{role.label}Value"] == by_rows[row]
                assert pv[f"{role.label}Name"] == capture.addresses[row].removeprefix("ca://")
                first = first or by_rows[row]
                row += 1
            else:
                assert pv[f"{role.label}Value"] is None
                assert pv[f"{role.label}Name"] is None
        assert first is not None
        assert {name: pv[name] for name in ("status", "severity", "timestamp")} == {
            name: first[name] for name in ("status", "severity", "timestamp")
        }


@given(st.lists(st.floats(), min_size=1))
def test_doubles_come_back_bit_for_bit(values: list[float]) -> None:
    got = plain(frame_of([double(value) for value in values]))
    for value, back in zip(values, got, strict=True):
        if math.isfinite(value):
            assert isinstance(back, float)
            assert np.float64(back).tobytes() == np.float64(value).tobytes()
        else:
            assert back == ("NaN" if math.isnan(value) else "Infinity" if value > 0 else "-Infinity")


@pytest.mark.parametrize(
    ("kind", "value", "text"),
    [
        (ValueType.DOUBLE, 1.0, b"1.0"),
        (ValueType.DOUBLE, -0.0, b"-0.0"),
        (ValueType.DOUBLE, 1e22, b"1e+22"),
        (ValueType.INT64, 2**53 + 1, b"9007199254740993"),
        (ValueType.UINT64, 2**64 - 1, b"18446744073709551615"),
        (ValueType.BOOLEAN, True, b"true"),
        (ValueType.STRING, 'a"b', rb'"a\"b"'),
        (ValueType.STRING, "", b'""'),
    ],
)
def test_how_values_are_written(kind: ValueType, value: Any, text: bytes) -> None:
    assert column_json.array(column_json.values(frame_of([Channel(kind, value)]))) == b"[" + text + b"]"


def test_no_rows() -> None:
    assert column_json.array(column_json.texts([])) == b"[]"
    capture = capture_of([setpoint("A", double(1.0))]).take_pvs(np.array([], np.int64))
    assert pv_values_json(capture, Protocol.CA) == b"[]"


def test_names_and_tags_are_escaped() -> None:
    tags = (TagRef(1, 'a"\\', 2, "é"),)
    got = orjson.loads(pv_values_json(capture_of([setpoint('na"me', double(1.0), tags=tags)]), Protocol.CA))
    assert got[0]["pvName"] == 'na"me'
    assert got[0]["tags"] == [{"id": "1", "name": 'a"\\', "groupName": "é"}]
