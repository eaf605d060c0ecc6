"""The whole job with a client that nobody wrote: generated from /openapi.json, against a real server and machine."""

from __future__ import annotations

import importlib
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any, Self

import pytest

from tests.servers.larder import ROOT, Larder
from tests.servers.soft_ioc import SoftIoc

RECORDS, DISTURBED = 20, 3
PACKAGE = "larder_client"
CONFIGURATION = ROOT / "docs" / "client-generator.yaml"


@pytest.fixture(scope="module")
def machine() -> Iterator[SoftIoc]:
    with SoftIoc.scale(RECORDS) as ioc:
        yield ioc


@pytest.fixture(scope="module")
def larder(machine: SoftIoc, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Larder]:
    with Larder(tmp_path_factory.mktemp("generated") / "data", machine.environment) as running:
        yield running


@pytest.fixture(scope="module")
def generated(larder: Larder, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A folder that the client can be imported from."""
    folder = tmp_path_factory.mktemp("client")
    command = [
        str(Path(sys.executable).with_name("openapi-python-client")), "generate", "--url", f"{larder.url}/openapi.json",
        "--config", str(CONFIGURATION), "--meta", "none", "--output-path", str(folder / PACKAGE), "--fail-on-warning",
    ]  # fmt: skip
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    sys.path.insert(0, str(folder))
    yield folder
    sys.path.remove(str(folder))
    for name in [name for name in sys.modules if name.partition(".")[0] == PACKAGE]:
        del sys.modules[name]


@pytest.fixture(scope="module")
def client(larder: Larder, generated: Path) -> Iterator[Client]:
    with Client(larder) as made:
        yield made


class Client:
    """The generated modules, with a key."""

    def __init__(self, larder: Larder) -> None:
        key = larder.key("read", "write", "restore", name="generated")
        made = importlib.import_module(PACKAGE).AuthenticatedClient
        self.raw = made(base_url=larder.url, token=key, prefix="", auth_header_name="X-API-Key", timeout=30)
        self.models: ModuleType = importlib.import_module(f"{PACKAGE}.models")

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.raw.get_httpx_client().close()

    def call(self, operation: str, *ids: str, **arguments: Any) -> Any:
        """`operation`: its group and its name."""
        module = importlib.import_module(f"{PACKAGE}.api.{operation}")
        answer = module.sync(*ids, client=self.raw, **arguments)
        assert answer is not None and not isinstance(answer, self.models.Problem), answer
        return answer

    def new_pvs(self, names: list[str]) -> list[Any]:
        body = [self.models.NewPv(setpoint_address=name) for name in names]
        return list(self.call("p_vs.post_v1_pvs_multi", body=body))

    def live(self, names: list[str]) -> dict[str, Any]:
        body = self.models.PvNames(pv_names=names)
        return dict(self.call("live_values.post_v1_pvs_live", body=body).additional_properties)


def test_the_tour(client: Client, larder: Larder, machine: SoftIoc) -> None:
    pvs = client.new_pvs(list(machine.names))
    larder.wait_for("/v1/health/summary", lambda summary: summary["connected_pvs"] == RECORDS)
    body = client.models.NewSnapshot(title="before", labels=["tour"], pv_pattern="*")
    snapshot = client.call("snapshots.post_v1_snapshots", body=body, async_=False)
    assert snapshot.pv_count == snapshot.counts.captured == RECORDS

    disturbed = [pv.id for pv in pvs[:DISTURBED]]
    before = client.live(list(machine.names))
    for pv in pvs[:DISTURBED]:
        value = before[pv.setpoint_address].value + 0.5
        written = client.call("live_values.put_v1_pvs_id_value", pv.id, body=client.models.NewValue(value=value))
        assert written.value == value

    assert {one.pv_id for one in differences(client, snapshot.id)} == set(disturbed)
    plan = client.call(
        "restore.post_v1_snapshots_id_restore_plan", snapshot.id, body=client.models.RestoreSelection(pv_ids=disturbed)
    )
    assert [item.verdict for item in plan.items] == ["write"] * DISTURBED
    body = client.models.RestoreByPlan(plan_id=plan.plan_id)
    started = client.call("restore.post_v1_snapshots_id_restore", snapshot.id, body=body)
    assert ended(client, started.job_id).status == "completed"
    outcomes = client.call("restore.get_v1_jobs_id_outcomes", started.job_id)
    assert all(outcome.ok and outcome.verified for outcome in outcomes.outcomes)
    assert differences(client, snapshot.id) == []


def differences(client: Client, snapshot_id: str) -> list[Any]:
    compared = client.call("snapshots.get_v1_snapshots_first_compare_second", snapshot_id, "live")
    return list(compared.differences)


def ended(client: Client, job_id: str) -> Any:
    deadline = time.monotonic() + 20
    while time.monotonic() < deadline:
        job = client.call("jobs.get_v1_jobs_job_id", job_id)
        if job.completed_at is not None:
            return job
        time.sleep(0.05)
    raise AssertionError(f"job {job_id} goes on")


def test_a_refusal_is_a_problem(client: Client) -> None:
    module = importlib.import_module(f"{PACKAGE}.api.snapshots.get_v1_snapshots_id")
    answer = module.sync("0" * 16, client=client.raw)
    assert isinstance(answer, client.models.Problem) and (answer.status, answer.title) == (404, "Not found")


def test_files_come_as_they_are(client: Client) -> None:
    (newest, *_) = client.call("snapshots.get_v1_snapshots")
    archive = client.call("snapshots.get_v1_snapshots_id_archive", newest.id)
    content = archive.payload.read()
    assert content[:4] == b"PAR1" and len(content) == newest.size_bytes
