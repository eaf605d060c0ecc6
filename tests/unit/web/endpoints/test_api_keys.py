"""/v1/api-keys: what changing and rotating looks like from outside."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest

from backend.src.config.settings import SqlSettings
from backend.src.core.clock import SystemClock
from backend.src.core.supervisor import Supervisor
from backend.src.infra.sql import SQL
from backend.src.services.accounts import ApiKeys
from backend.src.services.audit import Audit
from backend.src.web.endpoints.api_keys import ApiKeysEndpoint
from backend.src.web.endpoints.audit import AuditEndpoint
from tests.migrated import migrated
from tests.unit.web.conftest import client_of, make_app

LATER = (datetime.now(UTC) + timedelta(days=1)).isoformat()


@pytest.fixture
async def client(tmp_path: Path) -> AsyncIterator[httpx.AsyncClient]:
    """Someone with every scope, whose key is not one of those here."""
    sql = SQL.build(SqlSettings(), await migrated(tmp_path))
    await sql.start()
    audit = Audit(sql, SystemClock())
    endpoints = ApiKeysEndpoint(ApiKeys(sql, SystemClock(), Supervisor())), AuditEndpoint(audit)
    async with client_of(make_app(*endpoints, audit=audit), key=None) as client:
        client.headers["Authorization"] = "Bearer token-everything"
        yield client
    await sql.stop()


async def make(client: httpx.AsyncClient, name: str = "scans", **more: Any) -> dict[str, Any]:
    answer = await client.post("/v1/api-keys", json={"appName": name, "scopes": ["read"], **more})
    assert answer.status_code == 200, answer.text
    found: dict[str, Any] = answer.json()
    return found


async def test_a_key_tells_who_made_it_and_from_where_it_is_good(client: httpx.AsyncClient) -> None:
    made = await make(client, addresses=["10.0.0.0/8", "::ffff:10.0.0.0/104"], expiresAt=LATER)
    assert (made["prefix"], made["createdBy"]) == (made["token"][:12], "everything (key 1)")
    assert (made["addresses"], made["rotatedTo"]) == (["10.0.0.0/8"], None)
    shown = (await client.get(f"/v1/api-keys/{made['id']}")).json()
    assert shown == {name: value for name, value in made.items() if name != "token"}


async def test_a_change_names_what_it_means(client: httpx.AsyncClient) -> None:
    made = await make(client, addresses=["10.0.0.0/8"], expiresAt=LATER)
    path = f"/v1/api-keys/{made['id']}"
    assert (await client.put(path, json={"appName": "other"})).json()["addresses"] == ["10.0.0.0/8"]
    changed = (await client.put(path, json={"addresses": None, "expiresAt": None})).json()
    assert (changed["appName"], changed["addresses"], changed["expiresAt"]) == ("other", [], None)
    (entry, *_) = (await client.get("/v1/admin/audit")).json()
    assert (entry["target"], entry["detail"]) == (made["id"], {"changed": ["addresses", "expiresAt"]})
    assert (await client.put(path, json={"scopes": ["admin"]})).status_code == 422
    assert (await client.put("/v1/api-keys/999", json={})).status_code == 404


async def test_a_rotation_answers_with_a_new_token(client: httpx.AsyncClient) -> None:
    made = await make(client)
    rotated = (await client.post(f"/v1/api-keys/{made['id']}/rotate")).json()
    assert rotated["token"] != made["token"] and rotated["appName"] == "scans"
    assert (await client.get(f"/v1/api-keys/{made['id']}")).json()["rotatedTo"] == rotated["id"]
    ended = await client.post(f"/v1/api-keys/{rotated['id']}/rotate", json={"overlapS": 0, "expiresAt": LATER})
    assert ended.status_code == 200
    assert (await client.get(f"/v1/api-keys/{rotated['id']}")).json()["isActive"] is False
    assert (await client.post(f"/v1/api-keys/{rotated['id']}/rotate")).status_code == 409


@pytest.mark.parametrize(
    "body",
    [
        {"overlapS": -1},
        {"overlapS": "NaN"},
        {"overlapS": 1e12},
        {"overlapS": True, "more": 1},
        {"expiresAt": "2020-01-01T00:00:00Z"},
        [],
    ],
)
async def test_a_strange_rotation_is_422(client: httpx.AsyncClient, body: Any) -> None:
    made = await make(client)
    assert (await client.post(f"/v1/api-keys/{made['id']}/rotate", json=body)).status_code == 422


@pytest.mark.parametrize("address", ["", "x", "10.0.0.1/8", "\x00", "1.2.3.4\n", "é", "9" * 65, "fe80::1%eth0"])
async def test_a_strange_range_is_422(client: httpx.AsyncClient, address: str) -> None:
    answer = await client.post("/v1/api-keys", json={"appName": "a", "scopes": ["read"], "addresses": [address]})
    assert answer.status_code == (200 if address == "1.2.3.4\n" else 422)


async def test_a_manager_makes_no_administrator(client: httpx.AsyncClient) -> None:
    await make(client)  # the manager's own, whose limits are looked at
    client.headers["Authorization"] = "Bearer token-manage"
    answer = await client.post("/v1/api-keys", json={"appName": "boss", "scopes": ["admin"]})
    assert answer.status_code == 403 and "admin" in answer.json()["detail"]
    answer = await client.post("/v1/api-keys", json={"appName": "other", "scopes": ["manage"]})
    assert answer.status_code == 200


async def test_the_last_administrator_needs_force(client: httpx.AsyncClient) -> None:
    made = await make(client, scopes=["admin"])
    answer = await client.delete(f"/v1/api-keys/{made['id']}")
    assert answer.status_code == 409 and "force" in answer.json()["remedy"]
    assert (await client.delete(f"/v1/api-keys/{made['id']}?force=true")).status_code == 200
