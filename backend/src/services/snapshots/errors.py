"""What can go wrong with a snapshot."""

from __future__ import annotations

from backend.src.core.errors import Conflict, Invalid, NotFound, Unavailable


class SnapshotNotFound(NotFound):
    """The id names no snapshot."""

    def __init__(self, snapshot_id: str) -> None:
        super().__init__(f"snapshot {snapshot_id} not found")


class SnapshotGolden(Conflict):
    """A golden snapshot is kept until somebody takes the mark away."""

    def __init__(self, snapshot_id: str) -> None:
        super().__init__(f"snapshot {snapshot_id} is golden", remedy="take the golden mark away first")


class ArchiveDamaged(Unavailable):
    """The values of a snapshot cannot be read, or are not those that were saved."""

    def __init__(self, name: str, why: str) -> None:
        message = f"the archive of {name} is damaged: {why}"
        super().__init__(message, remedy="bring the archive back from a copy of the bucket")


class UnknownFormat(Invalid):
    """There is no export in this format."""

    def __init__(self, wanted: str, known: tuple[str, ...]) -> None:
        super().__init__(f"unknown format {wanted!r}", remedy=f"use one of: {', '.join(known)}")
