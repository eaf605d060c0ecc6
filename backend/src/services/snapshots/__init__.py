"""Snapshots: what the machine was like, kept for good, compared and found again."""

from backend.src.services.snapshots.errors import ArchiveDamaged, SnapshotGolden, SnapshotNotFound
from backend.src.services.snapshots.models import (
    Snapshot,
    SnapshotChanges,
    SnapshotContents,
    SnapshotDraft,
    SnapshotFilter,
    SnapshotPage,
    SnapshotRequest,
)
from backend.src.services.snapshots.snapshots import SnapshotOptions, Snapshots

__all__ = [
    "ArchiveDamaged",
    "Snapshot",
    "SnapshotChanges",
    "SnapshotContents",
    "SnapshotDraft",
    "SnapshotFilter",
    "SnapshotGolden",
    "SnapshotNotFound",
    "SnapshotOptions",
    "SnapshotPage",
    "SnapshotRequest",
    "Snapshots",
]
