"""One restore from its plan to its outcomes. What could fail for outer reasons comes before the first put."""

from __future__ import annotations

import asyncio
import logging
from dataclasses import dataclass, replace
from typing import Protocol

import numpy as np
import numpy.typing as npt

from backend.src.core.clock import Clock
from backend.src.core.errors import Unavailable
from backend.src.infra.epics.frame import Frame, empty_frame
from backend.src.services.catalog import NO_SLOT, Inventory
from backend.src.services.jobs import JobAborted, JobContext
from backend.src.services.restore import outcomes as outcome_file
from backend.src.services.restore.execution import CODE, Executor, Writes, Written
from backend.src.services.restore.models import VERDICTS, Judgement, Plan, Result, Verdict
from backend.src.services.restore.outcomes import Outcomes, OutcomeStore, at_rows, with_results
from backend.src.services.restore.planning import CODE as VERDICT_CODE
from backend.src.services.restore.planning import judge, protected, saved_frame, setpoint_rows
from backend.src.services.snapshots import Snapshot, SnapshotContents, SnapshotDraft, Snapshots
from backend.src.services.snapshots.agreement import Tolerances
from backend.src.services.snapshots.capture import Capture, Header, Ints, Source, pick

log = logging.getLogger(__name__)

LABEL = "before-restore"
LONGEST_TITLE = 255
PLANNED, WRITING, VERIFIED = 10, 25, 95  # percent
FIT = (Verdict.WRITE, Verdict.EQUAL)  # what a planned write must still be when its turn has come
_RESULT_OF = {
    Verdict.DISCONNECTED: Result.DISCONNECTED,
    Verdict.NO_ACCESS: Result.NO_ACCESS,
    Verdict.TYPE_MISMATCH: Result.FAILED,
    Verdict.OUTSIDE_LIMITS: Result.FAILED,
}


class ReadYourWrites(Protocol):
    """The live table's catching up, as far as a restore needs it."""

    async def settle(self, slots: npt.ArrayLike, seen: Frame) -> None:
        """Returns when the table shows what was read back, or says that it does not."""


@dataclass(frozen=True, slots=True)
class Tools:
    """What a run works with."""

    snapshots: Snapshots
    store: OutcomeStore
    executor: Executor
    read_your_writes: ReadYourWrites
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
        planned = np.flatnonzero(self._plan.judgement.verdicts == VERDICT_CODE[Verdict.WRITE])
        self._context.progress(PLANNED, f"looking at {len(planned)} PVs")
        before = await self._present(planned)
        judgement = await asyncio.to_thread(self._judge_again, planned, before, inventory)
        fit = np.flatnonzero(np.isin(judgement.verdicts, [VERDICT_CODE[verdict] for verdict in FIT]))
        rows, before = planned[fit], before.take(fit)
        outcomes = self._expected(planned, judgement)
        if not len(rows):
            await self._keep(replace(outcomes, finished=True))
            self._context.progress(100, f"nothing to write: {_tell(outcomes)}")
            return None
        self._context.progress(PLANNED, f"saving the present values of {len(rows)} PVs")
        writes = self._writes(rows)
        rollback = await self._save_present(rows, writes, before, inventory)
        n = len(outcomes)
        outcomes = replace(outcomes, rollback_snapshot_id=rollback.id, before=at_rows(n, rows, before))
        await self._keep(outcomes)  # before the first put: whoever kills this process leaves the truth behind
        written = await self._write(writes)
        outcomes = with_results(outcomes, rows, written.results, written.messages, written.after)
        await self._keep_end(outcomes)
        await self._tools.read_your_writes.settle(_slots(writes, inventory), written.after)
        return self._end(outcomes, rollback)

    def _judge_again(self, planned: Ints, before: Frame, inventory: Inventory) -> Judgement:
        """Less is written than was planned when PVs have changed since, never more.

        A PV that does not answer now is not written either, should it come back a second later: what it holds
        could not be saved.
        """
        pv_rows = self._plan.pv_rows[planned]
        guarded = protected(inventory, self._target, pv_rows)
        return judge(self._target, pv_rows, before, guarded, self._plan.options)

    def _expected(self, planned: Ints, judgement: Judgement) -> Outcomes:
        """What is known before the first put. judgement: of the planned ones, of just now."""
        plan, target = self._plan, self._target
        n, setpoints = len(plan.pv_rows), setpoint_rows(target, plan.pv_rows)
        results = np.full(n, CODE[Result.SKIPPED], np.uint8)
        messages = list(plan.judgement.reasons)
        for row, code, reason in zip(planned.tolist(), judgement.verdicts.tolist(), judgement.reasons, strict=True):
            results[row], messages[row] = _expectation(VERDICTS[code], reason)
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
            target=target.frame.take(setpoints),
            tolerances=Tolerances(target.pvs.abs_tolerance[pv_rows], target.pvs.rel_tolerance[pv_rows]),
        )

    async def _save_present(self, rows: Ints, writes: Writes, before: Frame, inventory: Inventory) -> Snapshot:
        """The snapshot that makes this restore undoable. Raises what hinders it: then nothing is written."""
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
            frame=before,
        )
        described = f"Taken by restore {self._context.job_id} of snapshot {self._plan.snapshot_id}"
        draft = SnapshotDraft(title, described, (LABEL,))
        slots = _slots(writes, inventory)
        return await self._tools.snapshots.save(capture, slots[slots != NO_SLOT], draft, self._context.actor)

    async def _present(self, rows: Ints) -> Frame:
        """The setpoints as they are now."""
        if self._just_read is not None:
            return self._just_read.take(rows)
        executor, setpoints = self._tools.executor, setpoint_rows(self._target, self._plan.pv_rows[rows])
        addresses = pick(self._target.parsed, setpoints)
        return await executor.machine.read(addresses, timeout_s=executor.read_timeout_s)

    async def _write(self, writes: Writes) -> Written:
        total = len(writes)
        if self._context.abort.is_set():
            return Written(np.full(total, CODE[Result.ABORTED], np.uint8), ["not sent"] * total, empty_frame(total))
        share = (VERIFIED - WRITING) / total

        def progress(done: int) -> None:
            self._context.progress(WRITING + done * share, f"wrote {done} of {total} PVs")

        log.info("restore %s by %s: writing %d PVs", self._context.job_id, self._context.actor, total)
        return await self._tools.executor.execute(writes, self._plan.options, progress, self._context.abort)

    async def _keep(self, outcomes: Outcomes) -> None:
        content = await asyncio.to_thread(outcome_file.encode, outcomes)
        await self._tools.store.put(self._context.job_id, content)

    async def _keep_end(self, outcomes: Outcomes) -> None:
        """When the bucket is away the values are written all the same: the job's error has to say so."""
        try:
            await self._keep(outcomes)
        except Unavailable as away:
            told = f"{_tell(outcomes)}, but what became of each PV could not be kept: {away.message}"
            raise Unavailable(told, remedy=away.remedy) from away

    def _end(self, outcomes: Outcomes, rollback: Snapshot) -> str:
        told = _tell(outcomes)
        log.info("restore %s ended: %s", self._context.job_id, told)
        if self._context.abort.is_set():
            raise JobAborted(f"aborted: {told}", result_id=rollback.id)
        self._context.progress(100, told)
        return rollback.id


def _slots(writes: Writes, inventory: Inventory) -> Ints:
    """Where the live table has what is written; NO_SLOT for what the catalogue has forgotten."""
    return np.array([inventory.slot_of.get(address, NO_SLOT) for address in writes.addresses], np.int64)


def _expectation(verdict: Verdict, reason: str) -> tuple[int, str]:
    """Result code and message of a PV whose write was planned, before the first put."""
    if verdict in FIT:
        return CODE[Result.UNKNOWN], "may have been written"
    return CODE[_RESULT_OF.get(verdict, Result.SKIPPED)], f"not written, changed after the plan was made: {reason}"


def _tell(outcomes: Outcomes) -> str:
    """Such as "38 restored, 1 timed_out, 2 skipped (1 equal, 1 read_only)"."""
    counts = outcomes.counts
    skipped = ", ".join(f"{number} {verdict}" for verdict, number in outcomes.skipped.items())
    parts = [f"{number} {result}" for result, number in counts.items()]
    return ", ".join(parts) + (f" ({skipped})" if skipped else "")
