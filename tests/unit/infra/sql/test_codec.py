"""Cached values survive the trip exactly."""

from __future__ import annotations

import math
from datetime import UTC, datetime, timedelta, timezone
from decimal import Decimal
from enum import StrEnum
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from backend.src.infra.sql.codec import decode, encode

zones = st.sampled_from([None, UTC, timezone(timedelta(hours=-3, minutes=-30))])
scalars = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.integers(min_value=2**53)
    | st.floats()
    | st.text(st.characters())  # surrogates too
    | st.binary()
    | st.decimals()
    | st.datetimes(timezones=zones)
)
keys = st.text() | st.integers() | st.sampled_from(["~t", "~o", "~", "~~t"])
values = st.recursive(scalars, lambda inner: st.lists(inner) | st.dictionaries(keys, inner))


def same(one: Any, other: Any) -> bool:
    """Equal, of the same type, NaN like NaN, -0.0 unlike 0.0."""
    if type(one) is not type(other):
        return False
    match one:
        case list():
            return len(one) == len(other) and all(map(same, one, other))
        case dict():
            return list(one) == list(other) and all(same(one[key], other[key]) for key in one)
        case float():
            return math.isnan(one) == math.isnan(other) and (
                math.isnan(one) or (one == other and math.copysign(1, one) == math.copysign(1, other))
            )
        case Decimal():
            return str(one) == str(other)
        case datetime():
            return bool(one.isoformat() == other.isoformat())
        case _:
            return bool(one == other)


@given(values)
def test_the_round_trip_is_exact(value: Any) -> None:
    assert same(decode(encode(value)), value)


def test_tuples_become_lists_and_enums_text() -> None:
    class Colour(StrEnum):
        RED = "red"

    assert decode(encode((1, ("a",), Colour.RED))) == [1, ["a"], "red"]
    assert decode(encode({(1, "a"): 2, 3: 4})) == {(1, "a"): 2, 3: 4}


@pytest.mark.parametrize("value", [object(), {1, 2}, [1, {"a": complex(1, 2)}]])
def test_what_it_does_not_know_is_refused(value: Any) -> None:
    with pytest.raises(TypeError, match="cannot hold"):
        encode(value)
