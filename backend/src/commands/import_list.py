"""`larder import FILE.csv`: a Squirrel PV list into the catalogue."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

from backend.src.commands.api import add_server, open_api
from backend.src.commands.printing import print_json, print_table, stderr, stdout
from backend.src.core.errors import Invalid

SHOWN_REJECTIONS = 50


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Adds the file and --dry-run."""
    parser.add_argument(
        "file", type=Path, help="CSV with the columns Setpoint,Readback[,Device][,Description][,tag group...]"
    )
    parser.add_argument("--dry-run", action="store_true", help="report what would happen, change nothing")
    add_server(parser)


def run(options: argparse.Namespace) -> int:
    """Imports; the exit code is 1 when rows were rejected."""
    try:
        content = options.file.read_bytes()
    except OSError as exc:
        raise Invalid(f"cannot read {options.file}: {exc.strerror}") from exc
    with open_api(options) as api, stderr.status(f"importing {options.file}"):
        report = api.call(
            "POST",
            "/v1/pvs/import",
            params={"dryRun": options.dry_run},
            content=content,
            headers={"Content-Type": "text/csv"},
        )
    if options.json:
        print_json(report)
    else:
        _print_report(report, dry_run=options.dry_run)
    return 1 if report["rejected"] else 0


def _print_report(report: dict[str, Any], *, dry_run: bool) -> None:
    counts = ", ".join(f"{report[name]} {name}" for name in ("created", "updated", "unchanged", "rejected"))
    stdout.print(f"would be: {counts}" if dry_run else counts)
    rejected = [row for row in report["rows"] if row["outcome"] == "rejected"]
    if rejected:
        print_table(("line", "reason"), [(row["line"], row["reason"]) for row in rejected[:SHOWN_REJECTIONS]])
    if len(rejected) > SHOWN_REJECTIONS:
        stdout.print(f"... and {len(rejected) - SHOWN_REJECTIONS} more; --json lists them all")
