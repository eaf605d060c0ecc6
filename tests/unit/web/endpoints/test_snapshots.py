"""/v1/snapshots: fields as the contract has them, refusals, and reading that changes nothing."""

from __future__ import annotations

import csv
import io
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq
import pytest
from pydantic import TypeAdapter

from backend.src.infra.epics.address import PvAddress
from backend.src.infra.epics.frame import ValueType
from backend.src.services.catalog import TagRef
from backend.src.web.endpoints import snapshots as snapshots_endpoint
from backend.src.web.snapshot_models import ComparisonAnswer, HistoryValue, SnapshotAnswer, SnapshotSummary
from tests.unit.services.snapshots.captures import CREATED_NS, Channel, double
from tests.unit.services.snapshots.stand import catalogue
from tests.unit.web.endpoints.saving import Office, office_of

LIST = "/v1/snapshots"
TAGS = (TagRef(4, "LI21", 1, "Area"),)


@pytest.fixture
async def office(tmp_path: Path) -> AsyncIterator[Office]:
    inventory = replace(
        catalogue("A", "B", "C", unused=("A:RB",)),
        tags=[TAGS, (), ()],
        known_tags={4: TAGS[0]},
        known_groups={1: "Area"},
        tag_links=np.array([[0, 4]]),
        readback=np.array([4, -1, -1], np.int32),
    )
    async with office_of(tmp_path, inventory) as made:
        made.site.machine.channels |= {
            "ca://A": double(1.5, severity=2, units="A", precision=3, limits=(float("nan"),) * 6 + (10.0, -10.0)),
            "ca://A:RB": double(float("nan")),
            "ca://B": Channel(ValueType.ENUM, 1, choices=("Off", "On")),
        }
        yield made


async def test_fields_of_a_summary(office: Office) -> None:
    made = await office.take("first", description="why", labels=["weekly", "weekly"])
    SnapshotSummary.model_validate(made, strict=False)
    assert made["pvCount"] == 3
    assert made["counts"] == {"captured": 1, "stale": 0, "disconnected": 1, "alarm": 1} | {"captured": 2}
    assert (made["title"], made["description"], made["labels"], made["golden"]) == ("first", "why", ["weekly"], False)
    assert (made["source"], made["createdBy"]) == ("read", "everything (key 1)")
    assert made["createdDate"].endswith("Z")
    assert len(made["sha256"]) == 64
    assert made["sizeBytes"] > 1000


async def test_fields_of_the_values(office: Office) -> None:
    made = await office.take()
    got = await office.ask("GET", f"{LIST}/{made['id']}")
    SnapshotAnswer.model_validate(got)
    first, second, third = got["pvValues"]
    assert {name: first[name] for name in ("pvId", "pvName", "setpointName", "readbackName", "configName")} == {
        "pvId": "1",
        "pvName": "A",
        "setpointName": "A",
        "readbackName": "A:RB",
        "configName": None,
    }
    assert first["tags"] == [{"id": "4", "name": "LI21", "groupName": "Area"}]
    assert first["severity"] == 2
    value = first["setpointValue"]
    assert (value["value"], value["units"], value["precision"], value["type"]) == (1.5, "A", 3, "double")
    assert (value["upper_ctrl_limit"], value["lower_ctrl_limit"]) == (10.0, -10.0)
    assert (value["connected"], value["stale"], value["timestampNs"]) == (True, False, CREATED_NS - 5)
    assert first["readbackValue"]["value"] == "NaN"
    assert (second["setpointValue"]["value"], second["setpointValue"]["enumLabel"]) == (1, "On")
    assert second["readbackValue"] is None
    assert (third["setpointValue"]["value"], third["setpointValue"]["connected"]) == (None, False)


async def test_a_part_of_the_values(office: Office) -> None:
    made = await office.take()

    async def names(query: str) -> list[str]:
        return [pv["pvName"] for pv in (await office.ask("GET", f"{LIST}/{made['id']}?{query}"))["pvValues"]]

    assert await names("limit=1") == ["A"]
    assert await names("offset=1") == ["B", "C"]
    assert await names("limit=1&offset=1") == ["B"]
    assert await names("limit=0") == []
    assert await names("offset=99") == []


async def test_a_snapshot_as_a_job(office: Office) -> None:
    started = await office.ask("POST", f"{LIST}?use_cache=false", json={"title": "x", "pvIds": ["1", 2]})
    job = await office.finish(started)
    assert (job.status, job.type, job.actor) == ("completed", "snapshot_create", "everything (key 1)")
    got = await office.ask("GET", f"{LIST}/{job.result_id}")
    assert [pv["pvName"] for pv in got["pvValues"]] == ["A", "B"]


@pytest.mark.parametrize(
    "body",
    [
        {"title": "x", "pvIds": []},
        {"title": "x", "pvIds": ["99"]},
        {"title": "x", "tagFilters": {}},
        {"title": "x", "tagFilters": {"1": []}},
        {"title": "x", "tagFilters": {"9": ["4"]}},
        {"title": "x", "pvPattern": ""},
        {"title": "x", "pvPattern": "Z*"},
        {"title": "x", "pvids": ["1"]},
        {"title": ""},
        {"title": " "},
        {"title": "a\x00b"},
        {"title": "x" * 256},
        {},
    ],
)
@pytest.mark.parametrize("mode", ["true", "false"])
async def test_empty_and_mistyped_selections_are_refused(office: Office, body: dict[str, Any], mode: str) -> None:
    answer = await office.ask("POST", f"{LIST}?async={mode}", 422, json=body)
    assert answer["status"] == 422
    assert await office.ask("GET", LIST) == []
    assert await office.site.jobs.newest() == []


async def test_selections(office: Office) -> None:
    assert (await office.take(tagFilters={"1": ["4"]}))["pvCount"] == 1
    assert (await office.take(pvPattern="?"))["pvCount"] == 3
    assert (await office.take(pvIds=["1", "2"], pvPattern="B"))["pvCount"] == 1


async def test_lists_are_bare_and_paged_by_the_link_header(office: Office) -> None:
    for number in range(3):
        office.site.stand.clock.advance(1)
        await office.take(f"number {number}")
    answer = await office.client.get(LIST, params={"pageSize": 2, "title": "NUMBER"})
    assert [found["title"] for found in answer.json()] == ["number 2", "number 1"]
    path = answer.headers["Link"].split(">")[0].lstrip("<")
    assert "title=NUMBER" in path
    answer = await office.client.get(path)
    assert [found["title"] for found in answer.json()] == ["number 0"]
    assert "Link" not in answer.headers


async def test_filters_by_query(office: Office) -> None:
    first = await office.take("first", pvIds=["1"], labels=["good"])
    office.site.stand.clock.advance(60)
    second = await office.take("second", pvIds=["2"])
    await office.ask("PUT", f"{LIST}/{second['id']}", json={"golden": True})

    async def found(**query: Any) -> list[str]:
        return [one["title"] for one in await office.ask("GET", LIST, params=query)]

    assert await found(label="good") == ["first"]
    assert await found(golden="true") == ["second"]
    assert await found(containsPv="A:RB") == ["first"]
    assert await found(createdBy="everything (key 1)") == ["second", "first"]
    assert await found(**{"tags[]": ["4"]}) == ["first"]
    assert await found(tags=["4"]) == ["first"]
    assert await found(**{"from": second["createdDate"]}) == ["second"]
    assert await found(to=first["createdDate"]) == ["first"]


@pytest.mark.parametrize(
    "query",
    [
        "continuationToken=rubbish",
        "tags[]=x",
        "pageSize=0",
        "from=yesterday",
        "from=0001-01-01T00:00:00%2B14:00",
        "containsPv=http://x",
        "golden=perhaps",
    ],
)
async def test_malformed_queries(office: Office, query: str) -> None:
    await office.ask("GET", f"{LIST}?{query}", 422)


async def test_update(office: Office) -> None:
    made = await office.take()
    changed = await office.ask("PUT", f"{LIST}/{made['id']}", json={"title": "new", "labels": ["a"], "golden": True})
    assert (changed["title"], changed["labels"], changed["golden"]) == ("new", ["a"], True)
    assert changed["sha256"] == made["sha256"]
    await office.ask("PUT", f"{LIST}/{made['id']}", 422, json={"pvCount": 7})
    await office.ask("DELETE", f"{LIST}/{made['id']}", 409)
    await office.ask("PUT", f"{LIST}/{made['id']}", json={"golden": False})
    assert await office.ask("DELETE", f"{LIST}/{made['id']}") is True
    await office.ask("GET", f"{LIST}/{made['id']}", 404)


@pytest.mark.parametrize("path", ["", "/archive", "/export", "/compare/live", "/history?pvName=A"])
@pytest.mark.parametrize(("snapshot_id", "status"), [("0123456789abcdef", 404), ("7", 422), ("x" * 16, 422)])
async def test_unknown_and_malformed_ids(office: Office, path: str, snapshot_id: str, status: int) -> None:
    await office.ask("GET", f"{LIST}/{snapshot_id}{path}", status)


async def test_compare(office: Office) -> None:
    first = await office.take()
    office.site.machine.channels["ca://A"] = double(2.0)
    office.site.machine.channels["ca://B"] = Channel(ValueType.ENUM, 0, choices=("Off", "On"))
    second = await office.take()
    got = await office.ask("GET", f"{LIST}/{first['id']}/compare/{second['id']}")
    ComparisonAnswer.model_validate(got)
    assert (got["matchCount"], got["differenceCount"], got["onlyIn1"], got["onlyIn2"]) == (2, 2, [], [])
    assert [
        (one["pvName"], one["field"], one["value1"], one["value2"], one["delta"]) for one in got["differences"]
    ] == [
        ("A", "setpoint", 1.5, 2.0, 0.5),
        ("B", "setpoint", 1, 0, None),
    ]
    assert (got["differences"][1]["label1"], got["differences"][1]["label2"]) == ("On", "Off")
    assert not any(one["withinTolerance"] for one in got["differences"])
    everything = await office.ask("GET", f"{LIST}/{first['id']}/compare/{second['id']}?onlyDifferences=false")
    assert [one["withinTolerance"] for one in everything["differences"]] == [False, True, False, True]
    tolerant = await office.ask("GET", f"{LIST}/{first['id']}/compare/{second['id']}?tolerance=0.5")
    assert [one["pvName"] for one in tolerant["differences"]] == ["B"]
    for query in ("tolerance=-1", "tolerance=nan", "tolerance=x"):
        await office.ask("GET", f"{LIST}/{first['id']}/compare/{second['id']}?{query}", 422)


async def test_compare_with_the_machine(office: Office) -> None:
    first = await office.take()
    got = await office.ask("GET", f"{LIST}/{first['id']}/compare/live")
    assert (got["snapshot2Id"], got["source2"]) == ("live", "live")
    assert got["differenceCount"] == 3  # the live table never saw what the forced read found
    office.site.stand.clock.advance(60)
    got = await office.ask("GET", f"{LIST}/{first['id']}/compare/live")
    assert (got["source2"], got["differenceCount"]) == ("read", 0)


async def test_deltas_beyond_64_bits(office: Office) -> None:
    office.site.machine.channels["ca://C"] = Channel(ValueType.INT64, -(2**63))
    first = await office.take()
    office.site.machine.channels["ca://C"] = Channel(ValueType.INT64, 2**63 - 1)
    got = await office.ask("GET", f"{LIST}/{first['id']}/compare/{(await office.take())['id']}")
    assert got["differences"][0]["value2"] == 2**63 - 1
    assert got["differences"][0]["delta"] == pytest.approx(2.0**64)


async def test_the_archive_as_a_file(office: Office) -> None:
    made = await office.take()
    answer = await office.client.get(f"{LIST}/{made['id']}/archive")
    table = pq.read_table(io.BytesIO(answer.content))
    assert table.column("pv_name").to_pylist() == ["A", "A", "B", "C"]
    assert made["sha256"] in answer.headers["ETag"]
    assert made["id"] in answer.headers["Content-Disposition"]


async def test_the_archive_by_parts(office: Office) -> None:
    made = await office.take()
    path = f"{LIST}/{made['id']}/archive"
    whole = await office.client.get(path)
    assert whole.headers["etag"] == f'"{made["sha256"]}"' and whole.headers["accept-ranges"] == "bytes"
    assert whole.headers["cache-control"] == "private, no-cache" and whole.headers["last-modified"].endswith("GMT")
    half = len(whole.content) // 2
    end = await office.client.get(path, headers={"Range": f"bytes={half}-", "If-Range": whole.headers["etag"]})
    assert end.status_code == 206 and whole.content[:half] + end.content == whole.content
    assert end.headers["content-range"] == f"bytes {half}-{len(whole.content) - 1}/{len(whole.content)}"
    other = await office.client.get(path, headers={"Range": "bytes=0-3", "If-Range": '"another"'})
    assert other.status_code == 200 and other.content == whole.content
    beyond = await office.client.get(path, headers={"Range": f"bytes={len(whole.content)}-"})
    assert beyond.status_code == 416 and beyond.headers["content-range"] == f"bytes */{len(whole.content)}"
    assert beyond.headers["content-type"] == "application/problem+json"


async def test_a_part_is_of_get_alone(office: Office) -> None:
    path = f"{LIST}/{(await office.take())['id']}/archive"
    whole = await office.client.get(path)
    for asked in ("bytes=0-3", f"bytes={len(whole.content)}-"):
        head = await office.client.head(path, headers={"Range": asked})
        assert head.status_code == 200 and head.headers["content-length"] == str(len(whole.content))


@pytest.mark.parametrize("method", ["PUT", "DELETE"])
async def test_a_change_of_a_state_that_was_is_refused(office: Office, method: str) -> None:
    path = f"{LIST}/{(await office.take('first'))['id']}"
    body: dict[str, Any] = {"json": {"title": "another"}} if method == "PUT" else {}
    present = (await office.client.get(path)).headers["etag"]
    for tag in ('"stale"', present):  # a weak one, which is never matched
        problem = await office.ask(method, path, 412, headers={"If-Match": tag}, **body)
        assert "If-Match: *" in problem["detail"]
    assert (await office.ask("GET", path))["title"] == "first"
    await office.ask(method, path, headers={"If-Match": "*"}, **body)


async def test_a_date_is_ignored_where_there_is_none_to_compare_with(office: Office) -> None:
    """RFC 9110, 13.1.4."""
    path = f"{LIST}/{(await office.take('first'))['id']}"
    long_ago = {"If-Unmodified-Since": "Mon, 02 Mar 1970 08:30:00 GMT"}
    assert "last-modified" not in (await office.client.get(path)).headers
    await office.ask("PUT", path, headers=long_ago, json={"title": "another"})
    await office.ask("GET", f"{path}/archive", 412, headers=long_ago)


@pytest.mark.parametrize("path", ["/archive", "", "?limit=1"])
async def test_who_has_it_is_not_sent_it_again(office: Office, path: str) -> None:
    made = await office.take()
    path = f"{LIST}/{made['id']}{path}"
    known = {"If-None-Match": (await office.client.get(path)).headers["etag"]}
    again = await office.client.get(path, headers=known)
    assert again.status_code == 304 and again.content == b"" and again.headers["etag"] == known["If-None-Match"]
    assert "content-security-policy" not in again.headers  # that of what the client has stays
    assert (await office.client.get(path, headers=known | {"X-API-Key": "wrong"})).status_code == 401
    await office.ask("GET", path, 412, headers={"If-Match": '"another"'})
    await office.ask("PUT", f"{LIST}/{made['id']}", json={"title": "another"})
    said_anew = (await office.client.get(path, headers=known)).status_code
    assert said_anew == (304 if path.endswith("archive") else 200)  # of its title the archive says nothing
    await office.ask("DELETE", f"{LIST}/{made['id']}")
    assert (await office.client.get(path, headers=known)).status_code == 404


async def test_a_list_that_is_the_same_is_not_sent_again(office: Office) -> None:
    await office.take("first")
    path = f"{LIST}?pageSize=1"
    first = await office.client.get(path)
    known = {"If-None-Match": first.headers["etag"]}
    assert (await office.client.get(path, headers=known)).status_code == 304
    assert (await office.client.get(f"{LIST}?pageSize=2", headers=known)).status_code == 200
    office.site.stand.clock.advance(1)  # of one instant, ids decide which is first
    await office.take("second")
    changed = await office.client.get(path, headers=known)
    assert changed.status_code == 200 and changed.json()[0]["title"] == "second" and "link" in changed.headers


async def test_a_damaged_archive_is_told_with_its_snapshot(office: Office) -> None:
    made = await office.take("precious")
    office.site.stand.archives[0].write_bytes(b"rubbish")
    for path in ("", "/archive", "/export", "/compare/live", "/history?pvName=A"):
        problem = await office.ask("GET", f"{LIST}/{made['id']}{path}", 503)
        assert made["id"] in problem["detail"] and "precious" in problem["detail"]
    assert len(await office.ask("GET", LIST)) == 1


async def test_export_as_csv(office: Office) -> None:
    office.site.machine.channels["ca://C"] = Channel(ValueType.DOUBLE, np.array([1.0, np.nan]))
    made = await office.take()
    answer = await office.client.get(f"{LIST}/{made['id']}/export?format=csv")
    assert answer.headers["Content-Type"].startswith("text/csv")
    rows = list(csv.DictReader(io.StringIO(answer.text)))
    assert [(row["PV"], row["field"], row["value"]) for row in rows] == [
        ("A", "setpoint", "1.5"),
        ("A", "readback", "NaN"),
        ("B", "setpoint", "1"),
        ("C", "setpoint", '[1.0,"NaN"]'),
    ]
    assert rows[2]["label"] == "On"
    assert rows[0]["timestamp"] == "2026-01-02T03:04:05.678901229Z"
    problem = await office.ask("GET", f"{LIST}/{made['id']}/export?format=xls", 422)
    assert "csv" in problem["remedy"]


async def test_history(office: Office) -> None:
    made = []
    for number in range(3):
        office.site.stand.clock.advance(1)
        office.site.machine.channels["ca://A"] = double(float(number))
        made.append(await office.take(f"number {number}"))
    path = f"{LIST}/{made[0]['id']}/history"
    answer = await office.client.get(path, params={"pvName": "A", "pageSize": 2})
    got = answer.json()
    TypeAdapter(list[HistoryValue]).validate_python(got)
    assert [(one["title"], one["field"], one["value"]["value"]) for one in got] == [
        ("number 2", "setpoint", 2.0),
        ("number 1", "setpoint", 1.0),
    ]
    assert 'rel="next"' in answer.headers["Link"]
    assert await office.ask("GET", path, params={"pvName": "NONE"}) == []
    await office.ask("GET", path, 422)
    await office.ask("GET", path, 422, params={"pvName": "a b"})
    await office.ask("GET", path, 422, params={"pvName": "A", "pageSize": 51})


async def test_reading_changes_nothing(office: Office) -> None:
    made = await office.take()
    before = await office.ask("GET", LIST), office.site.stand.archives[0].read_bytes()
    for path in ("", "?limit=1", "/archive", "/export", "/compare/live", "/history?pvName=A"):
        assert (await office.client.get(f"{LIST}/{made['id']}{path}")).status_code == 200
    assert before == (await office.ask("GET", LIST), office.site.stand.archives[0].read_bytes())


@pytest.mark.parametrize(
    ("method", "path", "needed"),
    [
        ("GET", "", "read"),
        ("POST", "", "write"),
        ("GET", "/0123456789abcdef", "read"),
        ("PUT", "/0123456789abcdef", "write"),
        ("DELETE", "/0123456789abcdef", "write"),
        ("POST", "/0123456789abcdef/restore", "restore"),
        ("POST", "/0123456789abcdef/restore/plan", "restore"),
    ],
)
async def test_each_route_asks_for_its_scope(tmp_path: Path, method: str, path: str, needed: str) -> None:
    async with office_of(tmp_path, catalogue("A")) as office:
        for scope in ("read", "write", "restore", "admin"):
            answer = await office.client.request(method, f"{LIST}{path}", headers={"X-API-Key": scope}, json={})
            assert (answer.status_code == 403) is (scope != needed), (scope, answer.text)


async def test_names_of_the_other_protocol_keep_their_prefix(tmp_path: Path) -> None:
    async with office_of(tmp_path, catalogue("pva://A")) as office:
        made = await office.take()
        got = await office.ask("GET", f"{LIST}/{made['id']}")
        assert got["pvValues"][0]["setpointName"] == str(PvAddress.parse("pva://A"))


async def test_values_sent_in_blocks_are_one_list(office: Office, monkeypatch: pytest.MonkeyPatch) -> None:
    made = await office.take()
    whole = await office.ask("GET", f"{LIST}/{made['id']}")
    for size in (1, 2):
        monkeypatch.setattr(snapshots_endpoint, "BLOCK", size)
        assert await office.ask("GET", f"{LIST}/{made['id']}") == whole
