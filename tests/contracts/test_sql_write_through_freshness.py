"""Two processes on one MariaDB and one Redis never see an old row after a write has returned."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings
from hypothesis.stateful import run_state_machine_as_test

from backend.src.infra.cache import redis
from backend.src.infra.sql import migrate, write_through
from tests.contracts.freshness_machine import Freshness, FreshnessThroughOutages, Stage
from tests.servers.mariadb import MariaDb
from tests.servers.redis_server import running_redis

EXAMPLES = settings(
    max_examples=30, stateful_step_count=30, deadline=None, suppress_health_check=list(HealthCheck), print_blob=True
)


@pytest.fixture
def stage(mariadb: MariaDb, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Stage]:
    database = mariadb.database()
    with running_redis() as server:
        asyncio.run(migrate(database, tmp_path))
        stage = Stage(database, tmp_path, server)
        monkeypatch.setattr(write_through, "sleep", stage.sleep)
        monkeypatch.setattr(redis, "PROBE_INTERVAL_S", 3600)  # it looks when the machine says so
        yield stage
        stage.close()


def run(machine: Callable[[], Freshness]) -> None:
    run_state_machine_as_test(machine, settings=EXAMPLES)  # type: ignore[arg-type]  # any factory, as hypothesis says


def test_no_read_is_older_than_the_last_write(stage: Stage) -> None:
    run(lambda: Freshness(stage))


@pytest.mark.timeout(600)
def test_nor_while_redis_comes_and_goes(stage: Stage) -> None:
    run(lambda: FreshnessThroughOutages(stage))
