"""An archive gives back what was put in, bit for bit, and says so when it cannot."""

from __future__ import annotations

import io
from dataclasses import replace
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from backend.src.infra.epics.frame import META, ROW, Flag, ValueType
from backend.src.services.catalog.models import TagRef
from backend.src.services.snapshots import archive, value_columns
from backend.src.services.snapshots.capture import Capture, Role
from backend.src.services.snapshots.errors import ArchiveDamaged
from tests.unit.services.snapshots.captures import NEVER, Channel, MadePv, capture_of, double, setpoint

INTEGERS = {
    ValueType.LONG: (-(2**31), 2**31 - 1),
    ValueType.SHORT: (-(2**15), 2**15 - 1),
    ValueType.CHAR: (0, 255),
    ValueType.ENUM: (0, 65535),
    ValueType.INT8: (-128, 127),
    ValueType.UINT16: (0, 65535),
    ValueType.UINT32: (0, 2**32 - 1),
    ValueType.INT64: (-(2**63), 2**63 - 1),
    ValueType.UINT64: (0, 2**64 - 1),
}
raw_text = st.binary(max_size=60).map(value_columns.from_bytes)
clean_text = st.text(st.characters(exclude_categories=["Cs"]), max_size=60)
any_text = st.one_of(clean_text, raw_text)


def scalars(kind: ValueType) -> st.SearchStrategy[Any]:
    if kind in (ValueType.STRING, ValueType.LONG_STRING):
        return any_text
    if kind is ValueType.BOOLEAN:
        return st.booleans()
    if kind in INTEGERS:
        return st.integers(*INTEGERS[kind])
    return st.floats(width=32 if kind is ValueType.FLOAT else 64)


def arrays(kind: ValueType) -> st.SearchStrategy[Any]:
    if kind in (ValueType.STRING, ValueType.LONG_STRING):
        return st.lists(any_text, max_size=5)
    return hnp.arrays(value_columns.ELEMENT[kind], st.integers(0, 5))


@st.composite
def channels(draw: st.DrawFn) -> Channel:
    kind = draw(st.sampled_from([kind for kind in ValueType if kind is not ValueType.NONE]))
    choices = tuple(draw(st.lists(clean_text, max_size=4))) if kind is ValueType.ENUM else ()
    return Channel(
        kind,
        draw(st.one_of(scalars(kind), arrays(kind))),
        connected=draw(st.booleans()),
        severity=draw(st.integers(0, 3)),
        choices=choices,
        units=draw(clean_text),
        precision=draw(st.integers(-1, 15)),
        limits=tuple(draw(st.lists(st.floats(), min_size=8, max_size=8))),
        time_ns=draw(st.sampled_from([0, 1, 1_700_000_000_123_456_789])),
        metadata=True,
        stale=draw(st.booleans()),
    )


tag_sets = st.lists(
    st.sampled_from([TagRef(n, f"tag {n}", n % 2, f"group {n % 2}") for n in range(1, 5)]), unique=True, max_size=3
).map(tuple)


@st.composite
def made_pvs(draw: st.DrawFn) -> list[MadePv]:
    roles = st.lists(st.sampled_from(list(Role)), min_size=1, unique=True)
    channel = st.one_of(channels(), st.just(NEVER))
    return [
        MadePv(
            draw(clean_text.filter(bool)),
            {role: draw(channel) for role in draw(roles)},
            abs_tolerance=draw(st.floats(0, 10)),
            rel_tolerance=draw(st.floats(0, 1)),
            read_only=draw(st.booleans()),
            tags=draw(tag_sets),
        )
        for _ in range(draw(st.integers(1, 6)))
    ]


def same(left: Capture, right: Capture) -> None:
    """Equal in every part, NaN included."""
    assert left.header == right.header
    assert left.addresses == right.addresses
    for name in ("pv_row", "roles", "sources", "stale"):
        np.testing.assert_array_equal(getattr(left, name), getattr(right, name))
    for name in ("names", "devices", "descriptions", "tags"):
        assert getattr(left.pvs, name) == getattr(right.pvs, name)
    for name in ("ids", "abs_tolerance", "rel_tolerance", "read_only"):
        np.testing.assert_array_equal(getattr(left.pvs, name), getattr(right.pvs, name))
    for name in set(ROW.names or ()) - {"padding"}:
        np.testing.assert_array_equal(left.frame.rows[name], right.frame.rows[name], err_msg=name)
    for name in set(META.names or ()) - {"padding", "units", "choices"}:
        np.testing.assert_array_equal(left.frame.meta[name], right.frame.meta[name], err_msg=name)
    for row in range(len(left)):
        assert left.frame.choices(row) == right.frame.choices(row)
        assert left.frame.enum_label(row) == right.frame.enum_label(row)
        units = [c.frame.interned.units[int(c.frame.meta["units"][row])] for c in (left, right)]
        assert units[0] == units[1]
    assert left.frame.objects.keys() == right.frame.objects.keys()
    for row, value in left.frame.objects.items():
        same_object(value, right.frame.objects[row])


def same_object(left: Any, right: Any) -> None:
    if isinstance(left, np.ndarray):
        assert left.dtype == right.dtype
        assert left.tobytes() == right.tobytes()  # bits: -0.0 and the payload of a NaN too
    else:
        assert left == right


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(made_pvs())
def test_everything_comes_back_exactly(pvs: list[MadePv]) -> None:
    capture = capture_of(pvs)
    same(capture, archive.read(archive.write(capture), "s"))


@pytest.mark.parametrize(
    ("kind", "value"),
    [
        (ValueType.DOUBLE, float("nan")),
        (ValueType.DOUBLE, float("inf")),
        (ValueType.DOUBLE, -0.0),
        (ValueType.INT64, 2**53 + 1),
        (ValueType.INT64, -(2**63)),
        (ValueType.UINT64, 2**64 - 1),
        (ValueType.BOOLEAN, True),
        (ValueType.STRING, ""),
        (ValueType.STRING, "x" * 39),
        (ValueType.STRING, "Größe µ 日本"),
        (ValueType.STRING, "latin \udcb5"),
        (ValueType.LONG_STRING, "long " * 2000),
        (ValueType.STRING, ["a", "", "b" * 39]),
        (ValueType.STRING, []),
        (ValueType.DOUBLE, np.array([np.nan, -0.0, np.inf])),
        (ValueType.DOUBLE, np.array([])),
        (ValueType.FLOAT, np.array([1.5], np.float32)),
        (ValueType.UINT64, np.array([2**64 - 1], np.uint64)),
    ],
)
def test_hard_values_come_back(kind: ValueType, value: Any) -> None:
    capture = capture_of([setpoint("X", Channel(kind, value))])
    frame = archive.read(archive.write(capture), "s").frame
    if isinstance(value, np.ndarray):
        same_object(value, frame.value(0))
    else:
        assert repr(frame.value(0)) == repr(value)  # repr tells -0.0 from 0.0 and True from 1


def test_a_pv_never_seen_has_no_value() -> None:
    capture = capture_of([setpoint("X", NEVER), setpoint("Y", double(1.0))])
    table = pq.read_table(pa.BufferReader(archive.write(capture)))
    values = [name for name in table.column_names if name.startswith("value_")]
    assert all(table.column(name)[0].as_py() is None for name in values)
    assert table.column("value_double")[1].as_py() == 1.0


def test_nan_is_a_value_in_the_file_and_not_null() -> None:
    table = pq.read_table(pa.BufferReader(archive.write(capture_of([setpoint("X", double(float("nan")))]))))
    assert table.column("value_double").null_count == 0


def test_enum_keeps_index_label_and_choices() -> None:
    channel = Channel(ValueType.ENUM, 1, choices=("Off", "On"))
    table = pq.read_table(pa.BufferReader(archive.write(capture_of([setpoint("X", channel)]))))
    row = table.to_pylist()[0]
    assert (row["value_int64"], row["enum_label"], row["enum_choices"]) == (1, "On", ["Off", "On"])


def test_enum_index_without_a_label_keeps_the_index() -> None:
    channel = Channel(ValueType.ENUM, 7, choices=("Off", "On"))
    back = archive.read(archive.write(capture_of([setpoint("X", channel)])), "s")
    assert back.frame.value(0) == 7
    assert back.frame.enum_label(0) is None


def test_units_that_are_no_utf8_become_readable() -> None:
    capture = capture_of([setpoint("X", double(1.0, units="\udcb0C"))])
    frame = archive.read(archive.write(capture), "s").frame
    assert frame.interned.units[int(frame.meta["units"][0])] == "°C"


def test_the_file_says_what_it_is() -> None:
    metadata = pq.read_schema(io.BytesIO(archive.write(capture_of([setpoint("X", double(1.0))])))).metadata
    assert b'"format": "larder-snapshot"' in metadata[b"larder"]
    assert b'"version": 1' in metadata[b"larder"]
    assert b'"machine": "test"' in metadata[b"larder"]


def test_the_schema_is_the_documented_one() -> None:
    content = archive.write(capture_of([setpoint("X", double(1.0))]))
    assert pq.read_schema(io.BytesIO(content)).equals(archive.SCHEMA)


@pytest.mark.parametrize("content", [b"", b"PAR1", b"not parquet at all" * 10])
def test_a_damaged_archive_names_its_snapshot(content: bytes) -> None:
    with pytest.raises(ArchiveDamaged, match="snapshot 42"):
        archive.read(content, "snapshot 42")


def test_a_truncated_archive_is_damaged() -> None:
    content = archive.write(capture_of([setpoint("X", double(1.0))]))
    with pytest.raises(ArchiveDamaged):
        archive.read(content[: len(content) // 2], "s")


def test_a_foreign_parquet_file_is_refused() -> None:
    sink = io.BytesIO()
    pq.write_table(pa.table({"a": [1]}), sink)
    with pytest.raises(ArchiveDamaged, match="no Larder snapshot"):
        archive.read(sink.getvalue(), "s")


def test_a_later_version_is_refused_by_number(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(archive, "VERSION", 2)
    content = archive.write(capture_of([setpoint("X", double(1.0))]))
    monkeypatch.undo()
    with pytest.raises(ArchiveDamaged, match="version 2"):
        archive.read(content, "s")


def test_row_groups_of_another_writer_are_read() -> None:
    capture = capture_of([setpoint(f"P{n}", double(float(n))) for n in range(10)])
    table = pq.read_table(pa.BufferReader(archive.write(capture)))
    sink = io.BytesIO()
    pq.write_table(table, sink, row_group_size=3)
    same(capture, archive.read(sink.getvalue(), "s"))


def test_taking_some_pvs_keeps_their_channels_and_values() -> None:
    pvs = [
        MadePv(name, {Role.SETPOINT: double(n), Role.READBACK: Channel(ValueType.STRING, f"text {n}")})
        for n, name in enumerate("ABC")
    ]
    some = capture_of(pvs).take_pvs(np.array([0, 2]))
    assert some.pvs.names == ["A", "C"]
    assert [some.frame.value(row) for row in range(4)] == [0.0, "text 0", 2.0, "text 2"]
    assert some.pv_row.tolist() == [0, 0, 1, 1]


def test_counts_tell_pvs_by_their_worst_channel() -> None:
    pvs = [
        MadePv("A", {Role.SETPOINT: double(1.0), Role.READBACK: NEVER}),
        MadePv("B", {Role.SETPOINT: double(1.0, stale=True), Role.READBACK: double(1.0, severity=2)}),
        MadePv("C", {Role.SETPOINT: double(1.0)}),
    ]
    counts = capture_of(pvs).counts
    assert (counts.captured, counts.stale, counts.disconnected, counts.alarm) == (1, 1, 1, 1)


def test_age_is_the_time_since_the_value_arrived() -> None:
    capture = capture_of([setpoint("A", double(1.0)), setpoint("B", NEVER)])
    assert capture.age_s[0] == pytest.approx(5e-9)
    assert np.isnan(capture.age_s[1])


def test_flags_of_a_live_frame_survive() -> None:
    capture = capture_of([setpoint("A", replace(double(1.0), metadata=False))])
    flags = archive.read(archive.write(capture), "s").frame.rows["flags"][0]
    assert flags == Flag.CONNECTED | Flag.WRITABLE
