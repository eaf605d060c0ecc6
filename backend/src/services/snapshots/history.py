"""One channel over snapshots, newest first."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from backend.src.infra.epics.address import PvAddress
from backend.src.services.snapshots.capture import Capture
from backend.src.services.snapshots.models import Snapshot, SnapshotFilter
from backend.src.services.snapshots.snapshots import Snapshots


@dataclass(frozen=True, slots=True)
class HistoryEntry:
    """What one snapshot knows of the channel: a row for each PV and role that it has there."""

    snapshot: Snapshot
    capture: Capture


@dataclass(frozen=True, slots=True)
class HistoryPage:
    """Part of a history; next_after: where the next page begins, None at the end."""

    entries: tuple[HistoryEntry, ...]
    next_after: tuple[datetime, str] | None


async def history(
    snapshots: Snapshots, address: PvAddress, *, after: tuple[datetime, str] | None, limit: int
) -> HistoryPage:
    """At most `limit` snapshots that hold the channel: only their archives are opened. Raises ArchiveDamaged."""
    page = await snapshots.page(SnapshotFilter(contains_pv=str(address)), after=after, limit=limit)
    entries = [HistoryEntry(found, await snapshots.channel(found, str(address))) for found in page.snapshots]
    return HistoryPage(tuple(entries), page.next_after)
