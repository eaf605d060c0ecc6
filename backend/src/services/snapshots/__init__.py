"""Snapshots: what the machine was like, kept for good, compared and found again."""

from backend.src.services.snapshots.camera_folder import CameraEntry, NoPicture
from backend.src.services.snapshots.creation_job import SnapshotCreation
from backend.src.services.snapshots.errors import ArchiveDamaged, SnapshotGolden, SnapshotNotFound, UnknownFormat
from backend.src.services.snapshots.history import HistoryPage, history
from backend.src.services.snapshots.live_comparison import LIVE, Compared, Comparisons
from backend.src.services.snapshots.models import (
    Snapshot,
    SnapshotChanges,
    SnapshotContents,
    SnapshotDraft,
    SnapshotFilter,
    SnapshotPage,
    SnapshotRequest,
)
from backend.src.services.snapshots.scheduled import LABEL as SCHEDULED
from backend.src.services.snapshots.scheduled import ScheduledSnapshots
from backend.src.services.snapshots.snapshots import SnapshotOptions, Snapshots

__all__ = [
    "LIVE",
    "SCHEDULED",
    "ArchiveDamaged",
    "CameraEntry",
    "Compared",
    "Comparisons",
    "HistoryPage",
    "NoPicture",
    "ScheduledSnapshots",
    "Snapshot",
    "SnapshotChanges",
    "SnapshotContents",
    "SnapshotCreation",
    "SnapshotDraft",
    "SnapshotFilter",
    "SnapshotGolden",
    "SnapshotNotFound",
    "SnapshotOptions",
    "SnapshotPage",
    "SnapshotRequest",
    "Snapshots",
    "UnknownFormat",
    "history",
]
