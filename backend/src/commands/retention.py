"""`larder retention`: how long snapshots are kept, by label."""

from __future__ import annotations

import argparse

from backend.src.commands.api import Api, add_server, open_api
from backend.src.commands.printing import print_json, print_table, stdout

BASE = "/v1/admin/retention"
PAGE = 1000


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Adds the four actions."""
    actions = parser.add_subparsers(dest="action", required=True, metavar="ACTION")
    actions.add_parser("list", help="list the rules in force")
    put = actions.add_parser("set", help="set how long snapshots with a label are kept")
    put.add_argument("label")
    put.add_argument("days", type=int, help="days after which they go; 0 keeps them for ever")
    actions.add_parser("remove", help="remove a label's rule").add_argument("label")
    actions.add_parser("preview", help="list the snapshots that would be removed now")
    for action in actions.choices.values():
        add_server(action)


def run(options: argparse.Namespace) -> int:
    """Runs one action."""
    action = {"list": _list, "set": _set, "remove": _remove, "preview": _preview}[options.action]
    with open_api(options) as api:
        action(api, options)
    return 0


def _list(api: Api, options: argparse.Namespace) -> None:
    rules = api.call("GET", BASE)
    if options.json:
        print_json(rules)
    else:
        rows = ((rule["label"], rule["keepDays"] or "for ever", rule["modifiedBy"] or "config.toml") for rule in rules)
        print_table(("label", "days", "set by"), rows)


def _set(api: Api, options: argparse.Namespace) -> None:
    rule = api.call("PUT", BASE, json={"label": options.label, "keepDays": options.days})
    if options.json:
        print_json(rule)
    else:
        kept = f"for {rule['keepDays']} days" if rule["keepDays"] else "for ever"
        stdout.print(f"snapshots labelled {rule['label']} are kept {kept}", markup=False, highlight=False)


def _remove(api: Api, options: argparse.Namespace) -> None:
    api.call("DELETE", BASE, params={"label": options.label})
    if options.json:
        print_json({"label": options.label, "removed": True})
    else:
        stdout.print(f"the rule for {options.label} is removed", markup=False, highlight=False)


def _preview(api: Api, options: argparse.Namespace) -> None:
    page = api.call("GET", f"{BASE}/preview", params={"pageSize": PAGE})
    expired = page["results"]
    while token := page["continuationToken"]:
        page = api.call("GET", f"{BASE}/preview", params={"pageSize": PAGE, "continuationToken": token})
        expired += page["results"]
    if options.json:
        print_json(expired)
        return
    rows = ((one["id"], one["createdAt"], one["title"], ", ".join(one["labels"])) for one in expired)
    print_table(("id", "created", "title", "labels"), rows)
    stdout.print(f"{page['totalCount']} snapshots, {page['totalBytes']} bytes", highlight=False)
