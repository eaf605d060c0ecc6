"""Long work: a row in SQL is the record; a claim is one conditional UPDATE; nothing is ever retried."""

from __future__ import annotations

import asyncio
import logging
import secrets
from collections.abc import Collection, Mapping
from contextlib import aclosing
from datetime import datetime
from typing import Any

from backend.src.config.settings import JobSettings
from backend.src.core.clock import Clock
from backend.src.core.errors import Conflict, TimedOut
from backend.src.core.supervisor import Supervisor
from backend.src.infra.cache import Gap
from backend.src.infra.sql import SQL
from backend.src.services.jobs import job_rows
from backend.src.services.jobs.context import Handler
from backend.src.services.jobs.job import Job, JobStatus
from backend.src.services.jobs.job_messages import CHANNEL, Hint, PubSub, parse, tell
from backend.src.services.jobs.reaper import Reaper
from backend.src.services.jobs.worker import Worker
from backend.src.services.jobs.worker_identity import WorkerIdentity

log = logging.getLogger(__name__)

FIRST_PAUSE_S = 0.05
LONGEST_PAUSE_S = 1.0

REAP, LISTEN = "jobs: reaper", "jobs: messages"


class Jobs:
    """Creates, watches and ends jobs. Register the handlers before start; without any this process only watches."""

    def __init__(
        self,
        sql: SQL,
        pubsub: PubSub,
        clock: Clock,
        supervisor: Supervisor,
        settings: JobSettings,
        *,
        identity: WorkerIdentity | None = None,
    ) -> None:
        identity = identity or WorkerIdentity.own()
        alone = sql.dialect == "sqlite"  # its folder is locked by the one server that uses it
        self._sql = sql
        self._pubsub = None if alone else pubsub
        self._clock = clock
        self._supervisor = supervisor
        self._settings = settings
        self._worker = Worker(sql, clock, supervisor, settings, name=str(identity), ended=self._ended_here)
        self._reaper = Reaper(sql, clock, identity, dead_after_s=settings.dead_after_s, alone=alone)
        self._watched: dict[str, set[asyncio.Event]] = {}

    def register(self, type_: str, handler: Handler, *, begin_within_s: float | None = None) -> None:
        """Says who does jobs of this type. One that is still pending after begin_within_s fails and never begins.

        Raises Conflict for a second handler of a type.
        """
        self._worker.register(type_, handler, begin_within_s)

    async def start(self) -> None:
        """Gives up the jobs of dead workers, then begins to work."""
        await self.reap_once()
        self._supervisor.start_loop(REAP, self._reap_for_ever)
        if self._pubsub is not None:
            self._supervisor.start_loop(LISTEN, self._listen_for_ever)
        self._worker.start()

    async def stop(self) -> None:
        """Ends every job that runs here and records it."""
        await self._supervisor.stop(REAP, LISTEN)
        await self._worker.stop()

    async def ping(self) -> None:
        """Raises Unavailable when running jobs have shown no sign of life for too long."""
        self._worker.check()

    @property
    def running(self) -> tuple[str, ...]:
        """The ids of the jobs that run in this process."""
        return self._worker.running

    async def create(self, type_: str, data: Mapping[str, Any] | None = None, *, actor: str) -> Job:
        """Records a pending job and wakes a worker; `data` is plain JSON."""
        row: dict[str, Any] = {"id": secrets.token_hex(8), "type": type_, "data": dict(data or {}), "actor": actor}
        row["created_at"] = self._clock.now()
        job = await self._sql.write(lambda connection: job_rows.insert_job(connection, row))
        self._worker.wake_for(job.id)
        await self._tell(Hint.CREATED, job.id)
        return job

    async def get(self, job_id: str) -> Job:
        """Raises JobNotFound."""
        return await self._sql.read(lambda connection: job_rows.get_job(connection, job_id))

    async def newest(
        self,
        *,
        status: JobStatus | None = None,
        type_: str | None = None,
        after: tuple[datetime, str] | None = None,
        limit: int = 100,
    ) -> list[Job]:
        """Newest first; `after` is the creation time and id of the last one seen."""
        return await self._sql.read(
            lambda connection: job_rows.list_jobs(connection, status=status, type_=type_, after=after, limit=limit)
        )

    async def abort(self, job_id: str) -> Job:
        """Ends a pending job at once and asks a running one to end. Raises JobNotFound; Conflict when it has ended."""
        before = await self.get(job_id)
        if before.status.ended:
            raise Conflict(f"job {job_id} has ended already: {before.status.value}")
        now = self._clock.now()
        job = await self._sql.write(lambda connection: job_rows.request_abort(connection, job_id, now))
        self._worker.abort(job_id)
        self._look_again(job_id)
        await self._tell(Hint.ABORT, job_id)
        return job

    async def wait(self, job_id: str, *, timeout_s: float) -> Job:
        """The job once it has ended. Raises JobNotFound; TimedOut (the job goes on)."""
        event = asyncio.Event()
        self._watched.setdefault(job_id, set()).add(event)
        try:
            async with asyncio.timeout(timeout_s):
                return await self._ended(job_id, event)
        except TimeoutError as exc:
            message = f"job {job_id} had not ended after {timeout_s:g} s"
            raise TimedOut(message, remedy=f"it goes on: ask GET /v1/jobs/{job_id}") from exc
        finally:
            self._watched[job_id].discard(event)
            if not self._watched[job_id]:
                del self._watched[job_id]

    async def ended_before(self, moment: datetime, *, limit: int) -> list[Job]:
        """The oldest of the jobs that ended before then."""
        return await self._sql.read(lambda connection: job_rows.ended_before(connection, moment, limit))

    async def remove(self, job_ids: Collection[str]) -> int:
        """Forgets jobs that have ended, and no others; returns how many."""
        return await self._sql.write(lambda connection: job_rows.remove(connection, job_ids))

    async def reap_once(self) -> None:
        """Ends the jobs that nobody runs any more."""
        for job_id in await self._reaper.check_once(self._worker.running, self._worker.limits):
            await self._ended_here(job_id)

    async def _ended(self, job_id: str, event: asyncio.Event) -> Job:
        """The event tells of ends in this process and of messages; the pauses are for lost messages."""
        pause_s = FIRST_PAUSE_S
        while True:
            event.clear()
            job = await self.get(job_id)
            if job.status.ended:
                return job
            try:
                async with asyncio.timeout(pause_s):
                    await event.wait()
            except TimeoutError:
                pause_s = min(pause_s * 2, LONGEST_PAUSE_S)

    async def _ended_here(self, job_id: str) -> None:
        self._look_again(job_id)
        await self._tell(Hint.ENDED, job_id)

    def _look_everywhere(self) -> None:
        self._worker.wake()
        for job_id in self._watched:
            self._look_again(job_id)

    def _look_again(self, job_id: str) -> None:
        for event in self._watched.get(job_id, ()):
            event.set()

    async def _tell(self, hint: Hint, job_id: str) -> None:
        if self._pubsub is not None:
            await tell(self._pubsub, hint, job_id)

    async def _reap_for_ever(self) -> None:
        while True:
            await asyncio.sleep(min(self._settings.heartbeat_s, self._settings.dead_after_s / 3))
            await self.reap_once()

    async def _listen_for_ever(self) -> None:
        assert self._pubsub is not None
        async with aclosing(self._pubsub.subscribe(CHANNEL)) as messages:
            async for message in messages:
                self._heed(message)

    def _heed(self, message: bytes | Gap) -> None:
        understood = parse(message)
        if understood is None:
            self._look_everywhere()
            return
        hint, job_id = understood
        match hint:
            case Hint.CREATED:
                self._worker.wake()
            case Hint.ABORT:
                self._worker.abort(job_id)
                self._look_again(job_id)
            case Hint.ENDED:
                self._look_again(job_id)
