"""`larder audit`: who did what, when, from where."""

from __future__ import annotations

import argparse
import sys
from typing import Any

from backend.src.commands.api import Api, add_server, open_api
from backend.src.commands.printing import print_json, print_table

AUDIT = "/v1/admin/audit"
FILTERS = {
    "actor": 'who did it, as shown: "Ann Smith (user 5)"; or a name, or an id',
    "action": 'e.g. "DELETE /v1/pvs/{id}"',
    "target": "what it was done to",
    "address": "where it came from",
    "request-id": "X-Request-ID of the answer",
    "from": "from then on, e.g. 2026-03-01T00:00:00Z",
    "to": "before then",
}
COLUMNS = {
    "when": "at",
    "who": "who",
    "from": "address",
    "what": "action",
    "target": "target",
    "status": "status",
}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Adds the filters."""
    for name, meaning in FILTERS.items():
        parser.add_argument(f"--{name}", dest=name, metavar="TEXT", help=meaning)
    parser.add_argument("--limit", type=int, default=50, metavar="N", help="newest entries to show, 1 to 1000")
    parser.add_argument("--csv", action="store_true", help="print all that fit the filters, as CSV")
    add_server(parser)


def run(options: argparse.Namespace) -> int:
    """Prints the newest entries, or all as CSV."""
    asked = {name: getattr(options, name) for name in FILTERS}
    wanted = {_camel(name): value for name, value in asked.items() if value is not None}
    with open_api(options) as api:
        if options.csv:
            _print_csv(api, wanted)
        else:
            _print_newest(api, wanted | {"pageSize": options.limit}, as_json=options.json)
    return 0


def _print_csv(api: Api, wanted: dict[str, Any]) -> None:
    sys.stdout.buffer.write(api.raw("GET", f"{AUDIT}/export", params=wanted).content)
    sys.stdout.buffer.flush()


def _print_newest(api: Api, wanted: dict[str, Any], *, as_json: bool) -> None:
    entries = api.call("GET", AUDIT, params=wanted)
    if as_json:
        print_json(entries)
    else:
        shown = ({**entry, "who": _who(entry)} for entry in entries)
        print_table(tuple(COLUMNS), ([entry[field] for field in COLUMNS.values()] for entry in shown))


def _who(entry: dict[str, Any]) -> str | None:
    """As other records name them: people and keys choose what they are called, but not their id."""
    kind, name = entry["actorKind"], entry["actorName"]
    return f"{name} ({kind} {entry['actorId']})" if kind in ("user", "key") else name


def _camel(name: str) -> str:
    first, *rest = name.split("-")
    return first + "".join(word.capitalize() for word in rest)
