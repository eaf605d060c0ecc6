"""`larder export FILE.csv`: the catalogue as a Squirrel PV list."""

from __future__ import annotations

import argparse
import os
from pathlib import Path

from backend.src.commands.api import add_server, open_api
from backend.src.commands.printing import print_json, stdout
from backend.src.core.errors import Invalid


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Adds the file."""
    parser.add_argument("file", type=Path, help="the CSV file to write")
    add_server(parser)


def run(options: argparse.Namespace) -> int:
    """Exports; the file appears whole or not at all."""
    with open_api(options) as api:
        content = api.raw("GET", "/v1/pvs/export", params={"format": "csv"}).content
    aside = options.file.with_name(f".{options.file.name}.{os.getpid()}")
    try:
        aside.write_bytes(content)
        aside.replace(options.file)
    except OSError as exc:
        raise Invalid(f"cannot write {options.file}: {exc.strerror}") from exc
    if options.json:
        print_json({"file": str(options.file), "bytes": len(content)})
    else:
        stdout.print(f"wrote {options.file} ({len(content)} bytes)")
    return 0
