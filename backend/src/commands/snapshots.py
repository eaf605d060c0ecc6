"""`larder snapshot`: create, list, show, compare and restore snapshots."""

from __future__ import annotations

import argparse
import sys
from typing import Any

from backend.src.commands.api import Api, add_server, open_api
from backend.src.commands.printing import finish_job, print_json, print_table, stdout
from backend.src.core.errors import Invalid

DIFFERENT = 1  # the exit code of a comparison that found differences, as diff has it


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Adds the five actions."""
    actions = parser.add_subparsers(dest="action", required=True, metavar="ACTION")
    _add_create(actions.add_parser("create", help="save the machine's state"))
    _add_list(actions.add_parser("list", help="list snapshots, newest first"))
    show = actions.add_parser("show", help="print a snapshot's values")
    show.add_argument("id")
    compare = actions.add_parser("compare", help="list what differs; exit code 1 when something does")
    compare.add_argument("id")
    compare.add_argument("other", nargs="?", default="live", help="another snapshot's id, or live (default)")
    compare.add_argument("--tolerance", type=float, help="absolute tolerance for every PV, instead of each PV's own")
    _add_restore(actions.add_parser("restore", help="put the machine back: plan, ask, write, verify"))
    for action in actions.choices.values():
        add_server(action)


def _add_create(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("title")
    parser.add_argument("--description")
    parser.add_argument("--label", action="append", default=[], dest="labels", help="may be repeated")
    parser.add_argument("--pattern", default="*", help="which PVs: a name with * and ? (default: all)")
    parser.add_argument("--direct", action="store_true", help="read every PV anew instead of taking the live values")
    parser.add_argument("--cameras", action="store_true", help="keep a picture of every camera too")


def _add_list(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--title", help="part of the title")
    parser.add_argument("--label")
    parser.add_argument("--limit", type=int, default=50, help="how many at most (default: 50)")


def _add_restore(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("id")
    parser.add_argument("--pv-id", action="append", dest="pv_ids", metavar="ID", help="only this PV; may be repeated")
    parser.add_argument("--dry-run", action="store_true", help="print the plan and write nothing")
    parser.add_argument("--yes", action="store_true", help="do not ask before writing")


def run(options: argparse.Namespace) -> int:
    """Runs one action."""
    actions = {"create": _create, "list": _list, "show": _show, "compare": _compare, "restore": _restore}
    with open_api(options) as api:
        return actions[options.action](api, options)


def _create(api: Api, options: argparse.Namespace) -> int:
    body = {
        "title": options.title,
        "description": options.description,
        "labels": options.labels,
        "pvPattern": options.pattern,
        "cameras": options.cameras,
    }
    query = {"async": True, "use_cache": not options.direct}
    started = api.call("POST", "/v1/snapshots", json=body, params=query)
    job = finish_job(api, started["jobId"], "saving", quiet=options.json)
    snapshot = api.call("GET", f"/v1/snapshots/{job['resultId']}", params={"limit": 0})
    snapshot.pop("pvValues", None)
    if options.json:
        print_json(snapshot)
    else:
        stdout.print(f"snapshot {snapshot['id']}: {_counts(snapshot)}")
    return 0


def _list(api: Api, options: argparse.Namespace) -> int:
    query = {"title": options.title, "label": options.label, "pageSize": options.limit}
    found = api.call("GET", "/v1/snapshots", params={key: value for key, value in query.items() if value is not None})
    if options.json:
        print_json(found)
    else:
        columns = ("id", "created", "by", "title", "golden", "PVs", "labels")
        print_table(columns, (_row(snapshot) for snapshot in found))
    return 0


def _show(api: Api, options: argparse.Namespace) -> int:
    snapshot = api.call("GET", f"/v1/snapshots/{options.id}")
    if options.json:
        print_json(snapshot)
        return 0
    stdout.print(f"{snapshot['title']} ({snapshot['createdDate']}): {_counts(snapshot)}", highlight=False)
    columns = ("PV", "setpoint", "readback", "severity")
    rows = (
        (pv["pvName"], _value(pv["setpointValue"]), _value(pv["readbackValue"]), pv.get("severity"))
        for pv in snapshot["pvValues"]
    )
    print_table(columns, rows)
    return 0


def _compare(api: Api, options: argparse.Namespace) -> int:
    query = {} if options.tolerance is None else {"tolerance": options.tolerance}
    result = api.call("GET", f"/v1/snapshots/{options.id}/compare/{options.other}", params=query)
    if options.json:
        print_json(result)
    else:
        columns = ("PV", "field", options.id, options.other, "delta")
        rows = (
            (d["pvName"], d["field"], _plain(d["value1"]), _plain(d["value2"]), d.get("delta"))
            for d in result["differences"]
        )
        print_table(columns, rows)
        stdout.print(f"{result['differenceCount']} differ, {result['matchCount']} match")
    return DIFFERENT if result["differenceCount"] else 0


def _restore(api: Api, options: argparse.Namespace) -> int:
    selection = {} if options.pv_ids is None else {"pvIds": options.pv_ids}
    plan = api.call("POST", f"/v1/snapshots/{options.id}/restore/plan", json=selection)
    if options.dry_run:
        print_json(plan) if options.json else _print_plan(plan)
        return 0
    if not options.yes:
        _ask(plan, options)
    started = api.call("POST", f"/v1/snapshots/{options.id}/restore", json={"planId": plan["planId"]})
    job = finish_job(api, started["jobId"], "restoring", quiet=options.json)
    outcomes = api.call("GET", f"/v1/jobs/{job['id']}/outcomes")
    print_json(outcomes) if options.json else _print_outcomes(outcomes)
    return 1 if _failed(outcomes) else 0


def _ask(plan: dict[str, Any], options: argparse.Namespace) -> None:
    if options.json or not sys.stdin.isatty():
        raise Invalid(
            "a restore writes to the machine and nobody is here to ask",
            remedy="give --yes, or --dry-run to see the plan",
        )
    _print_plan(plan)
    if input("Write these values to the machine? [y/N] ").strip().lower() not in ("y", "yes"):
        raise Invalid("nothing was written")


def _print_plan(plan: dict[str, Any]) -> None:
    rows = (
        (item["pvName"], item["verdict"], _plain(item.get("current")), _plain(item.get("target")), item.get("reason"))
        for item in plan["items"]
    )
    print_table(("PV", "verdict", "now", "to write", "reason"), rows)
    stdout.print(", ".join(f"{count} {verdict}" for verdict, count in plan["counts"].items() if count))


def _print_outcomes(outcomes: dict[str, Any]) -> None:
    failed = _failed(outcomes)
    if failed:
        print_table(("PV", "outcome", "message"), ((o["pvName"], o["result"], o.get("message")) for o in failed))
    stdout.print(", ".join(f"{count} {result}" for result, count in outcomes["counts"].items() if count))


def _failed(outcomes: dict[str, Any]) -> list[dict[str, Any]]:
    return [outcome for outcome in outcomes["outcomes"] if not outcome["ok"]]


def _counts(snapshot: dict[str, Any]) -> str:
    counts = snapshot["counts"]
    parts = [f"{counts['captured']} captured"] + [
        f"{counts[name]} {name}" for name in ("stale", "disconnected", "alarm") if counts[name]
    ]
    return f"{snapshot['pvCount']} PVs, {', '.join(parts)}"


def _row(snapshot: dict[str, Any]) -> tuple[object, ...]:
    golden = "golden" if snapshot["golden"] else ""
    names = ("id", "createdDate", "createdBy", "title")
    return (*(snapshot.get(name) for name in names), golden, snapshot["pvCount"], ", ".join(snapshot["labels"]))


def _value(value: dict[str, Any] | None) -> object:
    return None if value is None else _plain(value.get("enumLabel") or value.get("value"))


def _plain(value: object) -> object:
    if isinstance(value, list) and len(value) > 6:
        return f"[{', '.join(map(str, value[:5]))}, ... {len(value)} elements]"
    return value
