"""One restore from its plan to its outcomes. What could fail for outer reasons comes before the first put."""

from __future__ import annotations

import asyncio
import logging
from dataclasses import dataclass, replace

import numpy as np

from backend.src.core.clock import Clock
from backend.src.infra.epics.frame import Frame, empty_frame
from backend.src.services.catalog import Inventory
from backend.src.services.jobs import JobAborted, JobContext
from backend.src.services.restore import outcomes as outcome_file
from backend.src.services.restore.execution import CODE, Executor, Writes, Written
from backend.src.services.restore.models import Plan, Result, Verdict
from backend.src.services.restore.outcomes import Outcomes, OutcomeStore, at_rows, with_results
from backend.src.services.restore.planning import CODE as VERDICT_CODE
from backend.src.services.restore.planning import protected, saved_frame, setpoint_rows
from backend.src.services.snapshots import Snapshot, SnapshotContents, SnapshotDraft, Snapshots
from backend.src.services.snapshots.agreement import Tolerances
from backend.src.services.snapshots.capture import Capture, Header, Ints, Source, pick, take_frame

log = logging.getLogger(__name__)

LABEL = "before-restore"
LONGEST_TITLE = 255
PLANNED, WRITING, VERIFIED = 10, 25, 95  # percent
SINCE = "became read-only after the plan was made"


@dataclass(frozen=True, slots=True)
class Tools:
    """What a run works with."""

    snapshots: Snapshots
    store: OutcomeStore
    executor: Executor
    clock: Clock


class RestoreRun:
    """Executes one plan, once."""

    def __init__(
        self, tools: Tools, context: JobContext, plan: Plan, contents: SnapshotContents, just_read: Frame | None = None
    ) -> None:
        """just_read: the readings on which the plan was made a moment ago; without them the PVs are read anew."""
        self._tools = tools
        self._context = context
        self._plan = plan
        self._contents = contents
        self._just_read = just_read
        self._target: Capture = contents.capture

    async def run(self) -> str | None:
        """Returns the id of the snapshot that rolls it back, None when nothing was to be written. Raises JobAborted."""
        inventory = await self._tools.snapshots.inventory()
        rows = self._writable(inventory)
        outcomes = self._expected(rows)
        if not len(rows):
            await self._keep(replace(outcomes, finished=True))
            self._context.progress(100, f"nothing to write: {_tell(outcomes)}")
            return None
        self._context.progress(PLANNED, f"saving the present values of {len(rows)} PVs")
        writes = self._writes(rows)
        rollback, before = await self._save_present(rows, writes, inventory)
        n = len(outcomes)
        outcomes = replace(outcomes, rollback_snapshot_id=rollback.id, before=at_rows(n, rows, before))
        await self._keep(outcomes)  # before the first put: whoever kills this process leaves the truth behind
        self._context.raise_if_aborted("aborted before anything was written")
        outcomes = await self._write(writes, rows, outcomes)
        await self._keep(outcomes)
        return self._end(outcomes, rollback)

    def _writable(self, inventory: Inventory) -> Ints:
        """The rows of the plan that are written: less than planned when PVs became read-only since, never more."""
        planned = self._plan.judgement.verdicts == VERDICT_CODE[Verdict.WRITE]
        return np.flatnonzero(planned & ~protected(inventory, self._target, self._plan.pv_rows))

    def _expected(self, rows: Ints) -> Outcomes:
        plan, target = self._plan, self._target
        n, setpoints = len(plan.pv_rows), setpoint_rows(target, plan.pv_rows)
        results = np.full(n, CODE[Result.SKIPPED], np.uint8)
        results[rows] = CODE[Result.UNKNOWN]
        planned = plan.judgement.verdicts == VERDICT_CODE[Verdict.WRITE]
        messages = list(plan.judgement.reasons)
        for row in np.flatnonzero(planned).tolist():
            messages[row] = SINCE
        for row in rows.tolist():
            messages[row] = "may have been written"
        addresses = [target.addresses[row] if row >= 0 else None for row in setpoints.tolist()]
        return Outcomes(
            snapshot_id=plan.snapshot_id,
            rollback_snapshot_id=None,
            actor=self._context.actor,
            finished=False,
            pv_ids=target.pvs.ids[plan.pv_rows],
            pv_names=pick(target.pvs.names, plan.pv_rows),
            addresses=addresses,
            verdicts=plan.judgement.verdicts,
            results=results,
            messages=messages,
            target=saved_frame(target, setpoints),
            before=empty_frame(n),
            after=empty_frame(n),
        )

    def _writes(self, rows: Ints) -> Writes:
        target, pv_rows = self._target, self._plan.pv_rows[rows]
        setpoints = setpoint_rows(target, pv_rows)
        return Writes(
            pv_ids=target.pvs.ids[pv_rows],
            addresses=pick(target.parsed, setpoints),
            target=take_frame(target.frame, setpoints),
            tolerances=Tolerances(target.pvs.abs_tolerance[pv_rows], target.pvs.rel_tolerance[pv_rows]),
        )

    async def _save_present(self, rows: Ints, writes: Writes, inventory: Inventory) -> tuple[Snapshot, Frame]:
        """The snapshot that makes this restore undoable. Raises what hinders it: then nothing is written."""
        frame = await self._present(rows, writes)
        pv_rows = self._plan.pv_rows[rows]
        title = f"Before restore of {self._contents.snapshot.title}"[:LONGEST_TITLE]
        header = Header(
            title, self._tools.clock.now(), self._tools.clock.time_ns(), Source.READ, self._target.header.machine
        )
        setpoints = setpoint_rows(self._target, pv_rows)
        taken = self._target.take(setpoints, self._target.pvs.take(pv_rows), np.arange(len(rows)))
        capture = replace(
            taken,
            header=header,
            sources=np.full(len(rows), Source.READ, np.uint8),
            stale=np.zeros(len(rows), np.bool_),
            frame=frame,
        )
        described = f"Taken by restore {self._context.job_id} of snapshot {self._plan.snapshot_id}"
        draft = SnapshotDraft(title, described, (LABEL,))
        slots = [inventory.slot_of[address] for address in writes.addresses if address in inventory.slot_of]
        return await self._tools.snapshots.save(capture, slots, draft, self._context.actor), frame

    async def _present(self, rows: Ints, writes: Writes) -> Frame:
        if self._just_read is not None:
            return take_frame(self._just_read, rows)
        executor = self._tools.executor
        return await executor.machine.read(writes.addresses, timeout_s=executor.read_timeout_s)

    async def _write(self, writes: Writes, rows: Ints, outcomes: Outcomes) -> Outcomes:
        total = len(writes)
        share = (VERIFIED - WRITING) / total

        def progress(done: int) -> None:
            self._context.progress(WRITING + done * share, f"wrote {done} of {total} PVs")

        log.info("restore %s by %s: writing %d PVs", self._context.job_id, self._context.actor, total)
        written: Written = await self._tools.executor.execute(writes, self._plan.options, progress, self._context.abort)
        return with_results(outcomes, rows, written.results, written.messages, written.after)

    async def _keep(self, outcomes: Outcomes) -> None:
        content = await asyncio.to_thread(outcome_file.encode, outcomes)
        await self._tools.store.put(self._context.job_id, content)

    def _end(self, outcomes: Outcomes, rollback: Snapshot) -> str:
        told = _tell(outcomes)
        log.info("restore %s ended: %s", self._context.job_id, told)
        if self._context.abort.is_set():
            raise JobAborted(f"aborted: {told}", result_id=rollback.id)
        self._context.progress(100, told)
        return rollback.id


def _tell(outcomes: Outcomes) -> str:
    """Such as "38 restored, 1 timed_out, 2 skipped (1 equal, 1 read_only)"."""
    counts = outcomes.counts
    skipped = ", ".join(f"{number} {verdict}" for verdict, number in outcomes.skipped.items())
    parts = [f"{number} {result}" for result, number in counts.items()]
    return ", ".join(parts) + (f" ({skipped})" if skipped else "")
