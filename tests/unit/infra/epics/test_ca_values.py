"""Python values as the bytes of a put: exact or refused, never wrapped."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from backend.src.infra.epics import dbr
from backend.src.infra.epics.ca_channels import Channel
from backend.src.infra.epics.ca_values import Unfit, payload

RANGES = {dbr.SHORT: (-(2**15), 2**15 - 1), dbr.ENUM: (0, 2**16 - 1), dbr.LONG: (-(2**31), 2**31 - 1)}


def channel(native: int, count: int = 1, name: str = "X") -> Channel:
    return Channel(name, native=native, count=count)


def back(native: int, data: bytes) -> list[object]:
    values: list[object] = np.frombuffer(data, dbr.ELEMENTS[native]).tolist()
    return values


@given(st.sampled_from(sorted(RANGES)), st.integers(-(2**70), 2**70))
def test_an_integer_arrives_or_is_refused(native: int, value: int) -> None:
    least, most = RANGES[native]
    if least <= value <= most:
        assert back(native, payload(channel(native), value).data) == [value]
        return
    with pytest.raises(Unfit, match="outside"):
        payload(channel(native), value)


@given(st.floats())
def test_every_double_arrives(value: float) -> None:
    assert payload(channel(dbr.DOUBLE), value).data == np.float64(value).tobytes()


@given(st.one_of(st.integers(), st.just(10**400), st.just(-(10**400))))
def test_an_integer_becomes_a_double_only_when_it_is_one(value: int) -> None:
    try:
        data = payload(channel(dbr.DOUBLE), value).data
    except Unfit:
        assert abs(value) > 2**53
        return
    assert int(np.frombuffer(data, "f8")[0]) == value


@given(st.lists(st.integers(-200, 300), min_size=1, max_size=8))
def test_a_char_array_takes_signed_and_unsigned(values: list[int]) -> None:
    target = channel(dbr.CHAR, 8)
    if all(-128 <= value <= 255 for value in values):
        assert back(dbr.CHAR, payload(target, values).data) == [value % 256 for value in values]
        return
    with pytest.raises(Unfit):
        payload(target, values)


@given(st.text(st.characters(exclude_characters="\0"), max_size=60))
def test_text_of_at_most_39_bytes(value: str) -> None:
    try:
        raw = value.encode("utf-8", "surrogateescape")
    except UnicodeEncodeError:
        raw = b"x" * 40
    if len(raw) < 40:
        sent = payload(channel(dbr.STRING), value)
        assert (sent.request, len(sent.data), sent.data.rstrip(b"\0")) == (dbr.STRING, 40, raw)
        return
    with pytest.raises(Unfit):
        payload(channel(dbr.STRING), value)


def test_a_long_text_ends_with_its_nul() -> None:
    sent = payload(channel(dbr.CHAR, 100, "X.DESC$"), "µ" * 40)
    assert (sent.request, sent.count, sent.data) == (dbr.CHAR, 81, "µ".encode() * 40 + b"\0")


@pytest.mark.parametrize("dtype", ["i1", "u1", "i4", "i8", "f4", "f8", "?"])
def test_arrays_of_another_type_are_converted_element_by_element(dtype: str) -> None:
    sent = payload(channel(dbr.SHORT, 4), np.array([0, 1, 1], dtype))
    assert back(dbr.SHORT, sent.data) == [0, 1, 1]


@pytest.mark.parametrize("value", [[1.5], np.array([40_000]), [True, "x"], [None], [[1]]])
def test_arrays_that_do_not_fit(value: object) -> None:
    with pytest.raises(Unfit):
        payload(channel(dbr.SHORT, 4), value)


def test_true_is_one() -> None:
    assert back(dbr.LONG, payload(channel(dbr.LONG), True).data) == [1]
