"""A worker that cannot reach the database must stop before others may begin its jobs anew."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime
from typing import Any

import pytest

from backend.src.config.settings import JobSettings
from backend.src.core.clock import SystemClock
from backend.src.core.supervisor import Supervisor
from backend.src.services.jobs import Job, JobContext, JobStatus, job_run
from backend.src.services.jobs.worker import BEAT, Worker

NOW = datetime(2026, 1, 1, tzinfo=UTC)


class HangingSql:
    """A server behind a network that swallows packets: no answer, and no error either."""

    dialect = "mysql"

    async def write(self, work: Any) -> Any:
        await asyncio.Event().wait()


async def nobody_told(job_id: str) -> None:
    return None


async def test_a_database_that_hangs_ends_the_jobs(supervisor: Supervisor, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(job_run, "RECORD_PAUSE_S", 0.01)  # a stop waits for so long, times the attempts
    sql: Any = HangingSql()
    settings = JobSettings(heartbeat_s=0.1, dead_after_s=1.0)
    worker = Worker(sql, SystemClock(), supervisor, settings, name="here", ended=nobody_told)
    stopped = asyncio.Event()

    async def handle(context: JobContext) -> str | None:
        await context.abort.wait()
        stopped.set()
        return None

    worker.register("restore", handle, None)
    worker._begin(
        Job("1", "restore", JobStatus.RUNNING, 0, None, "me", {}, None, None, NOW, NOW, None, "here", NOW, False)
    )
    supervisor.start_loop(BEAT, worker._beat_for_ever)
    async with asyncio.timeout(10):
        await stopped.wait()
        await supervisor.stop()
