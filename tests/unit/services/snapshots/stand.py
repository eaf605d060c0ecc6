"""Snapshots over a real SQLite, a real folder and a real live table; the machine alone is made up."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from sqlalchemy import insert

from backend.src.config.settings import BucketSettings, SqlSettings
from backend.src.core.supervisor import Supervisor
from backend.src.infra.bucket import Bucket
from backend.src.infra.epics.address import PvAddress
from backend.src.infra.epics.frame import Frame, empty_frame
from backend.src.infra.epics.outcomes import Changes
from backend.src.infra.sql import SQL
from backend.src.infra.sql.tables import channels
from backend.src.services.catalog import Inventory, Selection
from backend.src.services.live.table import CONNECT_S, LiveTable
from backend.src.services.snapshots import SnapshotDraft, SnapshotOptions, SnapshotRequest, Snapshots
from tests.manual_clock import ManualClock
from tests.migrated import migrated
from tests.unit.services.catalogue import FixedCatalog, inventory_of
from tests.unit.services.snapshots.captures import NEVER, Channel, fill, frame_of


class Machine:
    """What a forced read finds. Counts the reads."""

    def __init__(self) -> None:
        self.channels: dict[str, Channel] = {}
        self.reads: list[list[str]] = []

    async def read(self, addresses: Sequence[PvAddress], *, timeout_s: float) -> Frame:
        self.reads.append([str(address) for address in addresses])
        return frame_of([self.channels.get(str(address), NEVER) for address in addresses])


@dataclass
class Stand:
    """All that a test of snapshots touches."""

    sql: SQL
    bucket: Bucket
    catalog: FixedCatalog
    live: LiveTable
    machine: Any
    clock: ManualClock
    supervisor: Supervisor
    snapshots: Snapshots
    folder: Path

    @property
    def archives(self) -> list[Path]:
        """Every archive on disk."""
        return sorted((self.folder / "archives" / "snapshots").glob("*.parquet"))

    def show(self, slot: int, channel: Channel) -> None:
        """The monitor brings a value."""
        frame = empty_frame(1)
        fill(frame, 0, channel)
        slots = np.array([slot], np.int32)
        objects = {slot: frame.objects[0]} if frame.objects else {}
        self.live.apply(Changes(slots, frame.rows, objects, slots, frame.meta, frame.interned))

    async def take(self, title: str = "a snapshot", *, use_cache: bool = True, **selection: Any) -> Any:
        """One snapshot, of everything unless told otherwise."""
        chosen = Selection(**selection) if selection else Selection(everything=True)
        request = SnapshotRequest(SnapshotDraft(title), chosen, use_cache=use_cache)
        return await self.snapshots.create(request, "somebody")


@contextlib.asynccontextmanager
async def stand_of(folder: Path, inventory: Inventory, machine: Any = None) -> AsyncIterator[Stand]:
    """Everything started, the monitor alive, the channels known to SQL."""
    clock, supervisor, machine = ManualClock(), Supervisor(), machine or Machine()
    sql = SQL.build(SqlSettings(), await migrated(folder), None)
    bucket = Bucket.build(BucketSettings(), folder)
    catalog, live = FixedCatalog(inventory), LiveTable(clock, stale_after_s=3.0)
    snapshots = Snapshots(sql, bucket, catalog, live, machine, clock, SnapshotOptions(machine="test"))
    await sql.start()
    await bucket.start()
    await _know_channels(sql, inventory.address_of)
    await snapshots.start()
    live.track(list(inventory.address_of))
    clock.advance(CONNECT_S)  # who has not connected by then is away
    live.beat()
    try:
        yield Stand(sql, bucket, catalog, live, machine, clock, supervisor, snapshots, folder)
    finally:
        await snapshots.stop()
        await supervisor.stop()
        await bucket.stop()
        await sql.stop()


async def _know_channels(sql: SQL, addresses: Mapping[int, PvAddress]) -> None:
    rows = [{"id": slot, "address": str(address)} for slot, address in addresses.items()]
    if rows:
        await sql.write(lambda db: db.execute(insert(channels), rows))


def catalogue(*names: str, **more: Any) -> Inventory:
    return inventory_of(*names, **more)
