"""Snapshots as the row cache keeps them: single ones, and the first page of the lists that people look at all day.

Lists that were narrowed by text, and later pages, are not kept: their number has no end.
"""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

from backend.src.infra.epics.address import Protocol
from backend.src.infra.sql import CachedQuery, CacheKind
from backend.src.services.snapshots import snapshot_rows
from backend.src.services.snapshots.capture import Counts
from backend.src.services.snapshots.models import CamerasTaken, Snapshot, SnapshotFilter, SnapshotPage

Plain = dict[str, Any]

TABLES = ("snapshots", "snapshot_labels", "snapshot_tags")
_KEPT = (SnapshotFilter(), SnapshotFilter(golden=True))


def row_query(snapshot_id: str) -> CachedQuery[Plain]:
    """One snapshot. Loading it raises SnapshotNotFound."""
    key = f"snapshot:{snapshot_id}"
    return CachedQuery(CacheKind.QUERY, key, TABLES, lambda db: asdict(snapshot_rows.get(db, snapshot_id)))


def first_page_query(narrowed: SnapshotFilter, default: Protocol, limit: int) -> CachedQuery[Plain] | None:
    """The first page of a list, None for one that is not worth keeping."""
    if narrowed not in _KEPT:
        return None

    def load(db: Any) -> Plain:
        return asdict(snapshot_rows.page(db, narrowed, default, after=None, limit=limit))

    return CachedQuery(CacheKind.QUERY, f"snapshots:{narrowed.golden}:{limit}", TABLES, load)


def snapshot_from(plain: Plain) -> Snapshot:
    """What row_query keeps, as it was."""
    cameras = None if plain["cameras"] is None else CamerasTaken(**plain["cameras"])
    parts = {"labels": tuple(plain["labels"]), "counts": Counts(**plain["counts"]), "cameras": cameras}
    return Snapshot(**(plain | parts))


def page_from(plain: Plain) -> SnapshotPage:
    """What first_page_query keeps, as it was."""
    after = plain["next_after"]
    return SnapshotPage(
        tuple(snapshot_from(one) for one in plain["snapshots"]), None if after is None else (after[0], after[1])
    )
