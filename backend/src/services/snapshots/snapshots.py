"""Snapshots: taken, listed, read, marked and deleted. Comparison and history of one PV are in their own files."""

from __future__ import annotations

import asyncio
import logging
import secrets
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import numpy as np
import numpy.typing as npt
from sqlalchemy import Connection

from backend.src.core.clock import Clock
from backend.src.core.errors import Invalid, Unavailable
from backend.src.infra.epics.address import Protocol
from backend.src.infra.sql import SQL
from backend.src.services.catalog import Inventory
from backend.src.services.snapshots import archive, archive_doubts, cached_rows, snapshot_rows
from backend.src.services.snapshots.archive_store import ArchiveStore, Bucket, digest, key_of
from backend.src.services.snapshots.cached_rows import TABLES
from backend.src.services.snapshots.camera_folder import CameraEntry, CameraFile, CameraFolders, Photographer
from backend.src.services.snapshots.capture import Capture
from backend.src.services.snapshots.models import (
    CamerasTaken,
    Snapshot,
    SnapshotChanges,
    SnapshotContents,
    SnapshotDraft,
    SnapshotFilter,
    SnapshotPage,
    SnapshotRequest,
    selection_to_json,
)
from backend.src.services.snapshots.taking import CatalogColumns, Chosen, Inventories, LiveReadings, Reader, Taker

log = logging.getLogger(__name__)

Progress = Callable[[float, str], None]


@dataclass(frozen=True, slots=True)
class SnapshotOptions:
    """machine: what archives call it; cache_bytes: decoded archives that are kept in memory."""

    machine: str = ""
    read_timeout_s: float = 2.0
    cache_bytes: int = 268_435_456
    orphan_age_s: float = 3600.0
    default_protocol: Protocol = Protocol.CA


def _silent(percent: float, message: str) -> None:
    """Tells nobody."""


class Snapshots:
    """Values are in the bucket, all else in SQL. An archive is put before its row, and removed after it."""

    def __init__(
        self,
        sql: SQL,
        bucket: Bucket,
        catalog: Inventories,
        live: LiveReadings,
        epics: Reader,
        clock: Clock,
        options: SnapshotOptions,
        cameras: Photographer | None = None,
    ) -> None:
        self._sql = sql
        self._cameras = cameras
        self._folders = CameraFolders(bucket)
        self._archives = ArchiveStore(bucket, cache_bytes=options.cache_bytes)
        self._catalog = catalog
        self._clock = clock
        self._options = options
        self._taker = Taker(live, epics, clock, options.machine, options.read_timeout_s)
        self._columns: CatalogColumns | None = None

    async def start(self) -> None:
        """Removes the archives that a crash left without a snapshot."""
        alone = self._sql.dialect == "sqlite"  # then nobody else can be between putting an archive and its row
        await self.clean_up(older_than_s=0.0 if alone else self._options.orphan_age_s)

    async def stop(self) -> None:
        """Nothing runs by itself here."""

    async def ping(self) -> None:
        """It works when SQL and the bucket do, which are asked by themselves."""

    # ---- taking ----

    async def check(self, request: SnapshotRequest) -> int:
        """How many PVs it would hold. Raises Invalid for an empty selection, for unknown ids and cameras."""
        self._check_cameras(request.cameras)
        inventory = await self._catalog.inventory()
        return len(await asyncio.to_thread(inventory.select, request.selection))

    async def create(self, request: SnapshotRequest, actor: str | None, progress: Progress = _silent) -> Snapshot:
        """Takes a snapshot. Raises Invalid for an empty selection, for unknown ids and cameras, Unavailable."""
        self._check_cameras(request.cameras)
        progress(0, "choosing PVs")
        inventory = await self._catalog.inventory()
        rows = await asyncio.to_thread(inventory.select, request.selection)
        chosen = await asyncio.to_thread(self.columns(inventory).choose, rows)
        progress(5, f"reading {len(chosen.slots)} channels of {len(chosen.pvs)} PVs")
        capture = await self.take(chosen, request.draft.title, use_cache=request.use_cache)
        pictures = f"taking pictures with {len(request.cameras)} cameras, " if request.cameras else ""
        progress(60, f"{pictures}writing the archive")
        selection, cameras = selection_to_json(request.selection), request.cameras
        snapshot = await self.save(capture, chosen.slots, request.draft, actor, selection=selection, cameras=cameras)
        progress(100, f"saved {len(chosen.pvs)} PVs")
        return snapshot

    @property
    def camera_names(self) -> tuple[str, ...]:
        """The cameras that a snapshot may include."""
        return () if self._cameras is None else self._cameras.names

    def _check_cameras(self, names: Sequence[str]) -> None:
        unknown = [name for name in names if name not in self.camera_names]
        if unknown:
            raise Invalid(f"no camera {unknown[0]!r}", remedy="GET /v1/cameras lists them")

    def columns(self, inventory: Inventory) -> CatalogColumns:
        """The inventory as captures take it, kept for the next time."""
        if self._columns is None or self._columns.inventory is not inventory:
            self._columns = CatalogColumns(inventory)
        return self._columns

    async def take(self, chosen: Chosen, title: str, *, use_cache: bool) -> Capture:
        """The readings of these channels now: from the live table only while the monitor is alive, and had time to
        connect to them all."""
        live = self._taker.live
        if use_cache and live.fresh() and not live.expected(chosen.slots).any():
            return self._taker.from_live(chosen, title)
        return await self._taker.by_reading(chosen, title)

    async def take_best(self, chosen: Chosen, title: str) -> Capture:
        """From the live table while nothing of it is in doubt: it says itself who is away. Else by reading."""
        return await self.take(chosen, title, use_cache=not self._taker.live.doubted(chosen.slots).any())

    async def inventory(self) -> Inventory:
        """The catalogue now."""
        return await self._catalog.inventory()

    async def save(
        self,
        capture: Capture,
        slots: npt.ArrayLike,
        draft: SnapshotDraft,
        actor: str | None,
        *,
        selection: Mapping[str, Any] | None = None,
        cameras: Sequence[str] = (),
    ) -> Snapshot:
        """Keeps a capture: first what lies in the bucket, then the row that makes it known.

        slots: its channels, for searches.
        """
        snapshot_id = secrets.token_hex(8)
        archive_key = key_of(snapshot_id)
        await self._sql.write(lambda db: archive_doubts.begin(db, archive_key, self._clock.now()))
        taken = await self._photograph(snapshot_id, cameras)  # at once: they belong to the values of this moment
        content = await asyncio.to_thread(archive.write, capture)
        sha256 = await asyncio.to_thread(digest, content)
        snapshot = _describe(
            snapshot_id, capture, draft, actor, selection, cameras=taken, size_bytes=len(content), sha256=sha256
        )
        held, tags = np.asarray(slots, np.int64), capture.pvs.tag_ids()

        def add(connection: Connection) -> None:
            archive_doubts.settle(connection, archive_key)
            snapshot_rows.add(connection, snapshot, held, tags)

        await self._archives.put(archive_key, content)
        await self._sql.write(add, touches=TABLES)
        log.info("snapshot %s: %d PVs, %d bytes", snapshot.id, snapshot.pv_count, snapshot.size_bytes)
        return snapshot

    async def _photograph(self, snapshot_id: str, names: Sequence[str]) -> CamerasTaken | None:
        if not names or self._cameras is None:
            return None
        return await self._folders.put(snapshot_id, names, self._cameras)

    # ---- finding and reading ----

    async def get(self, snapshot_id: str) -> Snapshot:
        """Raises SnapshotNotFound."""
        query = cached_rows.row_query(snapshot_id)
        return cached_rows.snapshot_from(await self._sql.cached(query.kind, query.key, query.tables, query.load))

    async def page(
        self, narrowed: SnapshotFilter, *, after: tuple[datetime, str] | None = None, limit: int = 100
    ) -> SnapshotPage:
        """Newest first. Touches no archive. Raises Invalid for an impossible PV name."""
        default = self._options.default_protocol
        query = cached_rows.first_page_query(narrowed, default, limit) if after is None else None
        if query is not None:
            return cached_rows.page_from(await self._sql.cached(query.kind, query.key, query.tables, query.load))
        return await self._sql.read(lambda db: snapshot_rows.page(db, narrowed, default, after=after, limit=limit))

    async def contents(self, snapshot_id: str) -> SnapshotContents:
        """A snapshot with its values, verified. Raises SnapshotNotFound, ArchiveDamaged, Unavailable."""
        snapshot = await self.get(snapshot_id)
        return SnapshotContents(snapshot, await self.values(snapshot))

    async def values(self, snapshot: Snapshot) -> Capture:
        """What it holds, verified. Raises ArchiveDamaged, Unavailable."""
        return await self._archives.load(snapshot)

    async def archive(self, snapshot: Snapshot) -> bytes:
        """Its Parquet file, verified. Raises ArchiveDamaged, Unavailable."""
        return await self._archives.fetch(snapshot)

    async def channel(self, snapshot: Snapshot, address: str) -> Capture:
        """What a snapshot has of one channel. Raises ArchiveDamaged, Unavailable."""
        return await self._archives.load_channel(snapshot, address)

    async def cameras(self, snapshot_id: str) -> list[CameraEntry]:
        """What cameras contributed. Raises SnapshotNotFound, ArchiveDamaged, Unavailable."""
        return await self._folders.entries(await self.get(snapshot_id))

    async def camera_file(self, snapshot: Snapshot, camera: str, kind: str) -> CameraFile:
        """A picture: STILL or PREVIEW. Raises NoPicture, ArchiveDamaged, Unavailable."""
        return await self._folders.file(snapshot, camera, kind)

    async def camera_content(self, snapshot: Snapshot, file: CameraFile) -> bytes:
        """The picture itself. Raises ArchiveDamaged, Unavailable."""
        return await self._folders.content(snapshot, file)

    # ---- changing ----

    async def update(self, snapshot_id: str, changes: SnapshotChanges) -> Snapshot:
        """Changes what is said of it; never its values. Raises SnapshotNotFound."""
        return await self._sql.write(lambda db: snapshot_rows.change(db, snapshot_id, changes), touches=TABLES)

    async def delete(self, snapshot_id: str, *, only_if: Callable[[Connection], bool] | None = None) -> bool:
        """False when `only_if`, asked in the same transaction, says no. Raises SnapshotNotFound, SnapshotGolden."""

        def remove(connection: Connection) -> str | None:
            if only_if is not None and not only_if(connection):
                return None
            key = snapshot_rows.remove(connection, snapshot_id)
            archive_doubts.give_up(connection, key, self._clock.now())
            return key

        key = await self._sql.write(remove, touches=TABLES)
        if key is None:
            return False
        try:
            await self._remove_archive(key)
        except Unavailable as away:  # nobody can see it any more: the cleaner has time
            log.warning("the archive of deleted snapshot %s stays for now: %s", snapshot_id, away)
        return True

    async def _remove_archive(self, key: str) -> None:
        await self._archives.discard(key)
        await self._sql.write(lambda db: archive_doubts.forget(db, key))

    # ---- cleaning ----

    async def clean_up(self, *, older_than_s: float | None = None) -> int:
        """Removes the archives whose snapshots were never added, or were removed; returns how many.

        Younger ones may belong to a snapshot that is just being made.
        """
        age_s = self._options.orphan_age_s if older_than_s is None else older_than_s
        moment = self._clock.now() - timedelta(seconds=age_s)
        orphans = await self._sql.write(lambda db: archive_doubts.given_up_before(db, moment))
        for key in orphans:
            await self._remove_archive(key)
        if orphans:
            log.warning("removed %d archives without a snapshot", len(orphans))
        return len(orphans)


def _describe(
    snapshot_id: str,
    capture: Capture,
    draft: SnapshotDraft,
    actor: str | None,
    selection: Mapping[str, Any] | None,
    *,
    cameras: CamerasTaken | None,
    size_bytes: int,
    sha256: str,
) -> Snapshot:
    return Snapshot(
        id=snapshot_id,
        title=draft.title,
        description=draft.description,
        labels=draft.labels,
        golden=False,
        source=capture.header.source.label,
        created_at=capture.header.created_at,
        created_by=actor,
        selection=selection,
        pv_count=len(capture.pvs),
        counts=capture.counts,
        archive_key=key_of(snapshot_id),
        cameras=cameras,
        size_bytes=size_bytes,
        sha256=sha256,
    )
