"""Jobs over a real SQLite file."""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterator
from pathlib import Path

import pytest

from backend.src.config.settings import JobSettings, SqlSettings
from backend.src.core.clock import SystemClock
from backend.src.core.supervisor import Supervisor
from backend.src.infra.cache import Gap
from backend.src.infra.sql import SQL
from backend.src.services.jobs import Jobs
from tests.migrated import migrated

HEARTBEAT_S = 0.05


class NoPubSub:
    """SQLite means one process: nobody is told anything."""

    async def publish(self, channel: str, message: bytes) -> object:
        raise AssertionError("published although alone")

    def subscribe(self, channel: str) -> AsyncGenerator[bytes | Gap, None]:
        raise AssertionError("subscribed although alone")


@pytest.fixture
async def sql(tmp_path: Path) -> AsyncIterator[SQL]:
    database = SQL.build(SqlSettings(), await migrated(tmp_path))
    await database.start()
    yield database
    await database.stop()


@pytest.fixture
async def supervisor() -> AsyncIterator[Supervisor]:
    supervisor = Supervisor()
    yield supervisor
    await supervisor.stop()


@pytest.fixture
async def jobs(sql: SQL, supervisor: Supervisor) -> AsyncIterator[Jobs]:
    """Not started: register handlers first."""
    service = Jobs(sql, NoPubSub(), SystemClock(), supervisor, JobSettings(heartbeat_s=HEARTBEAT_S, dead_after_s=0.5))
    yield service
    await service.stop()
