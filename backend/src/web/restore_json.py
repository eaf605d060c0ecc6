"""Plans and outcomes as JSON, without pydantic. Call it off the event loop."""

from __future__ import annotations

from collections import Counter
from typing import Any

import numpy as np

from backend.src.infra.epics.address import Protocol
from backend.src.services.jobs import Job
from backend.src.services.restore import Outcomes, Proposal, Result, Verdict
from backend.src.services.restore.models import RESULTS, VERDICTS
from backend.src.services.restore.planning import saved_frame, setpoint_rows
from backend.src.services.snapshots.capture import Mask, pick
from backend.src.services.snapshots.metadata_columns import label_column
from backend.src.web.column_json import array, at, booleans, chosen, ids, objects, texts, values
from backend.src.web.snapshot_json import short_address

Json = Any
LEFT_ALONE = (Verdict.EQUAL, Verdict.READ_ONLY)


def plan_json(proposal: Proposal) -> dict[str, Json]:
    """A PlanAnswer without its items."""
    plan = proposal.plan
    verdicts = (VERDICTS[code].value for code in plan.judgement.verdicts.tolist())
    return {
        "planId": plan.id,
        "snapshotId": plan.snapshot_id,
        "createdAt": plan.created_at,
        "expiresAt": plan.expires_at,
        "counts": dict(sorted(Counter(verdicts).items())),
    }


def plan_items_json(proposal: Proposal, default: Protocol) -> bytes:
    """Its PlanItems, encoded by columns."""
    plan, target, current = proposal.plan, proposal.target, proposal.current
    setpoints = setpoint_rows(target, plan.pv_rows)
    saved = saved_frame(target, setpoints)
    fields = {
        "pvId": ids(target.pvs.ids[plan.pv_rows]),
        "pvName": texts(pick(target.pvs.names, plan.pv_rows)),
        "address": at(texts([short_address(address, default) for address in target.addresses]), setpoints),
        "verdict": chosen([verdict.value for verdict in VERDICTS], plan.judgement.verdicts),
        "reason": texts(plan.judgement.reasons),
        "current": values(current),
        "target": values(saved),
        "currentLabel": texts(label_column(current)),
        "targetLabel": texts(label_column(saved)),
    }
    return array(objects(fields))


def outcomes_json(job: Job, outcomes: Outcomes) -> dict[str, Json]:
    """An OutcomesAnswer without its outcomes."""
    return {
        "jobId": job.id,
        "status": job.status.value,
        "snapshotId": outcomes.snapshot_id,
        "rollbackSnapshotId": outcomes.rollback_snapshot_id,
        "actor": outcomes.actor,
        "finished": outcomes.finished,
        "counts": {result.value: number for result, number in outcomes.counts.items()},
    }


def outcome_rows_json(outcomes: Outcomes, default: Protocol) -> bytes:
    """Its Outcomes, encoded by columns."""
    results, verdicts = outcomes.results, outcomes.verdicts
    restored = results == RESULTS.index(Result.RESTORED)
    addresses = [None if address is None else short_address(address, default) for address in outcomes.addresses]
    fields = {
        "pvId": ids(outcomes.pv_ids),
        "pvName": texts(outcomes.pv_names),
        "address": texts(addresses),
        "verdict": chosen([verdict.value for verdict in VERDICTS], verdicts),
        "result": chosen([result.value for result in RESULTS], results),
        "ok": booleans(ok(outcomes)),
        "message": texts(outcomes.messages),
        "target": values(outcomes.target),
        "before": values(outcomes.before),
        "after": values(outcomes.after),
        "verified": booleans(restored),
    }
    return array(objects(fields))


def ok(outcomes: Outcomes) -> Mask:
    """bool[n]: the PV is as the snapshot has it, or was left alone on purpose."""
    restored = outcomes.results == RESULTS.index(Result.RESTORED)
    skipped = outcomes.results == RESULTS.index(Result.SKIPPED)
    alone: Mask = np.isin(outcomes.verdicts, [VERDICTS.index(verdict) for verdict in LEFT_ALONE])
    fine: Mask = restored | (skipped & alone)
    return fine


def finished_json(job: Job, outcomes: Outcomes | None) -> dict[str, Json]:
    """A RestoreFinished. Without outcomes: it failed before it could write anything."""
    failures = [] if outcomes is None else _failures(outcomes)
    total = 0 if outcomes is None else len(outcomes)
    return {
        "jobId": job.id,
        "message": job.message or job.error or "",
        "status": job.status.value,
        "error": job.error,
        "resultId": job.result_id,
        "totalPVs": total,
        "successCount": total - len(failures),
        "failureCount": len(failures),
        "failures": failures,
    }


def _failures(outcomes: Outcomes) -> list[dict[str, str]]:
    rows = np.flatnonzero(~ok(outcomes)).tolist()
    return [
        {
            "pvId": str(outcomes.pv_ids[row]),
            "pvName": outcomes.pv_names[row],
            "error": outcomes.messages[row] or RESULTS[outcomes.results[row]].value,
        }
        for row in rows
    ]
