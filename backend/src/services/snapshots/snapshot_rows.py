"""Snapshots in SQL. A list reads rows alone: never an archive."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict
from datetime import datetime
from typing import Any

import numpy.typing as npt
from sqlalchemy import ColumnElement, Connection, and_, delete, exists, insert, or_, select, update

from backend.src.core.errors import Invalid
from backend.src.infra.epics.address import Protocol, PvAddress
from backend.src.infra.sql.tables import channels, snapshot_labels, snapshot_tags, snapshots
from backend.src.services.snapshots import slot_set
from backend.src.services.snapshots.capture import Counts
from backend.src.services.snapshots.errors import SnapshotGolden, SnapshotNotFound
from backend.src.services.snapshots.models import (
    CamerasTaken,
    Snapshot,
    SnapshotChanges,
    SnapshotFilter,
    SnapshotPage,
)

After = tuple[datetime, str]

_SUMMARY = tuple(column for column in snapshots.c if column is not snapshots.c.pv_set)
_SCANNED_AT_ONCE = 200
MOST_STARS = 5  # each multiplies what a matcher may have to try
_COUNTS = ("captured", "stale", "disconnected", "alarm")


def add(connection: Connection, snapshot: Snapshot, slots: npt.ArrayLike, tag_ids: Sequence[int]) -> None:
    """Makes the snapshot known; its archive must be there already."""
    row = {name: getattr(snapshot, name) for name in _PLAIN}
    counts = {name: getattr(snapshot.counts, name) for name in _COUNTS}
    row |= {**counts, "labels": list(snapshot.labels), "pv_set": slot_set.pack(slots)}
    row["cameras"] = None if snapshot.cameras is None else asdict(snapshot.cameras)
    connection.execute(insert(snapshots).values(row))
    _set_labels(connection, snapshot.id, snapshot.labels)
    if tag_ids:
        rows = [{"snapshot_id": snapshot.id, "tag_id": tag_id} for tag_id in tag_ids]
        connection.execute(insert(snapshot_tags), rows)


_PLAIN = (
    "id", "title", "description", "golden", "source", "created_at", "created_by", "selection", "pv_count",
    "archive_key", "size_bytes", "sha256",
)  # fmt: skip


def get(connection: Connection, snapshot_id: str) -> Snapshot:
    """Raises SnapshotNotFound."""
    row = connection.execute(select(*_SUMMARY).where(snapshots.c.id == snapshot_id)).mappings().first()
    if row is None:
        raise SnapshotNotFound(snapshot_id)
    return _snapshot(row)


def _snapshot(row: Mapping[Any, Any]) -> Snapshot:
    counts = Counts(**{name: row[name] for name in _COUNTS})
    cameras = None if row["cameras"] is None else CamerasTaken(**row["cameras"])
    plain = {name: row[name] for name in _PLAIN}
    return Snapshot(**plain, labels=tuple(row["labels"]), counts=counts, cameras=cameras)


def change(connection: Connection, snapshot_id: str, changes: SnapshotChanges) -> Snapshot:
    """Raises SnapshotNotFound."""
    get(connection, snapshot_id)
    values: dict[str, Any] = dict(changes)
    if "labels" in changes:
        values["labels"] = list(changes["labels"])
        connection.execute(delete(snapshot_labels).where(snapshot_labels.c.snapshot_id == snapshot_id))
        _set_labels(connection, snapshot_id, changes["labels"])
    if values:
        connection.execute(update(snapshots).where(snapshots.c.id == snapshot_id).values(values))
    return get(connection, snapshot_id)


def _set_labels(connection: Connection, snapshot_id: str, labels: Sequence[str]) -> None:
    if labels:
        rows = [{"snapshot_id": snapshot_id, "label": label} for label in labels]
        connection.execute(insert(snapshot_labels), rows)


def remove(connection: Connection, snapshot_id: str) -> str:
    """Forgets the snapshot; returns the key of its archive. Raises SnapshotNotFound, SnapshotGolden."""
    found = get(connection, snapshot_id)
    # the condition again: somebody may have made it golden since it was read
    gone = delete(snapshots).where(snapshots.c.id == snapshot_id, snapshots.c.golden.is_(False))
    if not connection.execute(gone).rowcount:
        raise SnapshotGolden(snapshot_id)
    return found.archive_key


def page(
    connection: Connection, narrowed: SnapshotFilter, default: Protocol, *, after: After | None, limit: int
) -> SnapshotPage:
    """Newest first, those after the one with this creation time and id. Raises Invalid for an impossible PV name."""
    if narrowed.contains_pv is None:
        found = _rows(connection, narrowed, after, limit + 1)
    else:
        slots = slots_of(connection, narrowed.contains_pv, default)
        found = _rows_with(connection, narrowed, slots, after, limit + 1) if slots else []
    more = len(found) > limit
    kept = tuple(found[:limit])
    return SnapshotPage(kept, (kept[-1].created_at, kept[-1].id) if more else None)


def _rows(connection: Connection, narrowed: SnapshotFilter, after: After | None, limit: int) -> list[Snapshot]:
    query = select(*_SUMMARY).where(*_conditions(narrowed, after)).order_by(*_NEWEST_FIRST).limit(limit)
    return [_snapshot(row) for row in connection.execute(query).mappings()]


def _rows_with(
    connection: Connection, narrowed: SnapshotFilter, slots: Sequence[int], after: After | None, limit: int
) -> list[Snapshot]:
    found: list[str] = []
    for snapshot_id in _ids_with(connection, narrowed, slots, after):
        found.append(snapshot_id)
        if len(found) == limit:
            break
    query = select(*_SUMMARY).where(snapshots.c.id.in_(found)).order_by(*_NEWEST_FIRST)
    return [_snapshot(row) for row in connection.execute(query).mappings()]


def _ids_with(
    connection: Connection, narrowed: SnapshotFilter, slots: Sequence[int], after: After | None
) -> Iterator[str]:
    """Looks into the sets, some rows at a time."""
    columns = (snapshots.c.created_at, snapshots.c.id, snapshots.c.pv_set)
    while True:
        query = select(*columns).where(*_conditions(narrowed, after)).order_by(*_NEWEST_FIRST)
        rows = connection.execute(query.limit(_SCANNED_AT_ONCE)).all()
        yield from (row.id for row in rows if row.pv_set and slot_set.holds_any(row.pv_set, slots))
        if len(rows) < _SCANNED_AT_ONCE:
            return
        after = (rows[-1].created_at, rows[-1].id)


_NEWEST_FIRST = (snapshots.c.created_at.desc(), snapshots.c.id.desc())


def _conditions(narrowed: SnapshotFilter, after: After | None) -> Iterator[ColumnElement[bool]]:
    if narrowed.title:
        yield snapshots.c.title.icontains(narrowed.title, autoescape=True)
    if narrowed.golden is not None:
        yield snapshots.c.golden.is_(narrowed.golden)
    if narrowed.created_by is not None:
        yield snapshots.c.created_by == narrowed.created_by
    if narrowed.since is not None:
        yield snapshots.c.created_at >= narrowed.since
    if narrowed.until is not None:
        yield snapshots.c.created_at <= narrowed.until
    if narrowed.label is not None:
        labelled = and_(snapshot_labels.c.snapshot_id == snapshots.c.id, snapshot_labels.c.label == narrowed.label)
        yield exists().where(labelled)
    if narrowed.tag_ids:
        tagged = and_(snapshot_tags.c.snapshot_id == snapshots.c.id, snapshot_tags.c.tag_id.in_(narrowed.tag_ids))
        yield exists().where(tagged)
    if after is not None:
        at, snapshot_id = after
        older = and_(snapshots.c.created_at == at, snapshots.c.id < snapshot_id)
        yield or_(snapshots.c.created_at < at, older)


def slots_of(connection: Connection, name: str, default: Protocol) -> list[int]:
    """The channels of an address or of a glob of one. Raises Invalid for what can be no address."""
    address = PvAddress.parse(name, default)
    if not re.search(r"[*?]", name):
        return list(connection.scalars(select(channels.c.id).where(channels.c.address == str(address))))
    matches = _matcher(str(address))
    likely = select(channels.c.id, channels.c.address).where(channels.c.address.like(_like(str(address)), escape="\\"))
    # again, exactly: SQLite's LIKE takes a for A
    return [row.id for row in connection.execute(likely) if matches(row.address)]


def _matcher(glob: str) -> Callable[[str], object]:
    parts = {"*": ".*", "?": "."}
    return re.compile("".join(parts.get(char, re.escape(char)) for char in glob)).fullmatch


def _like(glob: str) -> str:
    if glob.count("*") > MOST_STARS:
        raise Invalid(f"a pattern may hold at most {MOST_STARS} *")
    literal = re.sub(r"([\\%_])", r"\\\1", glob)
    return literal.replace("*", "%").replace("?", "_")
