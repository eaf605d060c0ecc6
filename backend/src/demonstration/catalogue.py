"""The demonstration machine's PV list as a file that `import` reads (a Squirrel PV list)."""

from __future__ import annotations

import csv
from pathlib import Path

from backend.src.demonstration.layout import catalogue

TAG_GROUPS = ("Region", "Area", "Subsystem")
HEADER = ("Setpoint", "Readback", "Device", "Description", *TAG_GROUPS)


def write_catalogue(file: Path, total: int, *, prefix: str = "") -> None:
    """Writes rows that name `total` process variables together."""
    with file.open("w", newline="", encoding="utf-8") as stream:
        writer = csv.writer(stream)
        writer.writerow(HEADER)
        for row in catalogue(total, prefix=prefix):
            writer.writerow(
                [row.setpoint, row.readback, row.device, row.description, *(row.tags[group] for group in TAG_GROUPS)]
            )
