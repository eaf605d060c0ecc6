"""/v1/tags."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from tests.migrated import migrated
from tests.unit.web.endpoints.catalog_client import CatalogClient, catalog_client


@pytest.fixture
async def client(tmp_path: Path) -> AsyncIterator[CatalogClient]:
    async with catalog_client(await migrated(tmp_path)) as made:
        yield made


async def test_a_group_has_every_field_of_the_contract(client: CatalogClient) -> None:
    made = await client.ask(200, "POST", "/v1/tags", json={"name": "Area", "description": "where"})
    assert set(made) == {"id", "name", "description", "tags", "createdDate", "lastModifiedDate"}
    added = await client.ask(200, "POST", f"/v1/tags/{made['id']}/tags", json={"name": "north"})
    assert added["wasCreated"] is True
    (tag,) = added["group"]["tags"]
    assert set(tag) == {"id", "name", "description"}
    assert await client.ask(200, "GET", f"/v1/tags/{made['id']}") == [added["group"]]
    summary = {"id": made["id"], "name": "Area", "description": "where", "tagCount": 1}
    assert await client.ask(200, "GET", "/v1/tags") == [summary]


async def test_the_trail_names_what_was_made(client: CatalogClient) -> None:
    group = await client.ask(200, "POST", "/v1/tags", json={"name": "Area"})
    path = f"/v1/tags/{group['id']}/tags"
    for name in ("south", "north"):
        await client.ask(200, "POST", path, json={"name": name})
    (group,) = await client.ask(200, "GET", f"/v1/tags/{group['id']}")
    ids = {tag["name"]: tag["id"] for tag in group["tags"]}
    assert await client.noted() == (group["id"], {"tag": ids["north"]})
    await client.ask(200, "POST", path, params={"skip_duplicates": True}, json={"name": "north"})
    assert "tag" not in ((await client.noted())[1] or {})
    await client.tag(Area=["north", "east"], Kind=["magnet"])
    assert await client.noted() == (None, {"groups": 1, "created": 2})
    await client.add("A", "B")
    assert await client.noted() == (None, {"created": 2})


async def test_names_are_unique_within_their_group(client: CatalogClient) -> None:
    ids = await client.tag(Area=["north", "south"], Kind=["north"])
    area = f"/v1/tags/{ids['Area']}"
    await client.ask(409, "POST", "/v1/tags", json={"name": " Area "})
    await client.ask(409, "POST", f"{area}/tags", json={"name": "north"})
    skipped = await client.ask(200, "POST", f"{area}/tags", params={"skip_duplicates": True}, json={"name": "north"})
    assert skipped["wasCreated"] is False
    await client.ask(409, "PUT", area, json={"name": "Kind"})
    await client.ask(409, "PUT", f"{area}/tags/{ids['south']}", json={"name": "north"})
    assert (await client.ask(200, "PUT", area, json={"name": "area"}))["name"] == "area"


async def test_a_change_keeps_what_it_does_not_name(client: CatalogClient) -> None:
    group = await client.ask(200, "POST", "/v1/tags", json={"name": "Area", "description": "where"})
    path = f"/v1/tags/{group['id']}"
    assert (await client.ask(200, "PUT", path, json={"name": "Zone"}))["description"] == "where"
    assert (await client.ask(200, "PUT", path, json={"description": None}))["description"] is None
    assert (await client.ask(200, "PUT", path, json={}))["name"] == "Zone"


async def test_a_group_in_use_is_deleted_by_force_only(client: CatalogClient) -> None:
    ids = await client.tag(Area=["north"])
    (pv_id,) = await client.add("X", tags=[ids["north"]])
    await client.ask(409, "DELETE", f"/v1/tags/{ids['Area']}")
    assert await client.ask(200, "DELETE", f"/v1/tags/{ids['Area']}", params={"force": True}) is True
    assert (await client.ask(200, "GET", f"/v1/pvs/{pv_id}"))["tags"] == []
    await client.ask(404, "DELETE", f"/v1/tags/{ids['Area']}")


async def test_a_renamed_tag_is_renamed_on_its_pvs(client: CatalogClient) -> None:
    ids = await client.tag(Area=["north"])
    (pv_id,) = await client.add("X", tags=[ids["north"]])
    path = f"/v1/tags/{ids['Area']}/tags/{ids['north']}"
    await client.ask(200, "PUT", path, json={"name": "south"})
    assert (await client.ask(200, "GET", f"/v1/pvs/{pv_id}"))["tags"][0]["name"] == "south"
    assert (await client.ask(200, "GET", "/v1/pvs"))[0]["tags"][0]["name"] == "south"
    assert (await client.ask(200, "DELETE", path))["tags"] == []
    assert (await client.ask(200, "GET", f"/v1/pvs/{pv_id}"))["tags"] == []


async def test_many_at_once(client: CatalogClient) -> None:
    await client.tag(Area=["north"])
    groups = {"Area": ["north", {"name": "south", "description": "warm"}], "Kind": ["magnet"], "Empty": []}
    report = await client.ask(200, "POST", "/v1/tags/bulk", json={"groups": groups})
    assert report == {
        "groupsCreated": 2, "tagsCreated": 2, "tagsSkipped": 1, "warnings": ["tag 'north' is in 'Area' already"],
    }  # fmt: skip
    assert [group["name"] for group in await client.ask(200, "GET", "/v1/tags")] == ["Area", "Empty", "Kind"]


@pytest.mark.parametrize(
    "body", [{}, {"name": ""}, {"name": "  "}, {"name": "a\0"}, {"name": "x" * 256}, {"name": 1}, {"name": "a", "b": 1}]
)
async def test_bad_names_are_refused(client: CatalogClient, body: Any) -> None:
    ids = await client.tag(Area=["north"])
    await client.ask(422, "POST", "/v1/tags", json=body)
    await client.ask(422, "POST", f"/v1/tags/{ids['Area']}/tags", json=body)
    if body:
        await client.ask(422, "PUT", f"/v1/tags/{ids['Area']}", json=body)


@pytest.mark.parametrize("groups", [None, [], {"": []}, {"A": "x"}, {"A": [""]}, {"A": [{}]}, {"A\0": []}])
async def test_bad_bulks_are_refused(client: CatalogClient, groups: Any) -> None:
    await client.ask(422, "POST", "/v1/tags/bulk", json={"groups": groups})
    assert await client.ask(200, "GET", "/v1/tags") == []


async def test_what_is_not_there_is_not_found(client: CatalogClient) -> None:
    ids = await client.tag(A=["x"], B=["y"])
    for method, path, body in (
        ("GET", "/v1/tags/999", None),
        ("PUT", "/v1/tags/999", {"name": "z"}),
        ("DELETE", "/v1/tags/999", None),
        ("POST", "/v1/tags/999/tags", {"name": "z"}),
        ("PUT", f"/v1/tags/{ids['A']}/tags/{ids['y']}", {"name": "z"}),
        ("DELETE", f"/v1/tags/{ids['A']}/tags/{ids['y']}", None),
    ):
        await client.ask(404, method, path, **({"json": body} if body else {}))
