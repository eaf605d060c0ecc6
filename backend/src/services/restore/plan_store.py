"""Plans in the bucket, until they are executed or expire.

A plan names rows of an archive that never changes: what was reviewed is what is written, to the last bit.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

import numpy as np
import orjson

from backend.src.infra.bucket import BucketObjectMissing
from backend.src.services.restore.models import (
    VERDICTS,
    Judgement,
    Plan,
    PlanExpired,
    PlanNotFound,
    RestoreOptions,
    Verdict,
)
from backend.src.services.snapshots.archive_store import Bucket

PREFIX = "plans/"
CONTENT_TYPE = "application/json"


class PlanStore:
    """Keeps plans; a plan is taken out once."""

    def __init__(self, bucket: Bucket) -> None:
        self._bucket = bucket

    async def put(self, plan: Plan) -> None:
        """Raises Unavailable."""
        await self._bucket.put(_key(plan.id), orjson.dumps(_to_json(plan)), CONTENT_TYPE)

    async def get(self, plan_id: str, snapshot_id: str, now: datetime) -> Plan:
        """Raises PlanNotFound (also for a plan of another snapshot), PlanExpired."""
        try:
            plan = _from_json(orjson.loads(await self._bucket.get(_key(plan_id))))
        except BucketObjectMissing as exc:
            raise PlanNotFound(plan_id) from exc
        if plan.snapshot_id != snapshot_id:
            raise PlanNotFound(plan_id)
        if plan.expires_at <= now:
            raise PlanExpired(plan_id, plan.expires_at)
        return plan

    async def use_up(self, plan_id: str) -> None:
        """After this nobody gets the plan again. Call it within the lock of restores."""
        await self._bucket.delete(_key(plan_id))

    async def clean_up(self, now: datetime, ttl_s: float) -> int:
        """Removes the plans that nobody can execute any more; returns how many."""
        before = now - timedelta(seconds=2 * ttl_s)
        old = [found.key for found in await self._bucket.keys(PREFIX) if found.modified < before]
        for key in old:
            await self._bucket.delete(key)
        return len(old)


def _key(plan_id: str) -> str:
    return f"{PREFIX}{plan_id}.json"


def _to_json(plan: Plan) -> dict[str, Any]:
    return {
        "id": plan.id,
        "snapshotId": plan.snapshot_id,
        "snapshotSha256": plan.snapshot_sha256,
        "createdAt": plan.created_at.isoformat(),
        "expiresAt": plan.expires_at.isoformat(),
        "actor": plan.actor,
        "options": plan.options.to_json(),
        "pvRows": plan.pv_rows.tolist(),
        "verdicts": [VERDICTS[code].value for code in plan.judgement.verdicts.tolist()],
        "reasons": plan.judgement.reasons,
    }


def _from_json(stored: dict[str, Any]) -> Plan:
    code = {verdict.value: number for number, verdict in enumerate(VERDICTS)}
    verdicts = np.array([code[Verdict(name).value] for name in stored["verdicts"]], np.uint8)
    return Plan(
        id=stored["id"],
        snapshot_id=stored["snapshotId"],
        snapshot_sha256=stored["snapshotSha256"],
        created_at=datetime.fromisoformat(stored["createdAt"]),
        expires_at=datetime.fromisoformat(stored["expiresAt"]),
        actor=stored["actor"],
        options=RestoreOptions.from_json(stored["options"]),
        pv_rows=np.array(stored["pvRows"], np.int64),
        judgement=Judgement(verdicts, stored["reasons"]),
    )
