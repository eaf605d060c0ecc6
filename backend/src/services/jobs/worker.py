"""The hands: claims pending jobs, runs them, shows that they live, writes their progress."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import dataclass

from backend.src.config.settings import JobSettings
from backend.src.core.clock import Clock
from backend.src.core.errors import Conflict, Unavailable
from backend.src.core.supervisor import Supervisor
from backend.src.infra.sql import SQL
from backend.src.services.jobs import job_rows
from backend.src.services.jobs.context import Handler
from backend.src.services.jobs.job import Job
from backend.src.services.jobs.job_run import JobRun

log = logging.getLogger(__name__)

LOOK_EVERY_S = 1.0  # for pending jobs of which no hint came
PROGRESS_EVERY_S = 0.25
ABORT_GRACE_S = 1.0
MISSED_BEATS_BEFORE_CANCEL = 2
BEAT_PART = 0.15  # of dead_after_s: what one sign of life may take, so that several fit before others give the job up
FENCE_PART = 2 / 3

DISPATCH, BEAT, PROGRESS = "jobs: dispatch", "jobs: signs of life", "jobs: progress"


@dataclass(frozen=True, slots=True)
class _Type:
    handler: Handler
    begin_within_s: float | None


class Worker:
    """Runs up to settings.workers jobs at once in this process."""

    def __init__(
        self,
        sql: SQL,
        clock: Clock,
        supervisor: Supervisor,
        settings: JobSettings,
        *,
        name: str,
        ended: Callable[[str], Awaitable[None]],
    ) -> None:
        self._sql = sql
        self._clock = clock
        self._supervisor = supervisor
        self._settings = settings
        self._name = name
        self._ended = ended
        self._types: dict[str, _Type] = {}
        self._only: frozenset[str] | None = None if settings.of_others else frozenset()
        self._runs: dict[str, JobRun] = {}
        self._wake = asyncio.Event()
        self._idle = asyncio.Event()
        self._idle.set()
        self._claiming = asyncio.Lock()
        self._stopping = False
        self._last_beat = clock.monotonic()
        self._alone = sql.dialect == "sqlite"  # nobody else could give these jobs up
        self._longest_beat_s = None if self._alone else settings.dead_after_s * BEAT_PART

    def register(self, type_: str, handler: Handler, begin_within_s: float | None) -> None:
        """Raises Conflict for a second handler of a type."""
        if type_ in self._types:
            raise Conflict(f"jobs of type {type_} have a handler already")
        self._types[type_] = _Type(handler, begin_within_s)

    @property
    def limits(self) -> dict[str, float | None]:
        """For each type, the seconds within which a job must begin."""
        return {name: type_.begin_within_s for name, type_ in self._types.items()}

    @property
    def running(self) -> tuple[str, ...]:
        """The ids of the jobs that run here."""
        return tuple(self._runs)

    def start(self) -> None:
        """Begins to work; a process without handlers only watches."""
        self._stopping = False
        if self._types:
            self._supervisor.start_loop(BEAT, self._beat_for_ever)
            self._supervisor.start_loop(PROGRESS, self._write_progress_for_ever)
            self._supervisor.start_loop(DISPATCH, self._dispatch_for_ever)

    async def stop(self) -> None:
        """Asks every job to end, cancels those that do not; none stays recorded as running."""
        self._stopping = True
        async with self._claiming:  # a claim under way becomes a run, which ends like the others
            await self._supervisor.stop(DISPATCH)
        for run in self._runs.values():
            run.context.abort.set()
        await self._all_ended(ABORT_GRACE_S)
        await self._supervisor.stop(*map(_task_name, self._runs), BEAT, PROGRESS)

    def wake(self) -> None:
        """There may be a job to claim."""
        self._wake.set()

    def wake_for(self, job_id: str) -> None:
        """This process has recorded a job."""
        if self._only is not None:
            self._only |= {job_id}
        self._wake.set()

    def abort(self, job_id: str) -> None:
        """Asks the job to end, if it runs here."""
        if job_id in self._runs:
            self._runs[job_id].context.abort.set()

    def check(self) -> None:
        """Raises Unavailable when running jobs have shown no sign of life for too long."""
        silent_s = self._silent_s()
        if silent_s > self._settings.dead_after_s:
            raise Unavailable(f"no sign of life of running jobs could be written for {silent_s:.0f} s")

    async def claim_once(self) -> int:
        """Claims and begins what there are hands for; returns how many jobs began."""
        began = 0
        async with self._claiming:
            while not self._stopping and len(self._runs) < self._settings.workers:
                job = await self._claim()
                if job is None:
                    break
                self._begin(job)
                began += 1
        return began

    async def _claim(self) -> Job | None:
        now, limits, only = self._clock.now(), self.limits, self._only
        return await self._sql.write(lambda connection: job_rows.claim_next(connection, self._name, limits, now, only))

    def _begin(self, job: Job) -> None:
        if not self._runs:
            self._last_beat = self._clock.monotonic()
        run = JobRun(job, self._types[job.type].handler, self._sql, self._clock, self._name)
        self._runs[job.id] = run
        self._idle.clear()

        async def run_and_forget() -> None:
            try:
                await run.run()
            finally:
                self._forget(job.id)
                await self._ended(job.id)

        self._supervisor.start_task(_task_name(job.id), run_and_forget)

    def _forget(self, job_id: str) -> None:
        del self._runs[job_id]
        self._wake.set()
        if not self._runs:
            self._idle.set()

    async def beat_once(self) -> None:
        """Shows that the jobs live and learns of aborts; a job that was given up as dead is ended here too."""
        beating = {job_id: run for job_id, run in self._runs.items() if not run.ending}
        ids, now = tuple(beating), self._clock.now()
        if not ids:
            return
        mine = await self._sql.write(lambda connection: job_rows.beat(connection, self._name, ids, now))
        self._last_beat = self._clock.monotonic()
        for job_id, run in beating.items():
            if job_id not in mine:
                self._lose(run)
            elif mine[job_id]:
                run.context.abort.set()

    def _lose(self, run: JobRun) -> None:
        """Somebody else may begin the same work now: this run must not go on."""
        if run.ending:
            return
        run.missed_beats += 1
        log.error("job %s is no longer this worker's; it is asked to end", run.job.id)
        run.context.abort.set()
        if run.missed_beats >= MISSED_BEATS_BEFORE_CANCEL:
            run.cancel()

    async def write_progress_once(self) -> None:
        """Writes what changed since the last time, all jobs in one transaction."""
        noted = {job_id: run.context.take_unwritten() for job_id, run in self._runs.items() if not run.ending}
        progress = {job_id: latest for job_id, latest in noted.items() if latest is not None}
        if progress:
            await self._sql.write(lambda connection: job_rows.write_progress(connection, self._name, progress))

    async def _dispatch_for_ever(self) -> None:
        while True:
            self._wake.clear()
            await self.claim_once()
            with suppress(TimeoutError):
                async with asyncio.timeout(LOOK_EVERY_S):
                    await self._wake.wait()

    async def _beat_for_ever(self) -> None:
        while True:
            try:
                async with asyncio.timeout(self._longest_beat_s):
                    await self.beat_once()
            except TimeoutError as exc:  # a database that hangs is as far away as one that refuses
                self._fence()
                raise Unavailable("no sign of life could be written: the database does not answer") from exc
            except Unavailable:
                self._fence()
                raise
            await asyncio.sleep(self._settings.heartbeat_s)

    async def _write_progress_for_ever(self) -> None:
        while True:
            await self.write_progress_once()
            await asyncio.sleep(PROGRESS_EVERY_S)

    def _fence(self) -> None:
        """Out of touch for so long that others give these jobs up: they must stop before another may begin."""
        if not self._alone and self._silent_s() > self._settings.dead_after_s * FENCE_PART:
            for run in self._runs.values():
                self._lose(run)

    def _silent_s(self) -> float:
        return self._clock.monotonic() - self._last_beat if self._runs else 0.0

    async def _all_ended(self, within_s: float) -> None:
        with suppress(TimeoutError):
            async with asyncio.timeout(within_s):
                await self._idle.wait()


def _task_name(job_id: str) -> str:
    return f"job {job_id}"
