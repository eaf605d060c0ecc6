"""PVs, their live values, tags and keys: what the calls do, as promised."""

from __future__ import annotations

import json
import time

import pytest

from tests.system.contract.shapes import GROUP, IMPORT, KEY, PV, TEXT, check
from tests.system.contract.site import RECORDS, Site, take_snapshot


def test_a_pv_from_its_making_to_its_deletion(site: Site) -> None:
    body = {
        "setpointAddress": f"pva://{site.pv('BOOL')}",
        "device": "D3",
        "absTolerance": 0.5,
        "tags": [site.known["tag"]],
    }
    made = site.ask("POST", "/v1/pvs", json=body)
    check(made, PV)
    live = site.larder.wait_for(
        f"/v1/pvs/live?pv_names={body['setpointAddress']}", lambda live: next(iter(live.values()))["connected"], 60.0
    )
    assert live[body["setpointAddress"]]["enumLabel"] == "Open"
    snapshot = take_snapshot(site, "of one", pvIds=[made["id"]])
    assert snapshot["pvCount"] == 1
    addresses = {"setpointAddress": site.pv("LSO"), "readbackAddress": site.pv("COUNTER")}
    changes: dict[str, object] = {"device": None, "tags": [], **addresses}
    changed = site.ask("PUT", f"/v1/pvs/{made['id']}", json=changes)
    assert changed == {**made, **changes, "lastModifiedDate": changed["lastModifiedDate"]}
    assert site.ask("DELETE", f"/v1/pvs/{made['id']}") is True
    assert site.ask("GET", f"/v1/pvs/{made['id']}", 404)
    (kept,) = site.ask("GET", f"/v1/snapshots/{snapshot['id']}")["pvValues"]
    assert kept["pvId"] == made["id"]
    assert kept["tags"] == [{"id": site.known["tag"], "name": "Ring", "groupName": "Area"}]


def test_search_is_literal_and_in_name_order(site: Site) -> None:
    assert site.ask("GET", "/v1/pvs?pvName=%25") == site.ask("GET", "/v1/pvs?pvName=DO_BLE") == []
    names = [pv["setpointAddress"] for pv in site.ask("GET", "/v1/pvs")]
    assert names == sorted(names)
    (found,) = site.ask("GET", "/v1/pvs?pvName=readback")
    assert found["id"] == site.known["DOUBLE"]


@pytest.mark.parametrize("query", ["tags={tag}&devices=D1", "tags[]={tag}&devices[]=D1"])
def test_lists_in_a_query_come_with_and_without_brackets(site: Site, query: str) -> None:
    assert site.ask("GET", f"/v1/pvs/search?{query}")["totalCount"] == len(RECORDS)
    tags = query.partition("&")[0]
    everything, tagged = (site.ask("GET", path) for path in ("/v1/snapshots", f"/v1/snapshots?{tags}"))
    assert tagged and len(tagged) <= len(everything)
    assert site.ask("GET", f"/v1/snapshots?{tags.replace('{tag}', '987654')}") == []


def test_a_list_is_imported_and_exported(site: Site) -> None:
    exported = site.raw("GET", "/v1/pvs/export?format=csv")
    assert exported.headers["Content-Type"].startswith("text/csv")
    headers = {"Content-Type": "text/csv"}
    report = site.ask("POST", "/v1/pvs/import?dryRun=true", content=exported.content, headers=headers)
    check(report, IMPORT)
    assert (report["created"], report["updated"], report["rejected"]) == (0, 0, 0)


def test_live_entries(site: Site) -> None:
    names = [site.pv(name) for name in ("META", "ENUM", "ABSENT", "UNHEARD OF")]
    answer = site.raw("POST", "/v1/pvs/live", json={"pv_names": names})
    assert answer.headers["X-Unknown-PVs"] == site.pv("UNHEARD%20OF")
    entries = answer.json()
    assert list(entries) == names[:3]
    meta, enum, absent = entries.values()
    assert (meta["value"], meta["units"], meta["precision"], meta["status"], meta["severity"]) == (
        7,
        "mA",
        3,
        "HIGH",
        1,
    )
    assert abs(meta["timestamp"] - meta["timestampNs"] / 1e9) < 1e-6
    assert abs(time.time() - meta["updated_at"]) < 600
    assert (enum["value"], enum["enumLabel"], enum["stale"], enum["error"]) == (2, "On", False, None)
    assert (absent["value"], absent["connected"]) == (None, False)
    everything = site.ask("GET", "/v1/pvs/live/all")
    assert everything["count"] == len(everything["values"]) == len(RECORDS) + 2


def test_numbers_that_json_lacks_travel_as_texts(site: Site) -> None:
    pv, name = site.known["DOUBLE"], site.pv("DOUBLE")
    try:
        for text in ("NaN", "Infinity", "-Infinity"):
            assert site.ask("PUT", f"/v1/pvs/{pv}/value", json={"value": text})["value"] == text
            site.larder.wait_for(f"/v1/pvs/live?pv_names={name}", lambda live, text=text: live[name]["value"] == text)
            saved = take_snapshot(site, text, pvIds=[pv])["id"]
            (value,) = site.ask("GET", f"/v1/snapshots/{saved}")["pvValues"]
            assert value["setpointValue"]["value"] == text
            compared = site.ask("GET", f"/v1/snapshots/{{first}}/compare/{saved}")
            assert text in [one["value2"] for one in compared["differences"]]
    finally:
        site.ask("PUT", f"/v1/pvs/{pv}/value", json={"value": 1.5})


def test_a_direct_read_says_how_it_was_made(site: Site) -> None:
    read = site.ask("GET", "/v1/pvs/test-epics?pv={prefix}ENUM")
    assert (read["connected"], read["value"], read["error"]) == (True, 2, None)
    assert "EPICS_CA_ADDR_LIST" in read["environment"]
    absent = site.ask("GET", "/v1/pvs/test-epics?pv={prefix}NOBODY")
    assert (absent["connected"], absent["value"]) == (False, None)
    assert absent["error"]


def test_pages_of_pvs_hold_each_once(site: Site) -> None:
    token: str | None = ""
    seen, total = [], 0
    while token is not None:
        page = site.ask("GET", f"/v1/pvs/paged?pageSize=2&continuationToken={token}")
        seen += [pv["id"] for pv in page["results"]]
        token, total = page["continuationToken"], page["totalCount"]
    assert len(seen) == len(set(seen)) == total
    assert seen == [pv["id"] for pv in site.ask("GET", "/v1/pvs")]


@pytest.mark.parametrize("path", ["/v1/snapshots", "/v1/jobs"])
def test_bare_lists_lead_on_by_their_link(site: Site, path: str) -> None:
    whole = [one["id"] for one in site.ask("GET", path)]
    walked, url = [], f"{path}?pageSize=1"
    while url:
        page = site.client.get(url)
        walked += [one["id"] for one in page.json()]
        url = page.links.get("next", {}).get("url", "")
    assert len(whole) >= 2
    assert walked == whole


def test_a_group_from_its_making_to_its_deletion(site: Site) -> None:
    made = site.ask("POST", "/v1/tags/bulk", json={"groups": {"Kind": ["Magnet", "Magnet", "BPM"], "Area": ["Ring"]}})
    assert (made["groupsCreated"], made["tagsCreated"], made["tagsSkipped"]) == (1, 2, 2)
    assert len(made["warnings"]) == 2
    (summary,) = [group for group in site.ask("GET", "/v1/tags") if group["name"] == "Kind"]
    (group,) = site.ask("GET", f"/v1/tags/{summary['id']}")
    assert summary["tagCount"] == len(group["tags"]) == 2
    tags = f"/v1/tags/{group['id']}/tags"
    again = site.ask("POST", f"{tags}?skip_duplicates=true", json={"name": "BPM"})
    check(again, {"group": GROUP})
    assert again["wasCreated"] is False
    left = site.ask("DELETE", f"{tags}/{group['tags'][0]['id']}")
    check(left, GROUP)
    assert left["tags"] == group["tags"][1:]
    assert site.ask("DELETE", f"/v1/tags/{group['id']}") is True


def test_a_key_from_its_making_to_its_end(site: Site) -> None:
    made = site.ask("POST", "/v1/api-keys", json={"appName": "older client", "readAccess": True, "writeAccess": False})
    check(made, {**KEY, "token": TEXT})
    assert (made["isActive"], made["readAccess"], made["writeAccess"], made["scopes"]) == (True, True, False, ["read"])
    listed = site.ask("GET", "/v1/api-keys")
    assert made["token"] not in json.dumps(listed)
    assert site.ask("GET", "/v1/api-keys/count") == len(listed)
    use = {"headers": {"X-API-Key": made["token"]}}
    site.ask("GET", "/v1/pvs/devices", 200, **use)
    assert site.ask("DELETE", f"/v1/api-keys/{made['id']}")["isActive"] is False
    site.ask("GET", "/v1/pvs/devices", 401, **use)
    assert made["id"] not in [key["id"] for key in site.ask("GET", "/v1/api-keys?active_only=true")]
