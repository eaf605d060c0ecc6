"""One job while it runs: its handler, then the record of how it ended."""

from __future__ import annotations

import asyncio
import logging
from dataclasses import dataclass

from backend.src.core.clock import Clock
from backend.src.core.errors import LarderError, Unavailable
from backend.src.core.log_context import JOB, acting_for
from backend.src.infra.sql import SQL
from backend.src.services.jobs.context import Handler, JobContext
from backend.src.services.jobs.job import Job, JobAborted, JobStatus
from backend.src.services.jobs.job_rows import end_running

log = logging.getLogger(__name__)

RECORD_ATTEMPTS = 20
RECORD_PAUSE_S = 0.5
STOPPED = "the server was stopped while the job ran"


@dataclass(frozen=True, slots=True)
class _End:
    status: JobStatus
    message: str | None = None
    result_id: str | None = None
    error: str | None = None


class JobRun:
    """Runs once; nothing here ever starts a handler again."""

    def __init__(self, job: Job, handler: Handler, sql: SQL, clock: Clock, worker: str) -> None:
        self.job = job
        self.context = JobContext(job)
        self.ending = False
        self.missed_beats = 0
        self._handler = handler
        self._sql = sql
        self._clock = clock
        self._worker = worker
        self._task: asyncio.Task[None] | None = None

    async def run(self) -> None:
        """Returns when the end is recorded; raises CancelledError after having recorded that, too."""
        self._task = asyncio.current_task()
        with acting_for(JOB, self.job.id):
            log.info("job %s (%s) of %s begins", self.job.id, self.job.type, self.job.actor)
            try:
                end = await self._handle()
            except asyncio.CancelledError:
                await self._record_in_any_case(_End(JobStatus.FAILED, error=STOPPED))
                raise
            await self._record_in_any_case(end)

    def cancel(self) -> None:
        """Ends a handler that does not heed its abort event."""
        if self._task is not None and not self.ending:
            self._task.cancel()

    async def _handle(self) -> _End:
        try:
            return _End(JobStatus.COMPLETED, result_id=await self._handler(self.context))
        except JobAborted as aborted:
            return _End(JobStatus.ABORTED, message=aborted.message, result_id=aborted.result_id)
        except LarderError as error:
            remedy = f" ({error.remedy})" if error.remedy else ""
            return _End(JobStatus.FAILED, error=f"{error.message}{remedy}")
        except Exception as error:
            log.exception("job %s (%s) crashed", self.job.id, self.job.type)
            return _End(JobStatus.FAILED, error=f"internal error ({type(error).__name__}); the server's log has more")

    async def _record_in_any_case(self, end: _End) -> None:
        """Also when the server stops meanwhile: a restore that is done must not pass for one that died.

        A database that hangs holds up a stop for no longer than one that is away.
        """
        self.ending = True
        recording = asyncio.ensure_future(self._record(end))
        try:
            await asyncio.shield(recording)
        except asyncio.CancelledError:
            await asyncio.wait([recording], timeout=RECORD_ATTEMPTS * RECORD_PAUSE_S)
            recording.cancel()
            await asyncio.gather(recording, return_exceptions=True)
            raise

    async def _record(self, end: _End) -> None:
        """Insists: the work is done, and a database that was away for a moment must hear of it."""
        for attempt in range(RECORD_ATTEMPTS):
            try:
                await self._write(end)
                log.info("job %s ended: %s%s", self.job.id, end.status.value, f": {end.error}" if end.error else "")
                return
            except Unavailable as away:
                log.warning("the end of job %s cannot be recorded yet: %s", self.job.id, away)
                await asyncio.sleep(RECORD_PAUSE_S * (attempt < RECORD_ATTEMPTS - 1))
        log.error("job %s ended as %s, but nobody could be told", self.job.id, end.status.value)

    async def _write(self, end: _End) -> None:
        percent, message = self.context.latest
        mine = await self._sql.write(
            lambda connection: end_running(
                connection,
                self.job.id,
                self._worker,
                end.status,
                self._clock.now(),
                progress=100 if end.status is JobStatus.COMPLETED else percent,
                message=end.message or message,
                result_id=end.result_id,
                error=end.error,
            )
        )
        if not mine:
            log.error("job %s ended as %s here, but had been given up as dead", self.job.id, end.status.value)
