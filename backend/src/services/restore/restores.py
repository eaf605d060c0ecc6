"""Restores: planned, executed once, verified, remembered. docs/adr/0010 has the rules."""

from __future__ import annotations

import asyncio
import logging
import secrets
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import numpy as np

from backend.src.core.clock import Clock
from backend.src.core.errors import Busy, Conflict, Unavailable
from backend.src.infra.epics.address import Protocol
from backend.src.infra.epics.frame import Frame
from backend.src.infra.sql import SQL
from backend.src.services.jobs import Job, JobContext, Jobs
from backend.src.services.restore import outcomes as outcome_file
from backend.src.services.restore.choosing import choose
from backend.src.services.restore.execution import Executor, Machine
from backend.src.services.restore.models import (
    JOB_TYPE,
    OutcomesNotFound,
    Plan,
    Proposal,
    RestoreRequest,
)
from backend.src.services.restore.outcomes import Outcomes, OutcomeStore, at_rows
from backend.src.services.restore.plan_store import PlanStore
from backend.src.services.restore.planning import judge, protected, setpoint_rows
from backend.src.services.restore.restore_lock import RestoreLock
from backend.src.services.restore.run import ReadYourWrites, RestoreRun, Tools
from backend.src.services.snapshots import SnapshotContents, Snapshots
from backend.src.services.snapshots.archive_store import Bucket
from backend.src.services.snapshots.capture import Capture, Ints, pick

log = logging.getLogger(__name__)

BEGIN_WITHIN_S = 15.0  # an operator who asked for a restore is there now, not in an hour


@dataclass(frozen=True, slots=True)
class RestoreSettings:
    """Time-outs of single channels, how long a plan may be executed, and how PV names without a protocol are read."""

    read_timeout_s: float = 2.0
    write_timeout_s: float = 5.0
    plan_ttl_s: float = 1800.0
    default_protocol: Protocol = Protocol.CA


class Restores:
    """Plans and executes. Register the handler (by start) before Jobs is started."""

    def __init__(
        self,
        sql: SQL,
        bucket: Bucket,
        snapshots: Snapshots,
        machine: Machine,
        read_your_writes: ReadYourWrites,
        jobs: Jobs,
        clock: Clock,
        settings: RestoreSettings,
    ) -> None:
        self._alone = sql.dialect == "sqlite"  # one server: what another one posted is from before a restart
        self._instance = secrets.token_hex(8)
        self._snapshots = snapshots
        self._machine = machine
        self._jobs = jobs
        self._clock = clock
        self._settings = settings
        self._lock = RestoreLock(sql)
        self._plans = PlanStore(bucket)
        self._outcomes = OutcomeStore(bucket)
        executor = Executor(machine, settings.write_timeout_s, settings.read_timeout_s)
        self._tools = Tools(snapshots, self._outcomes, executor, read_your_writes, clock)

    async def start(self) -> None:
        """Nothing runs by itself here: a restore is a job."""

    async def stop(self) -> None:
        """A restore that runs is a job, and ended by Jobs."""

    async def ping(self) -> None:
        """It works when SQL, the bucket and the machine do, which are asked by themselves."""

    def register(self) -> None:
        """This process executes restores. Call it before Jobs starts."""
        self._jobs.register(JOB_TYPE, self.run_job, begin_within_s=BEGIN_WITHIN_S)

    # ---- planning ----

    async def plan(self, snapshot_id: str, request: RestoreRequest, actor: str) -> Proposal:
        """What a restore would do, kept for a while to be executed exactly so.

        Raises SnapshotNotFound, ArchiveDamaged, Invalid (nothing chosen, unknown ids), Unavailable.
        """
        contents = await self._snapshots.contents(snapshot_id)
        proposal = await self._propose(contents, request, actor)
        await self._plans.put(proposal.plan)
        return proposal

    async def _propose(self, contents: SnapshotContents, request: RestoreRequest, actor: str) -> Proposal:
        target = contents.capture
        pv_rows = await asyncio.to_thread(choose, target, request, self._settings.default_protocol)
        current = await self._read(target, pv_rows)
        guarded = protected(await self._snapshots.inventory(), target, pv_rows)
        judgement = await asyncio.to_thread(judge, target, pv_rows, current, guarded, request.options)
        now = self._clock.now()
        plan = Plan(
            id=secrets.token_hex(8),
            snapshot_id=contents.snapshot.id,
            snapshot_sha256=contents.snapshot.sha256,
            created_at=now,
            expires_at=now + timedelta(seconds=self._settings.plan_ttl_s),
            actor=actor,
            options=request.options,
            pv_rows=pv_rows,
            judgement=judgement,
        )
        return Proposal(plan, target, current)

    async def _read(self, target: Capture, pv_rows: Ints) -> Frame:
        """The setpoints as they are now: all that do not answer cost one time-out together."""
        setpoints = setpoint_rows(target, pv_rows)
        present = np.flatnonzero(setpoints >= 0)
        addresses = pick(target.parsed, setpoints[present])
        found = await self._machine.read(addresses, timeout_s=self._settings.read_timeout_s)
        return at_rows(len(pv_rows), present, found)

    # ---- executing ----

    async def execute_plan(self, snapshot_id: str, plan_id: str, actor: str) -> Job:
        """A job that executes exactly this plan. Raises PlanNotFound, PlanExpired, SnapshotNotFound, Busy."""
        await self._lock.check_free()
        await self._snapshots.get(snapshot_id)
        await self._plans.get(plan_id, snapshot_id, self._clock.now())
        return await self._begin({"snapshotId": snapshot_id, "planId": plan_id}, actor)

    async def restore(self, snapshot_id: str, request: RestoreRequest, actor: str) -> Job:
        """A job that plans and executes at once. Raises SnapshotNotFound, ArchiveDamaged, Invalid, Busy."""
        await self._lock.check_free()
        contents = await self._snapshots.contents(snapshot_id)
        await asyncio.to_thread(choose, contents.capture, request, self._settings.default_protocol)
        return await self._begin({"snapshotId": snapshot_id, "request": request.to_json()}, actor)

    async def _begin(self, data: Mapping[str, Any], actor: str) -> Job:
        job = await self._jobs.create(JOB_TYPE, {**data, "instance": self._instance}, actor=actor)
        try:
            await self._lock.acquire(job.id, self._clock.now())
        except Busy:  # somebody was quicker since check_free
            await self._withdraw(job)
            raise
        return job

    async def _withdraw(self, job: Job) -> None:
        try:
            await self._jobs.abort(job.id)
        except Conflict:
            return  # it began, found the lock taken and failed already

    async def run_job(self, context: JobContext) -> str | None:
        """The handler of restore jobs."""
        if self._alone and context.data.get("instance") != self._instance:
            raise Conflict("the server was restarted before the restore began, so it was not begun at all")
        await self._lock.acquire(context.job_id, self._clock.now())
        try:
            run = await self._prepare(context)
            return await run.run()
        finally:
            await self._give_lock_back(context.job_id)

    async def _give_lock_back(self, job_id: str) -> None:
        try:
            await self._lock.release(job_id)
        except Unavailable as away:  # must not hide how the restore ended; the lock ends with the job anyway
            log.warning("the lock of restore %s could not be given back yet: %s", job_id, away)

    async def _prepare(self, context: JobContext) -> RestoreRun:
        contents = await self._snapshots.contents(context.data["snapshotId"])
        if "planId" in context.data:
            plan = await self._take_plan(context.data["planId"], contents)
            return RestoreRun(self._tools, context, plan, contents)
        context.progress(0, "planning")
        request = RestoreRequest.from_json(context.data["request"])
        proposal = await self._propose(contents, request, context.actor)
        return RestoreRun(self._tools, context, proposal.plan, contents, just_read=proposal.current)

    async def _take_plan(self, plan_id: str, contents: SnapshotContents) -> Plan:
        """Nobody gets it a second time, whatever becomes of this restore."""
        plan = await self._plans.get(plan_id, contents.snapshot.id, self._clock.now())
        await self._plans.use_up(plan.id)
        if plan.snapshot_sha256 != contents.snapshot.sha256:
            raise Conflict("the snapshot is not the one that was planned with", remedy="plan again")
        return plan

    # ---- afterwards ----

    async def outcomes(self, job_id: str) -> tuple[Job, Outcomes]:
        """What became of each PV; UNKNOWN for those that a dead restore may have written.

        Raises JobNotFound, OutcomesNotFound.
        """
        job = await self._jobs.get(job_id)
        if job.type != JOB_TYPE:
            raise OutcomesNotFound(job_id)
        content = await self._outcomes.get(job_id)
        return job, await asyncio.to_thread(outcome_file.decode, content)

    async def discard_outcomes(self, job_id: str) -> None:
        """Forgets what became of each PV; harmless when nothing is known. Raises Unavailable."""
        await self._outcomes.discard(job_id)

    async def clean_up(self) -> int:
        """Removes the plans that nobody can execute any more; returns how many."""
        return await self._plans.clean_up(self._clock.now(), self._settings.plan_ttl_s)
