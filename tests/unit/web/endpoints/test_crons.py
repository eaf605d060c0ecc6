"""/v1/admin/crons and /v1/admin/retention over the real services and an SQLite file."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from sqlalchemy import insert

from backend.src.config.settings import JobSettings, RetentionSettings, SqlSettings
from backend.src.core.supervisor import Supervisor
from backend.src.infra.sql import SQL
from backend.src.infra.sql.tables import snapshot_labels, snapshots
from backend.src.services.audit import Audit
from backend.src.services.crons import BackgroundTasks, Crons, Schedule, Task
from backend.src.services.retention import Retention
from backend.src.web.endpoints.crons import CronsEndpoint
from backend.src.web.endpoints.retention import RetentionEndpoint
from tests.manual_clock import START, ManualClock
from tests.migrated import migrated
from tests.unit.web.conftest import client_of, make_app

NOBODY: Any = None
RULES = "/v1/admin/retention"


async def nothing() -> str:
    return ""


@pytest.fixture
async def sql(tmp_path: Path) -> AsyncIterator[SQL]:
    database = SQL.build(SqlSettings(), await migrated(tmp_path))
    await database.start()
    yield database
    await database.stop()


@pytest.fixture
async def client(sql: SQL) -> AsyncIterator[httpx.AsyncClient]:
    """As an administrator; the process that answers runs nothing itself."""
    clock = ManualClock()
    clock.advance(86_400 * 100)
    tasks = BackgroundTasks(
        [
            Task("clean", "cleans", Schedule.parse("every 1d, jitter 1h"), nothing),
            Task("snapshot", "takes one", Schedule.parse("off"), nothing),
        ]
    )
    crons = Crons(tasks, sql, Audit(sql, clock), clock, Supervisor(), JobSettings(), runs_here=False)
    retention = Retention(sql, NOBODY, clock, RetentionSettings(scheduled_days=30, before_restore_days=0))
    async with client_of(make_app(CronsEndpoint(crons), RetentionEndpoint(retention))) as client:
        yield client


async def test_every_cron_is_listed_before_any_process_ran_one(client: httpx.AsyncClient) -> None:
    listed = (await client.get("/v1/admin/crons")).json()
    assert [cron["name"] for cron in listed] == ["clean", "snapshot"]
    assert listed[0]["schedule"] == "every 1d, jitter 1h"
    assert (listed[0]["meaning"], listed[0]["runs"], listed[0]["lastStatus"]) == ("cleans", 0, None)


async def test_a_cron_is_paused_resumed_and_asked_for(client: httpx.AsyncClient) -> None:
    paused = (await client.post("/v1/admin/crons/clean/pause")).json()
    assert (paused["paused"], paused["modifiedBy"]) == (True, "everything (key 1)")
    assert (await client.post("/v1/admin/crons/clean/run")).json()["requested"] is True
    resumed = (await client.post("/v1/admin/crons/clean/resume")).json()
    assert (resumed["paused"], resumed["requested"]) == (False, True)
    assert resumed["dueAt"] >= "2026-04-12"
    assert (await client.get("/v1/admin/crons")).json()[0] == resumed


@pytest.mark.parametrize(("name", "status"), [("nothing", 404), ("Clean", 422), ("x" * 65, 422), ("a%00b", 422)])
async def test_what_is_no_cron_is_refused(client: httpx.AsyncClient, name: str, status: int) -> None:
    assert (await client.post(f"/v1/admin/crons/{name}/run")).status_code == status


async def test_rules_are_set_listed_and_removed(client: httpx.AsyncClient) -> None:
    assert [rule["label"] for rule in (await client.get(RULES)).json()] == ["before-restore", "scheduled"]
    made = (await client.put(RULES, json={"label": "a/b", "keepDays": 7})).json()
    assert (made["label"], made["keepDays"], made["modifiedBy"]) == ("a/b", 7, "everything (key 1)")
    assert made in (await client.get(RULES)).json()
    assert (await client.delete(RULES, params={"label": "a/b"})).json() is True
    assert (await client.delete(RULES, params={"label": "a/b"})).status_code == 404


@pytest.mark.parametrize(
    "body",
    [
        {}, {"label": "x"}, {"label": "", "keepDays": 1}, {"label": "x" * 65, "keepDays": 1},
        {"label": "\x00", "keepDays": 1}, {"label": "x", "keepDays": -1}, {"label": "x", "keepDays": 1e9},
        {"label": "x", "keepDays": 10**30}, {"label": "x", "keepDays": 1, "more": 1},
    ],
)  # fmt: skip
async def test_a_rule_that_makes_no_sense_is_refused(client: httpx.AsyncClient, body: dict[str, Any]) -> None:
    assert (await client.put(RULES, json=body)).status_code == 422


async def test_the_preview_comes_in_pages_and_removes_nothing(client: httpx.AsyncClient, sql: SQL) -> None:
    names = [f"{number:016x}" for number in range(3)]
    common = {"labels": ["scheduled"], "source": "live", "created_at": START, "archive_key": "k", "sha256": "0"}
    rows = [{"id": name, "title": f"of {name}", "size_bytes": 5, "golden": False, **common} for name in names]
    await sql.write(lambda db: db.execute(insert(snapshots), rows) and None)
    labels = [{"snapshot_id": name, "label": "scheduled"} for name in names]
    await sql.write(lambda db: db.execute(insert(snapshot_labels), labels) and None)
    first = (await client.get(f"{RULES}/preview", params={"pageSize": 2})).json()
    assert [one["id"] for one in first["results"]] == names[:2]
    assert (first["totalCount"], first["totalBytes"]) == (3, 15)
    query = {"pageSize": 2, "continuationToken": first["continuationToken"]}
    second = (await client.get(f"{RULES}/preview", params=query)).json()
    assert ([one["id"] for one in second["results"]], second["continuationToken"]) == (names[2:], None)
    assert (await client.get(f"{RULES}/preview", params={"continuationToken": "x"})).status_code == 422
