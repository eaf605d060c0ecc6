"""Finds the jobs that nobody runs any more: a killed worker can record nothing itself."""

from __future__ import annotations

import logging
from collections.abc import Collection, Mapping
from datetime import datetime

from backend.src.core.clock import Clock
from backend.src.infra.sql import SQL
from backend.src.services.jobs import job_rows
from backend.src.services.jobs.silence import Silence
from backend.src.services.jobs.worker_identity import WorkerIdentity

log = logging.getLogger(__name__)

DIED = "its worker died; what it had done until then stays done"


class Reaper:
    """Fails running jobs of dead workers (silence.py), and pending jobs that may not begin any more."""

    def __init__(self, sql: SQL, clock: Clock, worker: WorkerIdentity, *, dead_after_s: float, alone: bool) -> None:
        self._sql = sql
        self._clock = clock
        self._silence = Silence(clock, worker, dead_after_s=dead_after_s, alone=alone)

    async def check_once(self, own: Collection[str], limits: Mapping[str, float | None]) -> list[str]:
        """Returns the ids of the jobs that it ended; `own` run in this process, `limits` are those of register."""
        running = await self._sql.read(job_rows.running_jobs)
        suspects = [row for row in running if row[0] not in own]
        self._silence.watch([job_id for job_id, _, _ in suspects])
        ended = [
            job_id
            for job_id, worker, beat in suspects
            if self._silence.is_dead(job_id, worker, beat) and await self._fail(job_id, worker, beat)
        ]
        for type_, within_s in limits.items():
            if within_s is not None:
                ended += await self._expire(type_, within_s)
        return ended

    async def _fail(self, job_id: str, worker: str, beat: datetime) -> bool:
        now = self._clock.now()
        failed = await self._sql.write(
            lambda connection: job_rows.fail_dead(connection, job_id, worker, beat, now, DIED)
        )
        if failed:
            log.warning("job %s is given up: its worker %s died", job_id, worker)
        return failed

    async def _expire(self, type_: str, within_s: float) -> list[str]:
        now = self._clock.now()
        return await self._sql.write(lambda connection: job_rows.expire_pending(connection, type_, within_s, now))
