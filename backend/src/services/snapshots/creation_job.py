"""Taking a snapshot as a job."""

from __future__ import annotations

from typing import Any

from backend.src.services.jobs import Job, JobContext, Jobs
from backend.src.services.snapshots.models import (
    SnapshotDraft,
    SnapshotRequest,
    selection_from_json,
    selection_to_json,
)
from backend.src.services.snapshots.snapshots import Snapshots

JOB_TYPE = "snapshot_create"


class SnapshotCreation:
    """Records jobs that take snapshots, and does them where it is registered."""

    def __init__(self, snapshots: Snapshots, jobs: Jobs) -> None:
        self._snapshots = snapshots
        self._jobs = jobs

    def register(self) -> None:
        """This process takes snapshots. Call it before Jobs starts."""
        self._jobs.register(JOB_TYPE, self.run_job)

    async def begin(self, request: SnapshotRequest, actor: str) -> Job:
        """A job that takes it. Raises Invalid for an empty selection and for unknown ids, at once."""
        await self._snapshots.check(request)
        return await self._jobs.create(JOB_TYPE, _to_json(request), actor=actor)

    async def run_job(self, context: JobContext) -> str:
        """The handler; returns the snapshot's id."""
        snapshot = await self._snapshots.create(_from_json(context.data), context.actor, context.progress)
        return snapshot.id


def _to_json(request: SnapshotRequest) -> dict[str, Any]:
    draft = request.draft
    return {
        "title": draft.title,
        "description": draft.description,
        "labels": list(draft.labels),
        "selection": selection_to_json(request.selection),
        "useCache": request.use_cache,
        "cameras": list(request.cameras),
    }


def _from_json(data: dict[str, Any]) -> SnapshotRequest:
    draft = SnapshotDraft(data["title"], data["description"], tuple(data["labels"]))
    # jobs recorded by an older version name no cameras
    return SnapshotRequest(
        draft, selection_from_json(data["selection"]), data["useCache"], tuple(data.get("cameras", ()))
    )
