"""/v1/pvs."""

from __future__ import annotations

import base64
import json
import shutil
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from tests.migrated import migrated
from tests.unit.web.endpoints.catalog_client import CatalogClient, catalog_client

FIELDS = {
    "id", "setpointAddress", "readbackAddress", "configAddress", "device", "description", "absTolerance",
    "relTolerance", "readOnly", "tags", "createdDate", "lastModifiedDate", "createdBy", "lastModifiedBy",
}  # fmt: skip


@pytest.fixture
async def client(tmp_path: Path) -> AsyncIterator[CatalogClient]:
    async with catalog_client(await migrated(tmp_path)) as made:
        yield made


async def test_a_pv_has_every_field_of_the_contract(client: CatalogClient) -> None:
    tags = await client.tag(Area=["north"])
    body = {
        "setpointAddress": "ca://X:SP", "readbackAddress": "pva://X:RB", "configAddress": "X:CFG", "device": "D",
        "description": "d", "absTolerance": 0.5, "relTolerance": 0.1, "readOnly": True, "tags": [tags["north"]],
    }  # fmt: skip
    made = await client.ask(200, "POST", "/v1/pvs", json=body)
    assert set(made) == FIELDS
    assert made["id"].isdigit()
    assert made == await client.ask(200, "GET", f"/v1/pvs/{made['id']}")
    assert [made] == await client.ask(200, "GET", "/v1/pvs")
    (tag,) = made["tags"]
    assert tag | {"id": tags["north"], "name": "north", "description": None, "groupName": "Area"} == tag
    expected = body | {"setpointAddress": "X:SP", "tags": [tag], "createdBy": "everything (key 1)"}
    assert made | expected == made
    assert made["createdDate"].endswith("Z")


async def test_a_pv_may_have_little(client: CatalogClient) -> None:
    made = await client.ask(200, "POST", "/v1/pvs", json={"readbackAddress": "R"})
    assert (made["setpointAddress"], made["absTolerance"], made["readOnly"], made["tags"]) == (None, 0, False, [])


async def test_one_address_has_one_pv(client: CatalogClient) -> None:
    await client.add("X", "x")
    problem = await client.ask(409, "POST", "/v1/pvs", json={"setpointAddress": "ca://X"})
    assert problem["errors"] == [{"where": ["X"], "message": "in the catalogue already"}]
    many = [{"setpointAddress": name} for name in ("A", "X", "B", "x", "Y")]
    problem = await client.ask(409, "POST", "/v1/pvs/multi", json=many)
    assert [error["where"] for error in problem["errors"]] == [["X"], ["x"]]
    twice = [{"setpointAddress": "A"}, {"setpointAddress": "B"}, {"setpointAddress": "ca://A"}]
    assert "more than once" in (await client.ask(409, "POST", "/v1/pvs/multi", json=twice))["detail"]
    assert len(await client.ask(200, "GET", "/v1/pvs")) == 2


@pytest.mark.parametrize(
    "body",
    [
        {},
        {"device": "D"},
        {"setpointAddress": ""},
        {"setpointAddress": "a b"},
        {"setpointAddress": "a\0b"},
        {"setpointAddress": "http://x"},
        {"setpointAddress": "x" * 256},
        {"setpointAddress": "\ud800"},
        {"setpointAddress": 7},
        {"setpointAddress": "X", "absTolerance": -1},
        {"setpointAddress": "X", "absTolerance": float("nan")},
        {"setpointAddress": "X", "relTolerance": float("inf")},
        {"setpointAddress": "X", "device": "a\0b"},
        {"setpointAddress": "X", "description": "x" * 4001},
        {"setpointAddress": "X", "tags": ["999"]},
        {"setpointAddress": "X", "tags": ["1'; DROP TABLE pvs;--"]},
        {"setpointAddress": "X", "tags": [str(10**18)]},
        {"setpointAddress": "X", "tags": None},
        {"setpointAddress": "X", "setpoint": "X"},
        [],
        None,
    ],
)
async def test_bad_bodies_are_refused(client: CatalogClient, body: Any) -> None:
    content = json.dumps(body).encode()
    problem = await client.ask(422, "POST", "/v1/pvs", content=content, headers={"Content-Type": "application/json"})
    assert problem["errors"] or problem["detail"]
    assert await client.ask(200, "GET", "/v1/pvs") == []


async def test_what_is_wrong_with_one_of_many_is_said_by_place(client: CatalogClient) -> None:
    for bad, field in (
        ({"readbackAddress": "http://x"}, "readbackAddress"),
        ({"device": "D"}, "setpointAddress"),
        ({"setpointAddress": "B", "absTolerance": -1}, "absTolerance"),
    ):
        problem = await client.ask(422, "POST", "/v1/pvs/multi", json=[{"setpointAddress": "A"}, bad])
        assert problem["errors"][0]["where"][-2:] == [1, field]
    assert await client.ask(200, "GET", "/v1/pvs") == []


async def test_an_update_changes_what_is_given_and_null_clears(client: CatalogClient) -> None:
    tags = await client.tag(Area=["north"])
    (pv_id,) = await client.add(
        "X", readbackAddress="R", device="D", absTolerance=0.5, readOnly=True, tags=[tags["north"]]
    )
    path = f"/v1/pvs/{pv_id}"
    changed = await client.ask(200, "PUT", path, json={"setpointAddress": "Y", "device": None})
    assert (changed["setpointAddress"], changed["device"], changed["absTolerance"]) == ("Y", None, 0.5)
    assert len(changed["tags"]) == 1
    nulls = {"setpointAddress": None, "absTolerance": None, "readOnly": None, "tags": None}
    changed = await client.ask(200, "PUT", path, json=nulls)
    assert [changed[field] for field in nulls] == [None, 0, False, []]
    assert "at least one address" in (await client.ask(422, "PUT", path, json={"readbackAddress": None}))["detail"]
    assert (await client.ask(200, "PUT", path, json={}))["readbackAddress"] == "R"


@pytest.mark.parametrize("pv_id", ["x", "0x1", "-1", "1e3", "1%00", "9" * 19, "%F0%9F%98%80", "..%2f1"])
@pytest.mark.parametrize("method", ["GET", "PUT", "DELETE"])
async def test_malformed_ids_are_refused(client: CatalogClient, method: str, pv_id: str) -> None:
    options: dict[str, Any] = {"json": {}} if method == "PUT" else {}
    response = await client.http.request(method, f"/v1/pvs/{pv_id}", **options)
    assert response.status_code in (404, 405, 422)


async def test_what_is_not_there_is_not_found(client: CatalogClient) -> None:
    for method, options in (("GET", {}), ("PUT", {"json": {"device": "x"}}), ("DELETE", {})):
        assert (await client.ask(404, method, "/v1/pvs/1", **options))["title"] == "Not found"


async def test_a_deleted_pv_is_gone_once(client: CatalogClient) -> None:
    (pv_id,) = await client.add("X")
    assert await client.ask(200, "DELETE", f"/v1/pvs/{pv_id}") is True
    await client.ask(404, "DELETE", f"/v1/pvs/{pv_id}")
    await client.ask(404, "GET", f"/v1/pvs/{pv_id}")


@pytest.mark.parametrize(
    ("wanted", "found"), [("%", ["a%b"]), ("a_b", ["a_b"]), ("'", ["a'b"]), ("\\", ["a\\b"]), ("A", 4), ("nothing", [])]
)
async def test_wildcards_of_sql_are_letters(client: CatalogClient, wanted: str, found: Any) -> None:
    await client.add("a%b", "a_b", "a'b", "a\\b")
    for path in ("/v1/pvs", "/v1/pvs/paged", "/v1/pvs/search"):
        answer = await client.ask(200, "GET", path, params={"pvName": wanted, "q": wanted})
        names = [pv["setpointAddress"] for pv in (answer if isinstance(answer, list) else answer["results"])]
        assert names == found if isinstance(found, list) else len(names) == found


async def test_a_list_says_when_there_is_more(client: CatalogClient) -> None:
    await client.add(*(f"P:{number:05}" for number in range(2_300)))
    seen: list[str] = []
    path: str | None = "/v1/pvs?pvName=p:"
    while path:
        answer = await client.answer(200, "GET", path)
        seen += [pv["setpointAddress"] for pv in answer.json()]
        path = answer.links["next"]["url"] if "next" in answer.links else None
        assert path is None or "pvName=p" in path
    assert seen == [f"P:{number:05}" for number in range(2_300)]


async def test_pages_hold_each_pv_once_and_delete_nothing(client: CatalogClient) -> None:
    """A paginated GET that deleted rows, in one of the peers."""
    await client.add(*(f"P:{number:03}" for number in range(25)))
    seen: list[str] = []
    token = None
    while True:
        params = {"pageSize": 10} | ({"continuationToken": token} if token else {})
        page = await client.ask(200, "GET", "/v1/pvs/paged", params=params)
        assert page["totalCount"] == 25
        seen += [pv["setpointAddress"] for pv in page["results"]]
        if (token := page["continuationToken"]) is None:
            break
    assert seen == [f"P:{number:03}" for number in range(25)]
    assert (await client.ask(200, "GET", "/v1/pvs/paged"))["totalCount"] == 25


async def test_a_page_goes_on_when_its_last_pv_is_deleted(client: CatalogClient) -> None:
    ids = await client.add("A", "B", "C", "\u00e9" * 200)
    first = await client.ask(200, "GET", "/v1/pvs/paged", params={"pageSize": 3})
    await client.ask(200, "DELETE", f"/v1/pvs/{ids[2]}")
    after = {"continuationToken": first["continuationToken"]}
    rest = await client.ask(200, "GET", "/v1/pvs/paged", params=after)
    assert [pv["id"] for pv in rest["results"]] == [ids[3]]


def forged(*content: Any) -> str:
    return base64.urlsafe_b64encode(json.dumps(content).encode()).decode().rstrip("=")


@pytest.mark.parametrize(
    "token",
    ["x", "AAAA", "%00", forged(), forged("pvs"), forged("other", "A", 1), forged("pvs", 1, "A"),
     forged("pvs", "A", 2**70), forged("pvs", "A", True), forged("pvs", "A\0", 1), forged("pvs", "A", 1, 2), "é",
     "x" * 9_000],
)  # fmt: skip
async def test_tampered_tokens_are_refused(client: CatalogClient, token: str) -> None:
    await client.add("A", "B")
    for path in ("/v1/pvs", "/v1/pvs/paged"):
        await client.ask(422, "GET", path, params={"continuationToken": token})


async def test_tag_filters_or_within_a_group_and_across(client: CatalogClient) -> None:
    tags = await client.tag(Area=["n", "s"], Kind=["mag", "bpm"])
    await client.add("NM", tags=[tags["n"], tags["mag"]])
    await client.add("SM", tags=[tags["s"], tags["mag"]])
    await client.add("SB", tags=[tags["s"], tags["bpm"]])

    async def names(filters: Any) -> list[str]:
        page = await client.ask(200, "GET", "/v1/pvs/paged", params={"tagFilters": json.dumps(filters)})
        assert page["totalCount"] == len(page["results"])
        return [pv["setpointAddress"] for pv in page["results"]]

    area, kind = tags["Area"], tags["Kind"]
    assert await names({area: [tags["n"], tags["s"]]}) == ["NM", "SB", "SM"]
    assert await names({area: [tags["s"]], kind: [tags["mag"]]}) == ["SM"]
    assert await names({area: [int(tags["n"])], kind: []}) == ["NM"]
    assert await names({}) == ["NM", "SB", "SM"]


@pytest.mark.parametrize(
    "filters", ["{", "[]", "1", '{"x":["1"]}', '{"1":"1"}', '{"1":[null]}', '{"1":["1"]}', '{"1":[1.5]}', "\0", "null"]
)
async def test_bad_tag_filters_are_refused(client: CatalogClient, filters: str) -> None:
    await client.ask(422, "GET", "/v1/pvs/paged", params={"tagFilters": filters})


async def test_search_combines_and_counts(client: CatalogClient) -> None:
    tags = await client.tag(Area=["n", "s"])
    await client.add("A:1", "A:2", device="one", tags=[tags["n"]])
    await client.add("A:3", "B:1", device="two", tags=[tags["s"]])

    async def search(**params: Any) -> Any:
        return await client.ask(200, "GET", "/v1/pvs/search", params=params)

    found = await search(q="a:", devices=["one", "two"], tags=[tags["n"], tags["s"]], limit=2, offset=1)
    assert [pv["setpointAddress"] for pv in found["results"]] == ["A:2", "A:3"]
    assert (found["totalCount"], found["limit"], found["offset"], "liveValues" in found) == (3, 2, 1, False)
    assert (await search(tags=[tags["s"]], devices="two"))["totalCount"] == 2
    assert (await search(q="a:", offset=10))["results"] == []
    assert await client.ask(200, "GET", "/v1/pvs/devices") == ["one", "two"]
    for bad in ({"limit": 0}, {"limit": 10**6}, {"offset": -1}, {"tags": "x"}, {"q": "x" * 500}, {"q": "\0"}):
        await client.ask(422, "GET", "/v1/pvs/search", params=bad)


async def test_search_brings_live_values(client: CatalogClient) -> None:
    await client.add("A", readbackAddress="pva://A:RB")
    found = await client.ask(200, "GET", "/v1/pvs/search", params={"include_live_values": True})
    assert list(found["liveValues"]) == ["A", "pva://A:RB"]
    assert found["liveValues"]["A"]["connected"] is False
    assert found["results"][0]["setpointAddress"] == "A"


async def test_forty_thousand_in_one_call(client: CatalogClient) -> None:
    tags = await client.tag(Area=["n"])
    body = [
        {"setpointAddress": f"M:{number}:SP", "readbackAddress": f"M:{number}:RB", "tags": [tags["n"]]}
        for number in range(40_000)
    ]
    made = await client.ask(200, "POST", "/v1/pvs/multi", json=body)
    assert [pv["setpointAddress"] for pv in made] == [pv["setpointAddress"] for pv in body]
    assert (await client.ask(200, "GET", "/v1/pvs/paged", params={"pageSize": 1}))["totalCount"] == 40_000
    problem = await client.ask(409, "POST", "/v1/pvs/multi", json=body[:2_000])
    assert "and 1980 more" in problem["detail"]


@pytest.mark.parametrize(
    ("key", "allowed"),
    [("read", {"GET"}), ("write", {"POST", "PUT", "DELETE"}), ("restore", set()), ("admin", set()), ("nobody", set())],
)
async def test_reading_and_writing_need_their_scope(tmp_path: Path, key: str, allowed: set[str]) -> None:
    calls = [
        ("GET", "/v1/pvs"), ("GET", "/v1/pvs/paged"), ("GET", "/v1/pvs/search"), ("GET", "/v1/pvs/devices"),
        ("GET", "/v1/pvs/1"), ("GET", "/v1/pvs/export"), ("GET", "/v1/tags"), ("GET", "/v1/tags/1"),
        ("POST", "/v1/pvs"), ("POST", "/v1/pvs/multi"), ("POST", "/v1/pvs/import"), ("POST", "/v1/tags"),
        ("POST", "/v1/tags/1/tags"), ("POST", "/v1/tags/bulk"), ("PUT", "/v1/pvs/1"), ("PUT", "/v1/tags/1"),
        ("PUT", "/v1/tags/1/tags/1"), ("DELETE", "/v1/pvs/1"), ("DELETE", "/v1/tags/1"),
        ("DELETE", "/v1/tags/1/tags/1"),
    ]  # fmt: skip
    async with catalog_client(tmp_path, key) as client:
        for method, path in calls:
            status = (await client.http.request(method, path)).status_code
            refused = 401 if key == "nobody" else 403
            assert (status in (200, 404, 422)) if method in allowed else (status == refused), (method, path, status)


@pytest.mark.parametrize("path", ["/v1/pvs", "/v1/pvs/paged?pageSize=1", "/v1/pvs/search?q=a"])
async def test_a_list_that_is_the_same_is_not_sent_again(client: CatalogClient, path: str) -> None:
    (pv, *_), tags = await client.add("A", "AB"), await client.tag(Area=["north"])
    known: dict[str, str] = {}

    async def asked_again(status: int) -> None:
        nonlocal known
        answer = await client.answer(status, "GET", path, headers=known)
        known = {"If-None-Match": answer.headers["etag"]}

    await asked_again(200)
    await asked_again(304)
    for method, changed, body in (
        ("PUT", f"/v1/pvs/{pv}", {"description": "a"}),
        ("PUT", f"/v1/tags/{tags['Area']}/tags/{tags['north']}", {"name": "south"}),
        ("POST", "/v1/pvs", {"setpointAddress": "ABC"}),
        ("DELETE", f"/v1/pvs/{pv}", None),
    ):
        await client.ask(200, method, changed, json=body)
        await asked_again(200)
        await asked_again(304)


async def test_the_list_of_another_database_is_another(tmp_path: Path) -> None:
    tags = []
    for folder in ("one", "other"):
        async with catalog_client(tmp_path / folder) as client:
            await client.add(folder)
            tags.append((await client.answer(200, "GET", "/v1/pvs")).headers["etag"])
    assert len(set(tags)) == 2


async def test_a_state_after_a_restored_dump_is_none_that_was_seen_before(tmp_path: Path) -> None:
    tags = []
    async with catalog_client(tmp_path / "data") as client:
        await client.add("A")
    shutil.copytree(tmp_path / "data", tmp_path / "dump")
    for folder in ("data", "dump"):
        async with catalog_client(tmp_path / folder) as client:
            await client.add(f"CHANGED:IN:{folder}")
            tags.append((await client.answer(200, "GET", "/v1/pvs")).headers["etag"])
    assert len(set(tags)) == 2


async def test_live_values_are_sent_every_time(client: CatalogClient) -> None:
    await client.add("A")
    answer = await client.answer(200, "GET", "/v1/pvs/search?include_live_values=true", headers={"If-None-Match": "*"})
    assert "etag" not in answer.headers and answer.headers["cache-control"] == "no-store"
