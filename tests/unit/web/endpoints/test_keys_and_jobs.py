"""/v1/api-keys and /v1/jobs over the real services and an SQLite file."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest
from fastapi import FastAPI

from backend.src.config.settings import CacheSettings, JobSettings, Secret, SqlSettings
from backend.src.core.clock import SystemClock
from backend.src.core.local_token import mint_local_token
from backend.src.core.supervisor import Supervisor
from backend.src.infra.cache import Redis
from backend.src.infra.sql import SQL
from backend.src.services.accounts import (
    Accounts,
    ApiKeys,
    KeyDraft,
    Principal,
    PrincipalKind,
    Scope,
)
from backend.src.services.jobs import JobContext, Jobs
from backend.src.web.app import build_app
from backend.src.web.endpoints.api_keys import ApiKeysEndpoint
from backend.src.web.endpoints.jobs import JobsEndpoint
from backend.src.web.path_manager import PathManager
from tests.manual_clock import ManualClock
from tests.migrated import migrated
from tests.unit.web.conftest import SETTINGS, client_of

SECRET = Secret("s" * 32)
OPERATOR = Principal(PrincipalKind.LOCAL, "ann", "ann", frozenset(Scope))


class Nobody:
    """No person logs in here."""

    def recall(self, token: str) -> None:
        """No access token was ever checked."""


NOBODY: Any = Nobody()


class Parts:
    """What a test needs of the services."""

    def __init__(self, sql: SQL) -> None:
        clock, self.supervisor, redis = SystemClock(), Supervisor(), Redis.build(CacheSettings())
        self.clock = ManualClock()  # of the keys: that of jobs goes on by itself
        self.keys = ApiKeys(sql, self.clock, self.supervisor)
        self.jobs = Jobs(sql, redis, clock, self.supervisor, JobSettings(heartbeat_s=0.05))
        paths = PathManager()
        paths.collect([ApiKeysEndpoint(self.keys).routes(), JobsEndpoint(self.jobs).routes()])
        paths.freeze()
        self.app: FastAPI = build_app(SETTINGS, paths, Accounts(self.keys, NOBODY, SECRET, clock))


@pytest.fixture
async def parts(tmp_path: Path) -> AsyncIterator[Parts]:
    sql = SQL.build(SqlSettings(), await migrated(tmp_path))
    await sql.start()
    parts = Parts(sql)
    yield parts
    await parts.jobs.stop()
    await parts.supervisor.stop()
    await sql.stop()


@pytest.fixture
async def operator(parts: Parts) -> AsyncIterator[httpx.AsyncClient]:
    """The command line, with its own token."""
    async with client_of(parts.app, key=None) as client:
        client.headers["Authorization"] = f"Bearer {mint_local_token(SECRET, 'ann')}"
        yield client


async def make_key(operator: httpx.AsyncClient, name: str, *scopes: str) -> dict[str, object]:
    answer = await operator.post("/v1/api-keys", json={"appName": name, "scopes": list(scopes)})
    assert answer.status_code == 200, answer.text
    found: dict[str, object] = answer.json()
    return found


async def test_a_key_lives_from_its_making_to_its_revocation(parts: Parts, operator: httpx.AsyncClient) -> None:
    made = await make_key(operator, "scans", "write", "read", "read")
    assert set(made) == {
        "id", "appName", "isActive", "readAccess", "writeAccess", "scopes", "createdAt", "updatedAt",
        "expiresAt", "lastUsedAt", "prefix", "createdBy", "createdById", "addresses", "rotatedTo", "token",
    }  # fmt: skip
    assert (made["scopes"], made["readAccess"], made["writeAccess"]) == (["read", "write"], True, True)
    async with client_of(parts.app, str(made["token"])) as program:
        listed = (await program.get("/v1/api-keys")).json()
        assert listed == [{name: value for name, value in made.items() if name != "token"}]
        assert (await program.delete(f"/v1/api-keys/{made['id']}")).status_code == 403
        revoked = await operator.delete(f"/v1/api-keys/{made['id']}")
        assert revoked.json()["isActive"] is False
        assert (await program.get("/v1/api-keys")).status_code == 401
    assert (await operator.get("/v1/api-keys/count")).json() == 1
    assert (await operator.get("/v1/api-keys/count", params={"active_only": True})).json() == 0
    assert (await operator.get("/v1/api-keys", params={"active_only": True})).json() == []


async def test_ones_own_key_needs_force(parts: Parts, operator: httpx.AsyncClient) -> None:
    made = await make_key(operator, "boss", "admin")
    async with client_of(parts.app, str(made["token"])) as boss:
        assert (await boss.delete(f"/v1/api-keys/{made['id']}")).status_code == 409
        assert (await boss.delete(f"/v1/api-keys/{made['id']}", params={"force": True})).status_code == 200
        assert (await boss.delete(f"/v1/api-keys/{made['id']}")).status_code == 401


async def test_older_clients_name_two_rights(operator: httpx.AsyncClient) -> None:
    body = {"appName": "old", "readAccess": True, "writeAccess": False}
    assert (await operator.post("/v1/api-keys", json=body)).json()["scopes"] == ["read"]


@pytest.mark.parametrize(
    "body",
    [
        {},
        {"appName": "a"},
        {"appName": "a", "scopes": []},
        {"appName": "a", "scopes": ["root"]},
        {"appName": "a", "readAccess": False},
        {"appName": " ", "scopes": ["read"]},
        {"appName": "a", "scopes": ["read"], "expiresAt": "2020-01-01T00:00:00Z"},
        {"appName": "a", "scopes": ["read"], "expiresAt": "2099-01-01T00:00:00"},
        {"appName": "a", "scopes": ["read"], "expiresAt": "9999-12-31T23:59:59-10:00"},
        {"appName": "a", "scopes": ["read"], "expire": "2099-01-01T00:00:00Z"},
    ],
)
async def test_a_key_that_makes_no_sense_is_422(operator: httpx.AsyncClient, body: dict[str, object]) -> None:
    answer = await operator.post("/v1/api-keys", json=body)
    assert answer.status_code == 422
    assert (await operator.get("/v1/api-keys/count")).json() == 0


async def test_a_key_may_expire(parts: Parts, operator: httpx.AsyncClient) -> None:
    expires = parts.clock.now() + timedelta(seconds=60)
    body = {"appName": "brief", "scopes": ["read"], "expiresAt": expires.isoformat()}
    made = (await operator.post("/v1/api-keys", json=body)).json()
    async with client_of(parts.app, made["token"]) as brief:
        assert (await brief.get("/v1/api-keys")).status_code == 200
        parts.clock.advance(60)
        assert (await brief.get("/v1/api-keys")).status_code == 401


@pytest.mark.parametrize("key_id", ["0", "9" * 18, "9" * 19, "-1", "abc", "%00", "1%2F2"])
async def test_a_strange_id_is_404_or_422(operator: httpx.AsyncClient, key_id: str) -> None:
    assert (await operator.delete(f"/v1/api-keys/{key_id}")).status_code in (404, 422)


async def work(context: JobContext) -> str | None:
    context.progress(30, "waiting")
    await context.abort.wait()
    context.raise_if_aborted("stopped at 30 %")
    return None


async def test_a_job_is_seen_and_stopped(parts: Parts, operator: httpx.AsyncClient) -> None:
    parts.jobs.register("restore", work)
    await parts.jobs.start()
    job = await parts.jobs.create("restore", {"pvs": [1]}, actor="ann")
    state = (await operator.get(f"/v1/jobs/{job.id}")).json()
    assert {"id", "type", "status", "progress", "message", "resultId", "error", "jobData"} <= set(state)
    assert {"createdAt", "startedAt", "completedAt"} <= set(state)
    assert (state["jobData"], state["createdBy"]) == ({"pvs": [1]}, "ann")
    assert (await operator.post(f"/v1/jobs/{job.id}/abort")).status_code == 200
    await parts.jobs.wait(job.id, timeout_s=20)
    state = (await operator.get(f"/v1/jobs/{job.id}")).json()
    assert (state["status"], state["message"], state["progress"]) == ("aborted", "stopped at 30 %", 30)
    assert (await operator.post(f"/v1/jobs/{job.id}/abort")).status_code == 409


async def test_who_only_reads_cannot_stop_a_job(parts: Parts) -> None:
    job = await parts.jobs.create("restore", actor="ann")
    for scope, status in ((Scope.READ, 403), (Scope.RESTORE, 200)):
        _, token = await parts.keys.create(KeyDraft(scope.value, frozenset({scope})), by=OPERATOR)
        async with client_of(parts.app, token) as client:
            assert (await client.post(f"/v1/jobs/{job.id}/abort")).status_code == status


async def test_the_list_is_walked_by_its_links(parts: Parts, operator: httpx.AsyncClient) -> None:
    created = [(await parts.jobs.create("kind", actor="ann")).id for _ in range(7)]
    seen, url, pages = [], "/v1/jobs?pageSize=3&type=kind", 0
    while url:
        answer = await operator.get(url)
        seen += [job["id"] for job in answer.json()]
        url = str(answer.links["next"]["url"]) if "next" in answer.links else ""
        pages += 1
    assert (seen, pages) == (created[::-1], 3)


@pytest.mark.parametrize(
    "query",
    ["pageSize=0", "pageSize=1001", "pageSize=x", "status=odd", "continuationToken=abc", "continuationToken=%00"],
)
async def test_a_strange_question_is_422(operator: httpx.AsyncClient, query: str) -> None:
    assert (await operator.get(f"/v1/jobs?{query}")).status_code == 422


@pytest.mark.parametrize("job_id", ["0" * 16, "1", "A" * 16, "%00" * 16, "é"])
async def test_a_strange_job_is_404_or_422(operator: httpx.AsyncClient, job_id: str) -> None:
    assert (await operator.get(f"/v1/jobs/{job_id}")).status_code in (404, 422)
    assert (await operator.post(f"/v1/jobs/{job_id}/abort")).status_code in (404, 422)
