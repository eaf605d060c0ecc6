"""The main job, once, on the demonstration machine: snapshot, disturb, compare, plan, restore, verify."""

from __future__ import annotations

import time
from typing import Any

from backend.src.commands.api import Api
from backend.src.commands.printing import finish_job, print_table, stdout
from backend.src.core.errors import LarderError

DISTURBED = 5  # PVs
STEADY = "QUAD:"  # magnets: one rack of the machine comes and goes
SETTLE_S = 1.0  # what the machine's readbacks take to follow


def tour(api: Api) -> None:
    """Walks through the main job and prints it. Raises LarderError when the machine did not come back."""
    _step(1, "The machine, live")
    _show_machine(api)
    _step(2, "Save it")
    snapshot_id = _save(api)
    _step(3, f"Disturb it: somebody changes {DISTURBED} setpoints")
    changed = _disturb(api)
    time.sleep(SETTLE_S)
    _step(4, "Compare the snapshot with the live machine")
    _compare(api, snapshot_id, changed)
    _step(5, "Plan the way back: what would be written, and why or why not")
    plan = _plan(api, snapshot_id, changed)
    _step(6, "Restore exactly that plan, each put confirmed and read back")
    _restore(api, snapshot_id, plan)
    _step(7, "Verify")
    _verify(api, snapshot_id, changed)


def _step(number: int, title: str) -> None:
    stdout.print(f"\n[bold]{number}. {title}[/bold]")


def _show_machine(api: Api) -> None:
    summary = api.call("GET", "/v1/health/summary")
    stdout.print("   " + ", ".join(f"{name} {value}" for name, value in summary.items() if isinstance(value, int)))


def _save(api: Api) -> str:
    body = {"title": "tour: before", "labels": ["tour"], "pvPattern": "*"}
    snapshot = api.call("POST", "/v1/snapshots", json=body, params={"async": False})
    counts = ", ".join(f"{count} {name}" for name, count in snapshot["counts"].items())
    stdout.print(f"   snapshot {snapshot['id']}: {snapshot['pvCount']} PVs ({counts}), {snapshot['sizeBytes']} bytes")
    return str(snapshot["id"])


def _disturb(api: Api) -> list[dict[str, Any]]:
    """The PVs whose setpoint was changed."""
    listing = api.call("GET", "/v1/pvs/paged", params={"pageSize": 1000})["results"]
    names = [pv["setpointAddress"] for pv in listing if pv["setpointAddress"] and not pv["readOnly"]]
    live = api.call("POST", "/v1/pvs/live", json={"pv_names": names})
    numeric = [pv for pv in listing if pv["setpointAddress"] in names and _is_number(live[pv["setpointAddress"]])]
    magnets = [pv for pv in numeric if pv["setpointAddress"].startswith(STEADY)][:DISTURBED]
    for pv in magnets:
        before = live[pv["setpointAddress"]]["value"]
        outcome = api.call("PUT", f"/v1/pvs/{pv['id']}/value", json={"value": before + 0.5})
        stdout.print(f"   {pv['setpointAddress']}: {before:g} -> {outcome['value']:g}")
    return magnets


def _is_number(entry: dict[str, Any]) -> bool:
    return isinstance(entry.get("value"), float) and bool(entry.get("connected"))


def _compare(api: Api, snapshot_id: str, changed: list[dict[str, Any]]) -> None:
    rows = [d for d in _setpoint_differences(api, snapshot_id) if d["pvId"] in {pv["id"] for pv in changed}]
    columns = ("   PV", "saved", "live", "difference")
    print_table(columns, ((f"   {d['pvName']}", d["value1"], d["value2"], d.get("delta")) for d in rows))


def _plan(api: Api, snapshot_id: str, changed: list[dict[str, Any]]) -> dict[str, Any]:
    body = {"pvIds": [pv["id"] for pv in changed]}
    plan: dict[str, Any] = api.call("POST", f"/v1/snapshots/{snapshot_id}/restore/plan", json=body)
    columns = ("   PV", "verdict", "now", "to write")
    print_table(
        columns, ((f"   {i['pvName']}", i["verdict"], i.get("current"), i.get("target")) for i in plan["items"])
    )
    return plan


def _restore(api: Api, snapshot_id: str, plan: dict[str, Any]) -> None:
    started = api.call("POST", f"/v1/snapshots/{snapshot_id}/restore", json={"planId": plan["planId"]})
    job = finish_job(api, started["jobId"], "restoring", quiet=False)
    outcomes = api.call("GET", f"/v1/jobs/{job['id']}/outcomes")
    stdout.print("   " + ", ".join(f"{count} {result}" for result, count in outcomes["counts"].items() if count))


def _verify(api: Api, snapshot_id: str, changed: list[dict[str, Any]]) -> None:
    ids = {pv["id"] for pv in changed}
    left = [d for d in _setpoint_differences(api, snapshot_id) if d["pvId"] in ids]
    if left:
        raise LarderError(f"{len(left)} setpoints did not come back: {', '.join(d['pvName'] for d in left)}")
    stdout.print(f"   all {len(ids)} setpoints are back where they were\n")


def _setpoint_differences(api: Api, snapshot_id: str) -> list[dict[str, Any]]:
    result = api.call("GET", f"/v1/snapshots/{snapshot_id}/compare/live")
    return [d for d in result["differences"] if d["field"] == "setpoint"]
