"""The whole job on a real machine with some of it dead: import, watch, save, compare, restore, and kill -9 in between.

Once with everything embedded, once with MariaDB, redis-server and an S3 server.
"""

from __future__ import annotations

import json
import random
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from backend.src.commands.temporary_server import free_port
from backend.src.core.errors import Busy, Conflict, Invalid, LarderError
from tests.servers.independent import ca_get, ca_put
from tests.servers.larder import ROOT, Larder, as_environment, clean_environment
from tests.servers.mariadb import MariaDb
from tests.servers.redis_server import RedisServer
from tests.servers.s3 import S3Server
from tests.servers.soft_ioc import SoftIoc

ALIVE, DEAD = 2_000, 20


@pytest.fixture(scope="module")
def machine() -> Iterator[SoftIoc]:
    with SoftIoc.scale(ALIVE) as ioc:
        yield ioc


@pytest.fixture(params=["embedded", "servers"], scope="module")
def larder(
    request: pytest.FixtureRequest, machine: SoftIoc, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Larder]:
    environment = dict(machine.environment)
    if request.param == "servers":
        environment |= real_servers(request, tmp_path_factory.mktemp("migrated"))
    with Larder(tmp_path_factory.mktemp("scenario") / "data", environment) as running:
        yield running


def real_servers(request: pytest.FixtureRequest, folder: Path) -> dict[str, str]:
    mariadb: MariaDb = request.getfixturevalue("mariadb")
    redis: RedisServer = request.getfixturevalue("redis_server")
    s3: S3Server = request.getfixturevalue("s3_server")
    prefix = f"scenario-{free_port()}"
    environment = as_environment(mariadb.database(), redis.settings(prefix=prefix), s3.settings(prefix))
    migrate = [sys.executable, "-m", "backend.src", "migrate"]
    subprocess.run(migrate, cwd=ROOT, env=clean_environment(folder, 0, environment), check=True, timeout=60)
    return environment


def addresses(machine: SoftIoc) -> list[str]:
    return [*machine.names, *(machine.pv(f"DEAD{number}") for number in range(DEAD))]


def write_list(folder: Path, names: list[str]) -> Path:
    file = folder / "machine.csv"
    rows = [f'{name},,DEV{number // 100},"number {number}",Area{number % 7}' for number, name in enumerate(names)]
    file.write_text("\n".join(["Setpoint,Readback,Device,Description,Area", *rows]) + "\n")
    return file


def larder_command(larder: Larder, *words: str) -> Any:
    """What the command line prints with --json, asked of the running server."""
    command = [
        sys.executable,
        "-m",
        "backend.src",
        *words,
        "--json",
        "--url",
        larder.url,
        "--key",
        operator_key(larder),
    ]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode in (0, 1), done.stderr
    return json.loads(done.stdout)


def operator_key(larder: Larder) -> str:
    if not hasattr(larder, "operator_key"):
        larder.operator_key = larder.key("read", "write", "restore", "admin", name="operator")  # type: ignore[attr-defined]
    return str(larder.operator_key)  # type: ignore[attr-defined]


def snapshot(larder: Larder, title: str, *, use_cache: bool = True) -> Any:
    query = {"async": False, "use_cache": use_cache}
    return larder.api.call("POST", "/v1/snapshots", json={"title": title, "pvPattern": "*"}, params=query)


def all_live(summary: Any) -> bool:
    return bool(summary["connected_pvs"] == ALIVE)


def test_the_list_is_imported_and_every_pv_is_live(larder: Larder, machine: SoftIoc, tmp_path: Path) -> None:
    file = write_list(tmp_path, addresses(machine))
    assert larder_command(larder, "import", str(file), "--dry-run")["created"] == ALIVE + DEAD
    assert larder.api.call("GET", "/v1/pvs/paged")["totalCount"] == 0
    assert larder_command(larder, "import", str(file))["created"] == ALIVE + DEAD
    assert larder_command(larder, "import", str(file))["unchanged"] == ALIVE + DEAD
    larder.wait_for("/v1/health/summary", all_live)
    dead = larder.api.call("GET", "/v1/health/disconnected")
    assert sum("DEAD" in json.dumps(entry) for entry in dead["pvs"]) == DEAD


@pytest.mark.parametrize("use_cache", [True, False])
def test_a_snapshot_says_what_was_not_there(larder: Larder, use_cache: bool) -> None:
    saved = snapshot(larder, f"use_cache={use_cache}", use_cache=use_cache)
    assert saved["pvCount"] == ALIVE + DEAD
    assert saved["counts"]["disconnected"] == DEAD
    values = larder.api.call("GET", f"/v1/snapshots/{saved['id']}")["pvValues"]
    missing = [value["pvName"] for value in values if not value["setpointValue"]["connected"]]
    assert len(missing) == DEAD and all("DEAD" in name for name in missing)


def test_the_machine_comes_back_and_an_independent_client_sees_it(larder: Larder, machine: SoftIoc) -> None:
    before = ca_get(machine.names)
    saved = snapshot(larder, "before")
    ca_put(machine.names, [value + 1.5 for value in before])
    larder.wait_for(f"/v1/snapshots/{saved['id']}/compare/live", lambda c: c["differenceCount"] >= ALIVE)
    started = larder.api.call("POST", f"/v1/snapshots/{saved['id']}/restore", json={"pvPattern": "*"})
    job = list(larder.api.follow(started["jobId"]))[-1]
    assert job["status"] == "completed", job
    assert ca_get(machine.names) == before
    outcomes = larder.api.call("GET", f"/v1/jobs/{job['id']}/outcomes")
    named = [o["pvName"] for o in outcomes["outcomes"] if not o["ok"]]
    assert all("DEAD" in name for name in named)
    after = larder.api.call("GET", f"/v1/snapshots/{saved['id']}/compare/live")
    assert after["differenceCount"] <= DEAD


def test_an_empty_selection_restores_nothing(larder: Larder, machine: SoftIoc) -> None:
    saved = snapshot(larder, "empty selection")
    before = ca_get(machine.names[:50])
    with pytest.raises(Invalid):
        larder.api.call("POST", f"/v1/snapshots/{saved['id']}/restore", json={"pvIds": []})
    assert ca_get(machine.names[:50]) == before


def test_one_restore_at_a_time(larder: Larder, machine: SoftIoc) -> None:
    saved = snapshot(larder, "one at a time")
    ca_put(machine.names, [1000.0 + number for number in range(ALIVE)])
    jobs, refused = [], 0
    for _ in range(5):
        try:
            jobs.append(
                larder.api.call("POST", f"/v1/snapshots/{saved['id']}/restore", json={"pvPattern": "*"})["jobId"]
            )
        except (Busy, Conflict):
            refused += 1
    ends = [list(larder.api.follow(job))[-1]["status"] for job in jobs]
    assert refused >= 1 and ends.count("completed") == len(ends)


@pytest.mark.parametrize("seed", range(3))
def test_kill_9_at_a_random_moment_loses_nothing(larder: Larder, seed: int) -> None:
    kept = {entry["id"] for entry in larder.api.call("GET", "/v1/snapshots", params={"pageSize": 1000})}
    catalogue = larder.api.call("GET", "/v1/pvs/paged", params={"pageSize": 1})["totalCount"]
    for number in range(5):
        body = {"title": f"under way {seed}.{number}", "pvPattern": "*"}
        larder.api.call("POST", "/v1/snapshots", json=body, params={"use_cache": number % 2 == 0})
    time.sleep(random.Random(seed).uniform(0.0, 0.6))
    larder.kill()
    larder.start()
    listed = larder.api.call("GET", "/v1/snapshots", params={"pageSize": 1000})
    assert kept <= {entry["id"] for entry in listed}
    for entry in listed[:6]:
        assert len(larder.api.call("GET", f"/v1/snapshots/{entry['id']}")["pvValues"]) == entry["pvCount"]
    assert larder.api.call("GET", "/v1/pvs/paged", params={"pageSize": 1})["totalCount"] == catalogue
    larder.wait_for("/v1/jobs", lambda jobs: not [job for job in jobs if job["status"] == "running"], 90)


def test_kill_9_in_the_middle_of_a_restore_frees_the_way_for_the_next(larder: Larder, machine: SoftIoc) -> None:
    larder.wait_for("/v1/health/summary", all_live)
    saved = snapshot(larder, "killed restore")
    ca_put(machine.names, [5000.0 + number for number in range(ALIVE)])
    body = {"pvPattern": "*"}
    killed = larder.api.call("POST", f"/v1/snapshots/{saved['id']}/restore", json=body)["jobId"]
    larder.wait_for(f"/v1/jobs/{killed}", lambda job: job["status"] != "pending")
    larder.kill()
    larder.start()
    ended = larder.wait_for(f"/v1/jobs/{killed}", lambda job: job["status"] not in ("pending", "running"), 90)
    assert ended["status"] in ("failed", "completed")  # it may have been quicker than the kill
    larder.wait_for("/v1/health/summary", all_live)
    again = larder.api.call("POST", f"/v1/snapshots/{saved['id']}/restore", json=body)["jobId"]
    assert list(larder.api.follow(again))[-1]["status"] == "completed"
    first, last = ca_get([machine.names[0], machine.names[-1]])
    values = larder.api.call("GET", f"/v1/snapshots/{saved['id']}")["pvValues"]
    by_name = {value["pvName"]: value["setpointValue"]["value"] for value in values}
    assert (first, last) == (by_name[machine.names[0]], by_name[machine.names[-1]])


def test_after_all_that_it_stops_in_order(larder: Larder) -> None:
    larder.wait_for("/v1/health/summary", all_live)
    began = time.monotonic()
    assert larder.stop() == 0
    assert time.monotonic() - began < 20
    assert "Traceback" not in larder.log
    larder.start()
    with pytest.raises(LarderError):
        larder.api.call("GET", "/v1/snapshots/ffffffffffffffff")
