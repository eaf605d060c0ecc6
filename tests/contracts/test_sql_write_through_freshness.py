"""Two processes on one MariaDB and one Redis never see an old row after a write has returned."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings
from hypothesis.stateful import run_state_machine_as_test

from backend.src.infra.sql import migrate, write_through
from tests.contracts.freshness_machine import Freshness, FreshnessThroughOutages, Stage
from tests.servers.mariadb import MariaDb
from tests.servers.redis_server import running_redis

EXAMPLES = settings(
    max_examples=60, stateful_step_count=30, deadline=None, suppress_health_check=list(HealthCheck), print_blob=True
)


@pytest.fixture
def stage(mariadb: MariaDb, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Stage]:
    # a short lease, or the tests would spend their time waiting for it to run out
    monkeypatch.setattr(write_through, "LEASE_S", 0.05)
    monkeypatch.setattr(write_through, "MARGIN_S", 0.02)
    database = mariadb.database()
    with running_redis() as redis:
        asyncio.run(migrate(database, tmp_path))
        stage = Stage.build(database, tmp_path, redis)
        yield stage
        stage.close()


def test_no_read_is_older_than_the_last_write(stage: Stage) -> None:
    run_state_machine_as_test(lambda: Freshness(stage), settings=EXAMPLES)


@pytest.mark.timeout(600)
def test_nor_while_redis_comes_and_goes(stage: Stage) -> None:
    run_state_machine_as_test(lambda: FreshnessThroughOutages(stage), settings=EXAMPLES)
