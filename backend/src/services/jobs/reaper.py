"""Finds the jobs that nobody runs any more: a killed worker can record nothing itself."""

from __future__ import annotations

import logging
from collections.abc import Collection, Mapping
from datetime import datetime

from backend.src.core.clock import Clock
from backend.src.infra.sql import SQL
from backend.src.services.jobs import job_rows
from backend.src.services.jobs.worker_identity import WorkerIdentity

log = logging.getLogger(__name__)

DIED = "its worker died; what it had done until then stays done"


class Reaper:
    """Fails running jobs of dead workers, and pending jobs that may not begin any more.

    alone: no other process uses the database, so whatever another worker was running is dead. Otherwise a worker
    is dead when its process is known to be gone, or when its sign of life has not changed for dead_after_s on
    this process's own monotonic clock (the workers' clocks need not agree).
    """

    def __init__(self, sql: SQL, clock: Clock, worker: WorkerIdentity, *, dead_after_s: float, alone: bool) -> None:
        self._sql = sql
        self._clock = clock
        self._worker = worker
        self._dead_after_s = dead_after_s
        self._alone = alone
        self._seen: dict[str, tuple[datetime, float]] = {}

    async def check_once(self, own: Collection[str], limits: Mapping[str, float | None]) -> list[str]:
        """Returns the ids of the jobs that it ended; `own` run in this process, `limits` are those of register."""
        running = await self._sql.read(job_rows.running_jobs)
        suspects = [row for row in running if row[0] not in own]
        self._seen = {job_id: self._seen[job_id] for job_id, _, _ in suspects if job_id in self._seen}
        ended = [
            job_id
            for job_id, worker, beat in suspects
            if self._is_dead(job_id, worker, beat) and await self._fail(job_id, worker, beat)
        ]
        for type_, within_s in limits.items():
            if within_s is not None:
                ended += await self._expire(type_, within_s)
        return ended

    def _is_dead(self, job_id: str, worker: str, beat: datetime) -> bool:
        # its own: a job claimed a moment ago may not be among `own` yet; only silence tells that nobody runs it
        foreign = worker != str(self._worker)
        if foreign and (self._alone or self._worker.knows_dead(worker)):
            return True
        now = self._clock.monotonic()
        seen, since = self._seen.get(job_id, (None, now))
        if seen != beat:
            self._seen[job_id] = (beat, now)
            return False
        return now - since >= self._dead_after_s

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
