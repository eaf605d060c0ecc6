"""Snapshots that nobody asked for."""

from __future__ import annotations

from pathlib import Path

from backend.src.services.live.table import CONNECT_S
from backend.src.services.snapshots import SCHEDULED, ScheduledSnapshots, SnapshotFilter
from tests.unit.services.snapshots.stand import Stand, catalogue, stand_of


async def taken(stand: Stand) -> str:
    return await ScheduledSnapshots(stand.snapshots, stand.clock).run()


async def test_a_scheduled_snapshot_says_so_and_when(tmp_path: Path) -> None:
    async with stand_of(tmp_path, catalogue("A:SP", "B:SP")) as stand:
        stand.clock.advance(3723 - CONNECT_S)  # the stand has let that pass
        stand.live.beat()
        told = await taken(stand)
        (found,) = (await stand.snapshots.page(SnapshotFilter(label=SCHEDULED))).snapshots
    assert (found.title, found.created_by, found.labels) == (
        "Scheduled 2026-01-01 01:02:03 UTC",
        "cron",
        ("scheduled",),
    )
    assert (found.pv_count, found.source, stand.machine.reads) == (2, "live", [])
    assert told == f"snapshot {found.id}: 0 of 2 PVs captured"


async def test_an_empty_catalogue_is_nothing_to_do(tmp_path: Path) -> None:
    async with stand_of(tmp_path, catalogue()) as stand:
        assert await taken(stand) == ""
