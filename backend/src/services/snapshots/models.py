"""What a snapshot is in SQL, how one is asked for, and what a list of them can be narrowed by."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, TypedDict

from backend.src.services.catalog import Selection
from backend.src.services.snapshots.capture import Capture, Counts


@dataclass(frozen=True, slots=True)
class CamerasTaken:
    """The cameras of a snapshot. sha256: of their list in the bucket; errors: by camera, None for a picture."""

    sha256: str
    errors: Mapping[str, str | None]


@dataclass(frozen=True, slots=True)
class Snapshot:
    """One snapshot without its values. source: live or read; sha256: of its archive, hexadecimal."""

    id: str
    title: str
    description: str | None
    labels: tuple[str, ...]
    golden: bool
    source: str
    created_at: datetime
    created_by: str | None
    selection: Mapping[str, Any] | None
    pv_count: int
    counts: Counts
    archive_key: str
    size_bytes: int
    sha256: str
    cameras: CamerasTaken | None = None


@dataclass(frozen=True, slots=True)
class SnapshotContents:
    """A snapshot and its values."""

    snapshot: Snapshot
    capture: Capture


@dataclass(frozen=True, slots=True)
class SnapshotDraft:
    """What people say of a snapshot to be made."""

    title: str
    description: str | None = None
    labels: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class SnapshotRequest:
    """A snapshot to be made. use_cache: from the live table while the monitor is alive, else by reading."""

    draft: SnapshotDraft
    selection: Selection
    use_cache: bool = True
    cameras: tuple[str, ...] = ()


class SnapshotChanges(TypedDict, total=False):
    """New values of what may change; what is missing stays, None clears a description."""

    title: str
    description: str | None
    labels: tuple[str, ...]
    golden: bool


@dataclass(frozen=True, slots=True)
class SnapshotFilter:
    """What a list is narrowed by; None means "whatever". title: a part of it, in any case; contains_pv: an address
    or a glob of one (* and ?); tag_ids: any of these among the tags of its PVs."""

    title: str | None = None
    tag_ids: tuple[int, ...] = ()
    label: str | None = None
    golden: bool | None = None
    created_by: str | None = None
    since: datetime | None = None
    until: datetime | None = None
    contains_pv: str | None = None


@dataclass(frozen=True, slots=True)
class SnapshotPage:
    """Part of a list, newest first; next_after: where the next page begins, None at the end."""

    snapshots: tuple[Snapshot, ...]
    next_after: tuple[datetime, str] | None


def selection_to_json(selection: Selection) -> dict[str, Any]:
    """As it is kept in SQL and travels in a job."""
    filters = selection.tag_filters
    return {
        "pvIds": None if selection.pv_ids is None else list(selection.pv_ids),
        "tagFilters": None if filters is None else {str(group): list(tags) for group, tags in filters.items()},
        "pvPattern": selection.pattern,
        "everything": selection.everything,
    }


def selection_from_json(stored: Mapping[str, Any]) -> Selection:
    """The inverse of selection_to_json."""
    pv_ids, filters = stored["pvIds"], stored["tagFilters"]
    return Selection(
        pv_ids=None if pv_ids is None else tuple(pv_ids),
        tag_filters=None if filters is None else {int(group): tuple(tags) for group, tags in filters.items()},
        pattern=stored["pvPattern"],
        everything=stored["everything"],
    )
