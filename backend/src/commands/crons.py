"""`larder cron`: list, run, pause and resume what runs by itself."""

from __future__ import annotations

import argparse
import time
from typing import Any

from backend.src.commands.api import Api, add_server, open_api
from backend.src.commands.printing import print_json, print_table, stdout
from backend.src.core.errors import LarderError, TimedOut

BASE = "/v1/admin/crons"
POLL_S = 0.2


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Adds the four actions."""
    actions = parser.add_subparsers(dest="action", required=True, metavar="ACTION")
    actions.add_parser("list", help="list the crons: schedule, last run, next run")
    for name, meaning in (
        ("run", "run a cron now, in one process that may run it"),
        ("pause", "keep a cron from running by itself, in every process"),
        ("resume", "let a paused cron run by itself again"),
    ):
        actions.add_parser(name, help=meaning).add_argument("name", help="the cron's name, as `cron list` shows it")
    wait = actions.choices["run"].add_argument
    wait("--wait", type=float, metavar="SECONDS", help="wait for the end, print the result; exit code 1 if it failed")
    for action in actions.choices.values():
        add_server(action)


def run(options: argparse.Namespace) -> int:
    """Runs one action."""
    with open_api(options) as api:
        if options.action == "list":
            return _list(api, options)
        before = _find(api, options.name) if getattr(options, "wait", None) else None
        cron = api.call("POST", f"{BASE}/{options.name}/{options.action}")
        if before is not None:
            cron = _ended(api, before, options.wait)
        return _print(cron, options)


def _list(api: Api, options: argparse.Namespace) -> int:
    crons = api.call("GET", BASE)
    if options.json:
        print_json(crons)
    else:
        columns = ("name", "schedule", "state", "next", "last", "result", "runs", "failures")
        print_table(columns, (_row(cron) for cron in crons))
    return 0


def _row(cron: dict[str, Any]) -> tuple[object, ...]:
    ended = f"{cron['lastStatus']} {cron['lastEndedAt']}" if cron["lastEndedAt"] else None
    numbers = (cron["runs"], cron["failures"])
    return (cron["name"], cron["schedule"], _state(cron), cron["dueAt"], ended, cron["lastResult"], *numbers)


def _state(cron: dict[str, Any]) -> str:
    states = {"running": cron["runner"], "asked for": cron["requested"], "paused": cron["paused"]}
    return ", ".join(state for state, holds in states.items() if holds)


def _find(api: Api, name: str) -> dict[str, Any]:
    found = [cron for cron in api.call("GET", BASE) if cron["name"] == name]
    return found[0] if found else {"name": name, "runs": 0}


def _ended(api: Api, before: dict[str, Any], timeout_s: float) -> dict[str, Any]:
    """The cron once a run that began after `before` has ended. Raises TimedOut (it goes on)."""
    deadline = time.monotonic() + timeout_s
    while True:
        cron = _find(api, before["name"])
        if cron["runs"] > before["runs"] and not cron["requested"] and not cron["runner"]:
            return cron
        if time.monotonic() > deadline:
            raise TimedOut(f"{before['name']} had not ended after {timeout_s:g} s", remedy="it goes on: cron list")
        time.sleep(POLL_S)


def _print(cron: dict[str, Any], options: argparse.Namespace) -> int:
    failed = bool(getattr(options, "wait", None)) and cron["lastStatus"] != "ok"
    if options.json:
        print_json(cron)
    elif failed:
        raise LarderError(f"{cron['name']}: {cron['lastStatus']}: {cron['lastResult']}")
    elif getattr(options, "wait", None):
        stdout.print(f"{cron['name']}: {cron['lastResult'] or 'nothing to do'}", markup=False, highlight=False)
    else:
        stdout.print(f"{cron['name']}: {_state(cron) or 'next at ' + str(cron['dueAt'])}", highlight=False)
    return 1 if failed else 0
