"""PVAccess structures become rows, and values what is put into them, without loss."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from p4p import Type, Value
from p4p.nt import NTEnum, NTScalar

from backend.src.infra.epics.ca_values import Unfit
from backend.src.infra.epics.frame import LIMITS, Flag, Interned, ValueType, empty_meta, empty_rows, row_value
from backend.src.infra.epics.pva_values import CODES, Unsupported, assign, fill_meta, fill_row

INTEGERS = {"b": 8, "h": 16, "i": 32, "l": 64, "B": 8, "H": 16, "I": 32, "L": 64}
_structures = {code: NTScalar(code) for code in CODES} | {f"a{code}": NTScalar(f"a{code}") for code in CODES}


def structure(code: str, value: object) -> Value:
    return Value(_structures[code].type, {"value": value})


def read(value: Value, *, long_string: bool = False) -> tuple[object, ValueType, Flag]:
    rows = empty_rows(1)
    stored = fill_row(value, rows[0], long_string=long_string)
    row = rows[0]
    return row_value(row, stored), ValueType(int(row["type"])), Flag(int(row["flags"]))


def limits_of(code: str) -> tuple[int, int]:
    bits = INTEGERS[code]
    return (0, 2**bits - 1) if code.isupper() else (-(2 ** (bits - 1)), 2 ** (bits - 1) - 1)


@given(st.sampled_from(sorted(INTEGERS)), st.integers(-(2**66), 2**66))
def test_an_integer_makes_the_round_trip_or_is_refused(code: str, value: int) -> None:
    target = structure(code, 0)
    least, most = limits_of(code)
    if least <= value <= most:
        assign(target, value)
        assert read(target)[:2] == (value, CODES[code])
        return
    with pytest.raises(Unfit, match="outside"):
        assign(target, value)


@given(st.floats())
def test_a_double_makes_the_round_trip(value: float) -> None:
    target = structure("d", 0.0)
    assign(target, value)
    back, *_ = read(target)
    assert isinstance(back, float)
    assert np.float64(back).tobytes() == np.float64(value).tobytes()


@given(st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"])))
def test_text_makes_the_round_trip(value: str) -> None:
    target = structure("s", "")
    assign(target, value)
    assert read(target) == (value, ValueType.STRING, Flag.OBJECT)


@pytest.mark.parametrize("code", sorted(INTEGERS))
def test_arrays_keep_their_type(code: str) -> None:
    target = structure(f"a{code}", [])
    assign(target, [*limits_of(code), 1])
    value, kind, flags = read(target)
    assert isinstance(value, np.ndarray)
    assert (value.tolist(), kind, flags) == ([*limits_of(code), 1], CODES[code], Flag.ARRAY | Flag.OBJECT)


def test_booleans_are_booleans() -> None:
    target = structure("?", False)
    assign(target, True)
    assert read(target)[0] is True
    with pytest.raises(Unfit):
        assign(target, 2)


def test_an_enum_takes_index_or_label() -> None:
    target = NTEnum().wrap({"index": 0, "choices": ["Off", "On"]})
    assign(target, "On")
    assert read(target)[:2] == (1, ValueType.ENUM)
    assign(target, 0)
    assert read(target)[0] == 0
    for wrong in (2, -1, "Other", 0.5):
        with pytest.raises(Unfit):
            assign(target, wrong)
    meta, interned = empty_meta(1), Interned()
    fill_meta(target, meta[0], interned)
    assert interned.choices[int(meta["choices"][0])] == ("Off", "On")


def test_a_char_array_may_be_text() -> None:
    target = structure("ab", [])
    assign(target, "µ")
    assert read(target, long_string=True) == ("µ", ValueType.LONG_STRING, Flag.OBJECT)


@pytest.mark.parametrize(
    ("message", "status", "expected"),
    [("HIHI", 1, 3), ("HIHI_ALARM", 1, 3), ("", 0, 0), ("made up", 6, 17), ("UDF", 0, 17)],
)
def test_alarm_statuses_are_those_of_records(message: str, status: int, expected: int) -> None:
    value = structure("d", 0.0)
    value["alarm"] = {"severity": 2, "status": status, "message": message}
    rows = empty_rows(1)
    fill_row(value, rows[0])
    assert (int(rows["status"][0]), int(rows["severity"][0])) == (expected, 2)


def test_limits_that_are_not_there_are_nan() -> None:
    meta, interned = empty_meta(1), Interned()
    fill_meta(structure("d", 0.0), meta[0], interned)
    assert all(math.isnan(limit) for limit in meta["limits"][0].tolist())
    assert len(meta["limits"][0]) == len(LIMITS)


@pytest.mark.parametrize(
    "kind", [Type([("x", "d")]), Type([("value", "v")]), Type([("value", ("S", None, [("a", "i")]))])]
)
def test_other_structures_are_refused(kind: Type) -> None:
    with pytest.raises(Unsupported):
        read(Value(kind))


def test_text_beside_the_value_may_be_latin_1() -> None:
    value = Value(NTScalar("d", display=True).type, {"value": 1.5, "display": {"units": b"\xb0C"}})
    value["alarm"] = {"severity": 1, "status": 1, "message": b"zu hei\xdf"}
    meta, interned = empty_meta(1), Interned()
    fill_meta(value, meta[0], interned)
    assert interned.units[int(meta["units"][0])] == "°C"
    assert read(value)[0] == 1.5


def test_an_enum_with_unreadable_labels_has_none() -> None:
    value = Value(NTEnum().type, {"value": {"index": 1, "choices": [b"zu", b"ge\xf6ffnet"]}})
    meta, interned = empty_meta(1), Interned()
    fill_meta(value, meta[0], interned)
    assert interned.choices[int(meta["choices"][0])] == ()
    assign(value, 0)
    assert read(value)[0] == 0
