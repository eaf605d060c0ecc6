"""Snapshots that nobody asked for: of everything, at the times of the configuration."""

from __future__ import annotations

from backend.src.core.clock import Clock
from backend.src.services.catalog import Selection
from backend.src.services.snapshots.models import SnapshotDraft, SnapshotRequest
from backend.src.services.snapshots.snapshots import Snapshots

LABEL = "scheduled"
ACTOR = "cron"


class ScheduledSnapshots:
    """Takes one when told."""

    def __init__(self, snapshots: Snapshots, clock: Clock) -> None:
        self._snapshots = snapshots
        self._clock = clock

    async def run(self) -> str:
        """One line of result."""
        if not len(await self._snapshots.inventory()):
            return ""
        title = f"Scheduled {self._clock.now():%Y-%m-%d %H:%M:%S} UTC"
        draft = SnapshotDraft(title, labels=(LABEL,))
        request = SnapshotRequest(draft, Selection(everything=True))
        taken = await self._snapshots.create(request, ACTOR)
        return f"snapshot {taken.id}: {taken.counts.captured} of {taken.pv_count} PVs captured"
