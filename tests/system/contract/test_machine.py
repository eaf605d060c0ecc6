"""Snapshots, restores, jobs and health: what the calls do, as promised."""

from __future__ import annotations

from tests.system.contract.shapes import CIRCUITS, COMPARISON, EPICS_VALUE, JOB_STARTED, SUMMARY, check
from tests.system.contract.site import RECORDS, Site, take_snapshot


def test_a_snapshot_from_its_making_to_its_deletion(site: Site) -> None:
    job = site.ask("POST", "/v1/snapshots", json={"title": "kept", "description": "d", "pvPattern": "*LONG"})
    ended = site.larder.wait_for(f"/v1/jobs/{job['jobId']}", lambda job: job["completedAt"])
    assert (ended["status"], ended["type"], ended["progress"]) == ("completed", "snapshot_create", 100)
    path = f"/v1/snapshots/{ended['resultId']}"
    whole = site.ask("GET", path)
    assert (whole["title"], whole["pvCount"], whole["source"], whole["golden"]) == ("kept", 1, "live", False)
    assert site.ask("GET", path) == whole
    (value,) = whole["pvValues"]
    check(value["setpointValue"], EPICS_VALUE)
    assert (value["pvName"], value["setpointName"], value["setpointValue"]["value"]) == (site.pv("LONG"),) * 2 + (
        -123456,
    )
    assert site.ask("GET", f"{path}?limit=0")["pvValues"] == site.ask("GET", f"{path}?offset=1")["pvValues"] == []
    assert site.raw("GET", f"{path}/archive").content[:4] == b"PAR1"
    assert site.raw("GET", f"{path}/export?format=csv").headers["Content-Type"].startswith("text/csv")
    marked = site.ask("PUT", path, json={"golden": True, "description": None})
    assert marked == {**{key: whole[key] for key in SUMMARY}, "golden": True, "description": None}
    assert [one["id"] for one in site.ask("GET", "/v1/snapshots?golden=true&title=KEP")] == [whole["id"]]
    site.ask("DELETE", path, 409)
    site.ask("PUT", path, json={"golden": False})
    assert site.ask("DELETE", path) is True
    site.ask("GET", path, 404)


def test_a_forced_read_says_so(site: Site) -> None:
    made = site.ask("POST", "/v1/snapshots?async=false&use_cache=false", json={"title": "forced"})
    assert made["source"] == "read"
    assert made["counts"]["disconnected"] == 1


def test_a_comparison_is_in_name_order(site: Site) -> None:
    compared = site.ask("GET", "/v1/snapshots/{first}/compare/{first}?onlyDifferences=false")
    assert (compared["differenceCount"], compared["onlyIn1"], compared["onlyIn2"]) == (0, [], [])
    assert compared["matchCount"] == len(compared["differences"]) == len(RECORDS) + 2
    names = [one["pvName"] for one in compared["differences"]]
    assert names == sorted(names)


def test_a_comparison_tells_what_is_in_one_alone(site: Site) -> None:
    one, other = (take_snapshot(site, "of one", pvIds=[site.known[name]])["id"] for name in ("LONG", "ENUM"))
    compared = site.ask("GET", f"/v1/snapshots/{one}/compare/{other}")
    check(compared, COMPARISON)
    assert {lonely["pvName"] for lonely in compared["onlyIn1"]} == {site.pv("LONG")}
    assert {lonely["pvName"] for lonely in compared["onlyIn2"]} == {site.pv("ENUM")}


def test_a_restore_is_planned_done_and_told(site: Site) -> None:
    pv, restore = site.known["LONG"], "/v1/snapshots/{first}/restore"
    site.ask("PUT", f"/v1/pvs/{pv}/value", json={"value": 5})
    plan = site.ask("POST", f"{restore}/plan", json={"pvIds": [pv, site.known["READONLY"], site.known["ABSENT"]]})
    assert {item["pvName"]: item["verdict"] for item in plan["items"]} == {
        site.pv("LONG"): "write", site.pv("READONLY"): "no_access", site.pv("ABSENT"): "not_captured",
    }  # fmt: skip
    started = site.ask("POST", restore, json={"planId": plan["planId"]})
    check(started, JOB_STARTED)
    ended = site.larder.wait_for(f"/v1/jobs/{started['jobId']}", lambda job: job["completedAt"])
    assert ended["type"] == "snapshot_restore"
    check(site.ask("GET", f"/v1/snapshots/{ended['resultId']}"), SUMMARY)  # what was overwritten
    told = {one["pvName"]: one for one in site.ask("GET", f"/v1/jobs/{started['jobId']}/outcomes")["outcomes"]}
    assert (told[site.pv("LONG")]["result"], told[site.pv("LONG")]["after"]) == ("restored", -123456)


def test_what_was_written_is_live_as_soon_as_it_is_answered(site: Site) -> None:
    values: dict[str, list[float | str]] = {
        "LONG": [1, -2, -123456],
        "DOUBLE": [0.5, "NaN", 1.25],
        "STRING": ["a", "", "text"],
    }
    for record, wanted in values.items():
        (before,) = site.ask("GET", f"/v1/pvs/live?pv_names={site.pv(record)}").values()
        for value in [*wanted * 5, before["value"]]:
            written = site.ask("PUT", f"/v1/pvs/{site.known[record]}/value", json={"value": value})
            (live,) = site.ask("GET", f"/v1/pvs/live?pv_names={site.pv(record)}").values()
            assert (live["value"], live["stale"]) == (written["value"], False) == (value, False)


def test_one_restore_at_a_time_until_it_is_aborted(site: Site) -> None:
    slow = site.ask("POST", "/v1/pvs", json={"setpointAddress": site.pv("NEVER")})
    site.larder.wait_for(f"/v1/pvs/live?pv_names={site.pv('NEVER')}", lambda live: live[site.pv("NEVER")]["connected"])
    saved = take_snapshot(site, "slow", pvIds=[slow["id"]])["id"]
    site.ask("PUT", f"/v1/pvs/{slow['id']}/value", json={"value": 1, "wait": False})
    job = site.ask("POST", f"/v1/snapshots/{saved}/restore", json={"timeout": 30})["jobId"]
    site.ask("POST", "/v1/snapshots/{first}/restore", 409, json={})
    site.ask("POST", f"/v1/jobs/{job}/abort")
    ended = site.larder.wait_for(f"/v1/jobs/{job}", lambda job: job["completedAt"])
    assert ended["status"] == "aborted"
    site.ask("DELETE", f"/v1/pvs/{slow['id']}")


def test_health_names_what_is_not_there(site: Site) -> None:
    assert site.ask("GET", "/v1/health/heartbeat")["alive"] is True
    assert site.ask("GET", "/v1/health/disconnected")["pvs"] == [site.pv("ABSENT")]
    assert site.ask("GET", "/v1/health/monitor/status")["status"] == "healthy"
    assert site.ask("POST", "/v1/health/circuits/D9/open")["success"] is True
    circuits = site.ask("GET", "/v1/health/circuits")
    check(circuits, CIRCUITS)
    assert "D9" in circuits["open_circuits"] and "D9" in {circuit["name"] for circuit in circuits["circuits"]}
    assert site.ask("POST", "/v1/health/circuits/D9/close")["success"] is True
    assert b"larder" in site.raw("GET", "/metrics").content
