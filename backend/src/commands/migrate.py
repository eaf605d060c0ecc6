"""`larder migrate`: the database's schema, brought up to date."""

from __future__ import annotations

import argparse
import asyncio

from backend.src.commands.configuration import add_configuration, read_settings
from backend.src.commands.printing import print_json, stdout
from backend.src.core.data_folder import DataFolder
from backend.src.infra.sql import migrate


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Adds --config and --json."""
    add_configuration(parser)
    parser.add_argument("--json", action="store_true", help="print JSON, for scripts")


def run(options: argparse.Namespace) -> int:
    """Migrates; does nothing when the schema is up to date. Raises Busy where a server uses the folder's database."""
    settings = read_settings(options)
    folder = DataFolder(settings.server.data_dir)
    folder.make()
    try:
        if settings.sql.embedded:
            folder.lock()
        before, after = asyncio.run(migrate(settings.sql, settings.server.data_dir))
    finally:
        folder.unlock()
    where = settings.sql.host or settings.server.data_dir
    if options.json:
        print_json({"database": str(where), "before": before, "after": after})
    elif before == after:
        stdout.print(f"the database ({where}) is up to date: {after}")
    else:
        stdout.print(f"the database ({where}) went from {before or 'nothing'} to {after}")
    return 0
