"""No cell of the exported trail is a formula, and every other text comes back as it went in."""

from __future__ import annotations

import csv
import io
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from backend.src.services.audit import AuditRecord
from backend.src.services.audit.csv_export import COLUMNS, FORMULA_STARTS, safe_cell, write_entries, write_header

NOW = datetime(2026, 1, 1, tzinfo=UTC)
FORMULAS = (
    "=1+1", "+1", "-1", "@SUM(A1)", "\t=1", "\r=1", "\n=1", " =1", "=cmd|' /C calc'!A0", "＝1", "＋1", "－1", "＠A",
    '=HYPERLINK("http://evil.example","here")', "\u00a0=1",
)  # fmt: skip


def record(**more: Any) -> AuditRecord:
    fields = dict.fromkeys(AuditRecord.__dataclass_fields__)
    return AuditRecord(**{**fields, "id": 1, "at": NOW, "action": "x", **more})


def read(text: str) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(text, newline="")))


@pytest.mark.parametrize("formula", FORMULAS)
def test_a_formula_in_any_cell_is_text(formula: str) -> None:
    texts = ("actor_kind", "actor_id", "actor_name", "action", "target", "address", "request_id")
    for name in texts:
        (row,) = read(write_header() + write_entries([record(**{name: formula})]))
        assert f"'{formula}" in row.values()
        assert not any(cell.lstrip().startswith(FORMULA_STARTS) for cell in row.values())


@given(st.text())
def test_no_text_becomes_a_formula_or_ends_its_cell(text: str) -> None:
    (row,) = csv.reader(io.StringIO(f"{safe_cell(text)},{safe_cell('next')}\r\n", newline=""))
    dangerous = text.startswith(FORMULA_STARTS) or text.lstrip().startswith(FORMULA_STARTS)
    assert row == [f"'{text}" if dangerous else text, "next"]
    assert not row[0].startswith(FORMULA_STARTS)


def test_every_field_is_there() -> None:
    full = record(status=204, detail={"é": "a\nb", "x": "\udc80"}, target="a;b\t=1", actor_name="ann")
    (row,) = read(write_header() + write_entries([full]))
    assert tuple(row) == COLUMNS
    assert (row["id"], row["at"], row["status"]) == ("1", "2026-01-01T00:00:00+00:00", "204")
    assert row["detail"] == '{"x": "\\udc80", "é": "a\\nb"}'
    assert row["target"] == "a;b\t=1"
    write_entries([full]).encode()
