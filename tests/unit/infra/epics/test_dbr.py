"""The layouts are those of libca, and structures become rows without loss."""

from __future__ import annotations

import ctypes
import struct

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from backend.src.infra.epics import dbr, libca
from backend.src.infra.epics.frame import Flag, Interned, ValueType, empty_rows, row_value

BITS_64 = st.integers(0, 2**64 - 1)


def libca_table(name: str) -> list[int]:
    return list((ctypes.c_ushort * 39).in_dll(libca.library, name))


@pytest.mark.parametrize("native", dbr.NATIVE_TYPES)
def test_layouts_agree_with_libca(native: int) -> None:
    sizes, offsets = libca_table("dbr_size"), libca_table("dbr_value_offset")
    for layouts, family in ((dbr.TIME_LAYOUTS, dbr.TIME), (dbr.CONTROL_LAYOUTS, dbr.CTRL)):
        layout = layouts[native]
        assert layout.fields is not None
        assert layout.itemsize == sizes[family + native]
        assert layout.fields["value"][1] == offsets[family + native]


def stamped(native: int, values: list[object], seconds: int = 0, nanoseconds: int = 0) -> np.ndarray:
    structures = np.zeros(len(values), dbr.TIME_LAYOUTS[native])
    structures["value"] = values
    structures["seconds"], structures["nanoseconds"] = seconds, nanoseconds
    return structures


@given(st.lists(BITS_64, min_size=1))
def test_every_double_keeps_its_bits(bits: list[int]) -> None:
    structures = np.zeros(len(bits), dbr.TIME_LAYOUTS[dbr.DOUBLE])
    structures["value"] = np.array(bits, np.uint64).view(np.float64)
    rows = empty_rows(len(bits))
    assert dbr.scalar_rows(dbr.DOUBLE, structures, rows) is None
    assert rows["value"].tolist() == bits


@pytest.mark.parametrize(
    ("native", "values"),
    [
        (dbr.SHORT, [-32768, 32767]), (dbr.ENUM, [0, 65535]), (dbr.CHAR, [0, 255]), (dbr.LONG, [-(2**31), 2**31 - 1]),
        (dbr.FLOAT, [0.5, -0.0, np.inf]), (dbr.STRING, [b"", b"\xb5", b"x" * 40]),
    ],
)  # fmt: skip
def test_scalars_of_the_other_types(native: int, values: list[object]) -> None:
    rows = empty_rows(len(values))
    texts = dbr.scalar_rows(native, stamped(native, values), rows)
    found = [row_value(row, texts[at] if texts else None) for at, row in enumerate(rows)]
    assert found == (["", "\udcb5", "x" * 40] if native == dbr.STRING else values)
    assert set(rows["type"].tolist()) == {dbr.VALUE_TYPES[native]}


@given(st.integers(0, 2**32 - 1), st.integers(0, 999_999_999))
def test_time_stamps_are_exact(seconds: int, nanoseconds: int) -> None:
    rows = empty_rows(1)
    dbr.scalar_rows(dbr.LONG, stamped(dbr.LONG, [1], seconds, nanoseconds), rows)
    expected = (seconds + 631_152_000) * 10**9 + nanoseconds if seconds or nanoseconds else 0
    assert int(rows["time_ns"][0]) == expected


@given(st.binary(max_size=60))
def test_text_survives_whatever_its_bytes(raw: bytes) -> None:
    assert dbr.text(raw).encode("utf-8", "surrogateescape") == raw.split(b"\0")[0]


def test_a_buffer_tells_what_arrived() -> None:
    buffer = np.full(3 * 24, dbr.NEVER, np.uint8).view(dbr.TIME_LAYOUTS[dbr.DOUBLE])
    buffer[1] = np.zeros((), dbr.TIME_LAYOUTS[dbr.DOUBLE])
    assert dbr.arrived(buffer).tolist() == [False, True, False]


@pytest.mark.parametrize("count", [0, 1, 3])
def test_arrays_have_the_elements_that_were_sent(count: int) -> None:
    raw = struct.pack("<HHIIi", 4, 1, 10, 20, 0) + struct.pack(f"<{count}d", *range(count))
    rows = empty_rows(1)
    value = dbr.array_row(dbr.DOUBLE, count, raw, long_string=False, row=rows)
    assert value.tolist() == list(range(count))
    assert (int(rows["count"][0]), int(rows["severity"][0])) == (count, 1)
    assert int(rows["flags"][0]) == Flag.ARRAY | Flag.OBJECT


def test_a_char_array_may_be_text() -> None:
    raw = bytes(15) + b"text\0rest"
    rows = empty_rows(1)
    assert dbr.array_row(dbr.CHAR, 9, raw, long_string=True, row=rows) == "text"
    assert (rows["type"][0], rows["count"][0], rows["flags"][0]) == (ValueType.LONG_STRING, 1, Flag.OBJECT)


def test_metadata_is_interned() -> None:
    control = np.zeros(3, dbr.CONTROL_LAYOUTS[dbr.DOUBLE])
    control["units"], control["precision"] = [b"mA", b"", b"mA"], [3, 0, 5]
    control["limits"][:, 0] = 7.0
    interned = Interned()
    meta = dbr.meta_rows(dbr.DOUBLE, control, interned)
    assert [interned.units[at] for at in meta["units"]] == ["mA", "", "mA"]
    assert meta["precision"].tolist() == [3, 0, 5]
    assert meta["limits"][:, 0].tolist() == [7.0] * 3


def test_choices_are_as_many_as_the_server_says() -> None:
    control = np.zeros(2, dbr.CONTROL_LAYOUTS[dbr.ENUM])
    control["labels"][:, :3] = [b"Off", b"On", b"Old"]
    control["states"] = [2, 0]
    interned = Interned()
    meta = dbr.meta_rows(dbr.ENUM, control, interned)
    assert [interned.choices[at] for at in meta["choices"]] == [("Off", "On"), ()]
    assert np.isnan(meta["limits"]).all()


def test_metadata_of_old_databases_is_latin_1() -> None:
    """As archives keep it: the labels of now must be those that were saved."""
    control = np.zeros(2, dbr.CONTROL_LAYOUTS[dbr.DOUBLE])
    control["units"] = [b"\xb0C", "°C".encode()]
    interned = Interned()
    meta = dbr.meta_rows(dbr.DOUBLE, control, interned)
    assert [interned.units[at] for at in meta["units"]] == ["°C", "°C"]
    states = np.zeros(1, dbr.CONTROL_LAYOUTS[dbr.ENUM])
    states["labels"][:, :2], states["states"] = [b"zu", b"ge\xf6ffnet"], 2
    assert interned.choices[int(dbr.meta_rows(dbr.ENUM, states, interned)["choices"][0])] == ("zu", "geöffnet")
