"""/v1/snapshots/{id}/restore and its outcomes, as a client sees them."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from backend.src.services.restore import RestoreSettings
from backend.src.web.restore_models import OutcomesAnswer, PlanAnswer, RestoreFinished
from tests.unit.services.snapshots.captures import NEVER, double
from tests.unit.services.snapshots.stand import catalogue
from tests.unit.web.endpoints.saving import Office, office_of


@pytest.fixture
async def office(tmp_path: Path) -> AsyncIterator[Office]:
    async with office_of(tmp_path, catalogue("A", "B", "C", read_only=("C",))) as made:
        made.site.machine.channels |= {"ca://A": double(1.0), "ca://B": double(2.0), "ca://C": double(3.0)}
        yield made


async def disturbed(office: Office) -> str:
    """A snapshot from which A and C differ now."""
    made = await office.take()
    office.site.move(A=10.0, C=30.0)
    return f"/v1/snapshots/{made['id']}/restore"


async def test_plan(office: Office) -> None:
    path = await disturbed(office)
    plan = await office.ask("POST", f"{path}/plan", json={})
    PlanAnswer.model_validate(plan)
    assert [(item["pvName"], item["verdict"], item["current"], item["target"]) for item in plan["items"]] == [
        ("A", "write", 10.0, 1.0),
        ("B", "equal", 2.0, 2.0),
        ("C", "read_only", 30.0, 3.0),
    ]
    assert plan["counts"] == {"equal": 1, "read_only": 1, "write": 1}
    assert all(item["reason"] for item in plan["items"])
    assert office.site.machine.puts == []
    started = await office.ask("POST", path, json={"planId": plan["planId"]})
    assert (await office.finish(started)).status == "completed"
    assert office.site.written == {"A": 1.0}
    await office.ask("POST", path, 404, json={"planId": plan["planId"]})


async def test_restore_and_its_outcomes(office: Office) -> None:
    path = await disturbed(office)
    job = await office.finish(await office.ask("POST", path, json={"pvIds": ["1", "3"]}))
    got = await office.ask("GET", f"/v1/jobs/{job.id}/outcomes")
    OutcomesAnswer.model_validate(got)
    assert [(one["pvName"], one["result"], one["ok"], one["before"], one["after"]) for one in got["outcomes"]] == [
        ("A", "restored", True, 10.0, 1.0),
        ("C", "skipped", True, None, None),
    ]
    assert (got["status"], got["finished"], got["actor"]) == ("completed", True, "everything (key 1)")
    assert got["counts"] == {"restored": 1, "skipped": 1}
    rollback = await office.ask("GET", f"/v1/snapshots/{got['rollbackSnapshotId']}")
    assert (rollback["labels"], rollback["pvValues"][0]["setpointValue"]["value"]) == (["before-restore"], 10.0)


async def test_restore_waited_for(office: Office) -> None:
    path = await disturbed(office)
    office.site.machine.channels["ca://B"] = NEVER
    done = await office.ask("POST", f"{path}?async=false")
    RestoreFinished.model_validate(done)
    assert (done["status"], done["totalPVs"], done["successCount"], done["failureCount"]) == ("completed", 3, 2, 1)
    assert done["failures"] == [{"pvId": "2", "pvName": "B", "error": "does not answer"}]


@pytest.mark.parametrize(
    "body",
    [
        {"pvIds": []},
        {"pvIds": ["99"]},
        {"pvIds": None, "pvPattern": ""},
        {"tagFilters": {}},
        {"tagFilters": {"1": ["4"]}},
        {"pvPattern": "Z*"},
        {"pvIds": ["1"], "excludePvIds": ["1"]},
        {"pvids": ["1"]},
        {"planId": "0123456789abcdef", "pvIds": ["1"]},
        {"planId": "x"},
        {"timeout": 0},
        {"timeout": "NaN"},
        {"timeouts": {"x": 1}},
        [],
        "everything",
    ],
)
async def test_what_makes_no_sense_is_refused_and_writes_nothing(office: Office, body: Any) -> None:
    path = await disturbed(office)
    await office.ask("POST", path, 422, json=body)
    assert await office.site.jobs.newest() == []
    assert office.site.machine.puts == []


async def test_null_is_not_everything(office: Office) -> None:
    path = await disturbed(office)
    answer = await office.client.post(path, content=b"null", headers={"Content-Type": "application/json"})
    assert answer.status_code == 422 and office.site.machine.puts == []


async def test_one_at_a_time(office: Office) -> None:
    path = await disturbed(office)
    office.site.machine.hold = asyncio.Event()
    started = await office.ask("POST", path, json={})
    problem = await office.ask("POST", path, 409, json={})
    assert started["jobId"] in problem["detail"]
    office.site.machine.hold.set()
    assert (await office.finish(started)).status == "completed"


async def test_unknown_snapshots_plans_and_jobs(office: Office) -> None:
    unknown = "0123456789abcdef"
    await office.ask("POST", f"/v1/snapshots/{unknown}/restore", 404, json={})
    await office.ask("POST", f"/v1/snapshots/{unknown}/restore/plan", 404, json={})
    await office.ask("POST", await disturbed(office), 404, json={"planId": unknown})
    await office.ask("GET", f"/v1/jobs/{unknown}/outcomes", 404)
    await office.ask("GET", "/v1/jobs/x/outcomes", 422)


async def test_a_job_that_is_no_restore_has_no_outcomes(office: Office) -> None:
    started = await office.ask("POST", "/v1/snapshots", json={"title": "x"})
    await office.finish(started)
    await office.ask("GET", f"/v1/jobs/{started['jobId']}/outcomes", 404)


async def test_options_reach_the_machine(office: Office, monkeypatch: pytest.MonkeyPatch) -> None:
    path = await disturbed(office)
    seen: dict[str, Any] = {}
    real = office.site.machine.write

    async def write(puts: Any, **how: Any) -> Any:
        seen.update(how, timeouts=[put.timeout_s for put in puts])
        return await real(puts, **how)

    monkeypatch.setattr(office.site.machine, "write", write)
    body = {"timeout": 7.5, "timeouts": {"1": 7200}, "wait": False}
    await office.finish(await office.ask("POST", path, json=body))
    assert (seen["wait"], seen["timeouts"]) == (False, [7200.0])
    assert seen["timeout_s"] == RestoreSettings().write_timeout_s, "to connect: that of the configuration"
