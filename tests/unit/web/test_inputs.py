"""What passes can be stored; what cannot be stored does not pass."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest
from pydantic import TypeAdapter, ValidationError

from backend.src.web import inputs


@pytest.mark.parametrize(
    ("kind", "value", "kept"),
    [
        (inputs.BodyId, "12", 12),
        (inputs.BodyId, 12, 12),
        (inputs.BodyId, "007", 7),
        (inputs.BodyId, "9" * 18, 10**18 - 1),
        (inputs.Name, "a\nb ", "a\nb "),
        (inputs.Text, "", ""),
        (inputs.PvText, "ca://A:B.VAL", "ca://A:B.VAL"),
        (inputs.Labels, ["b", "a", "b"], ["b", "a"]),
        (inputs.Moment, "2026-01-01T12:00:00-08:00", datetime(2026, 1, 1, 20, tzinfo=UTC)),
        (inputs.Tolerance, 0, 0.0),
    ],
)
def test_what_is_good_passes(kind: Any, value: object, kept: object) -> None:
    assert TypeAdapter(kind).validate_python(value) == kept


@pytest.mark.parametrize(
    ("kind", "value"),
    [
        *((inputs.BodyId, value) for value in ("", "-1", "+1", "1_0", "１", "1.0", 1.0, True, None)),
        *((inputs.BodyId, value) for value in (-1, "9" * 19, 10**18)),
        *((inputs.Name, value) for value in ("", " ", "\n\t", "a\0", "\ud800", "a" * 256, 7, None)),
        *((inputs.Text, value) for value in ("\0", "a" * 4_001, "\udcff")),
        *((inputs.PvText, value) for value in ("", "A B", "A\n", "\0", "a" * 256)),
        *((inputs.Labels, value) for value in ([""], ["a"] * 65, "a", ["a" * 65])),
        *((inputs.Moment, value) for value in ("2026-01-01T12:00:00", "tomorrow")),
        *((inputs.Moment, value) for value in ("0001-01-01T00:00:00+23:59", "9999-12-31T23:59:59-10:00")),
        *((inputs.Tolerance, value) for value in (-1e-300, float("nan"), float("inf"))),
        *((inputs.Finite, value) for value in (float("nan"), float("-inf"))),
        *((inputs.Seconds, value) for value in (0, -1, 86_401, float("inf"))),
        *((inputs.Token, value) for value in ("a b", "a=", "é", "a" * 8_001)),
    ],
)  # fmt: skip
def test_what_is_bad_does_not(kind: Any, value: object) -> None:
    with pytest.raises(ValidationError):
        TypeAdapter(kind).validate_python(value)
