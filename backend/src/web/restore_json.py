"""Plans and outcomes as JSON, without pydantic. Call it off the event loop."""

from __future__ import annotations

from collections import Counter
from typing import Any

from backend.src.infra.epics.address import Protocol
from backend.src.services.jobs import Job
from backend.src.services.restore import Outcomes, Proposal, Result, Verdict
from backend.src.services.restore.models import RESULTS, VERDICTS
from backend.src.services.restore.planning import saved_frame, setpoint_rows
from backend.src.services.snapshots.capture import pick
from backend.src.web.epics_json import json_values
from backend.src.web.snapshot_json import labels, short_address

Json = Any
LEFT_ALONE = (Verdict.EQUAL, Verdict.READ_ONLY)


def plan_json(proposal: Proposal, default: Protocol) -> dict[str, Json]:
    """A PlanAnswer."""
    plan = proposal.plan
    verdicts = [VERDICTS[code].value for code in plan.judgement.verdicts.tolist()]
    return {
        "planId": plan.id,
        "snapshotId": plan.snapshot_id,
        "createdAt": plan.created_at,
        "expiresAt": plan.expires_at,
        "counts": dict(sorted(Counter(verdicts).items())),
        "items": _items(proposal, verdicts, default),
    }


def _items(proposal: Proposal, verdicts: list[str], default: Protocol) -> list[dict[str, Json]]:
    plan, target, current = proposal.plan, proposal.target, proposal.current
    setpoints = setpoint_rows(target, plan.pv_rows)
    saved = saved_frame(target, setpoints)
    columns = zip(
        target.pvs.ids[plan.pv_rows].tolist(),
        pick(target.pvs.names, plan.pv_rows),
        [short_address(target.addresses[row], default) if row >= 0 else None for row in setpoints.tolist()],
        verdicts, plan.judgement.reasons,
        json_values(current), json_values(saved), labels(current), labels(saved),
        strict=True,
    )  # fmt: skip
    return [
        {
            "pvId": str(pv_id), "pvName": name, "address": address, "verdict": verdict, "reason": reason,
            "current": now, "target": wanted, "currentLabel": label_now, "targetLabel": label_wanted,
        }
        for pv_id, name, address, verdict, reason, now, wanted, label_now, label_wanted in columns
    ]  # fmt: skip


def outcomes_json(job: Job, outcomes: Outcomes, default: Protocol) -> dict[str, Json]:
    """An OutcomesAnswer."""
    return {
        "jobId": job.id,
        "status": job.status.value,
        "snapshotId": outcomes.snapshot_id,
        "rollbackSnapshotId": outcomes.rollback_snapshot_id,
        "actor": outcomes.actor,
        "finished": outcomes.finished,
        "counts": {result.value: number for result, number in outcomes.counts.items()},
        "outcomes": _outcomes(outcomes, default),
    }


def _outcomes(outcomes: Outcomes, default: Protocol) -> list[dict[str, Json]]:
    columns = zip(
        outcomes.pv_ids.tolist(), outcomes.pv_names, outcomes.addresses, _words(outcomes), outcomes.messages,
        json_values(outcomes.target), json_values(outcomes.before), json_values(outcomes.after),
        strict=True,
    )  # fmt: skip
    return [
        {
            "pvId": str(pv_id), "pvName": name, "address": None if address is None else short_address(address, default),
            "verdict": verdict.value, "result": result.value, "ok": is_ok(verdict, result), "message": message,
            "target": target, "before": before, "after": after, "verified": result is Result.RESTORED,
        }
        for pv_id, name, address, (verdict, result), message, target, before, after in columns
    ]  # fmt: skip


def _words(outcomes: Outcomes) -> list[tuple[Verdict, Result]]:
    codes = zip(outcomes.verdicts.tolist(), outcomes.results.tolist(), strict=True)
    return [(VERDICTS[verdict], RESULTS[result]) for verdict, result in codes]


def is_ok(verdict: Verdict, result: Result) -> bool:
    """The PV is as the snapshot has it, or was left alone on purpose."""
    return result is Result.RESTORED or (result is Result.SKIPPED and verdict in LEFT_ALONE)


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
    columns = zip(outcomes.pv_ids.tolist(), outcomes.pv_names, _words(outcomes), outcomes.messages, strict=True)
    return [
        {"pvId": str(pv_id), "pvName": name, "error": message or words[1].value}
        for pv_id, name, words, message in columns
        if not is_ok(*words)
    ]
