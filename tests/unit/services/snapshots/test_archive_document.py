"""docs/reference/archive-format.md names every column of the schema, and no other."""

from __future__ import annotations

import re
from pathlib import Path

from backend.src.infra.epics.frame import ValueType
from backend.src.services.snapshots.archive import SCHEMA, VERSION

TEXT = (Path(__file__).resolve().parents[4] / "docs" / "reference" / "archive-format.md").read_text()


def test_every_column_is_described_and_no_other() -> None:
    tables = [part for part in re.split(r"\n\n|-->\n", TEXT) if part.startswith("| column |")]
    cells = [row.split("|")[1] for table in tables for row in table.splitlines()[2:] if row.startswith("|")]
    named = [name for cell in cells for name in re.findall(r"`(\w+)`", cell)]
    assert sorted(named) == sorted(SCHEMA.names)


def test_every_type_is_described() -> None:
    row = next(line for line in TEXT.splitlines() if line.startswith("| `type` |"))
    assert set(re.findall(r"`(\w+)`", row)) == {"type", *(kind.label for kind in ValueType)}


def test_the_version_is_the_described_one() -> None:
    assert f"**version {VERSION}**" in TEXT
