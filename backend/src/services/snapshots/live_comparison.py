"""A snapshot beside another one, or beside the machine as it is now."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass

import numpy as np

from backend.src.services.catalog import Inventory
from backend.src.services.snapshots.capture import Capture, Ints, PvColumns
from backend.src.services.snapshots.comparison import Comparison, compare
from backend.src.services.snapshots.snapshots import Snapshots

LIVE = "live"


@dataclass(frozen=True, slots=True)
class Compared:
    """Two captures and how they differ. second_id: a snapshot's, or "live"."""

    first_id: str
    second_id: str
    first: Capture
    second: Capture
    comparison: Comparison


class Comparisons:
    """Compares snapshots, off the event loop."""

    def __init__(self, snapshots: Snapshots) -> None:
        self._snapshots = snapshots

    async def compare(self, first_id: str, second_id: str, tolerance: float | None = None) -> Compared:
        """second_id: a snapshot's, or "live" for the machine. Raises SnapshotNotFound, ArchiveDamaged, Unavailable."""
        first = (await self._snapshots.contents(first_id)).capture
        if second_id == LIVE:
            second = await self.machine_now(first.pvs)
        else:
            second = (await self._snapshots.contents(second_id)).capture
        comparison = await asyncio.to_thread(compare, first, second, tolerance)
        return Compared(first_id, second_id, first, second, comparison)

    async def machine_now(self, pvs: PvColumns) -> Capture:
        """The present readings of these PVs, as far as the catalogue still has them."""
        inventory = await self._snapshots.inventory()
        columns = self._snapshots.columns(inventory)
        chosen = await asyncio.to_thread(lambda: columns.choose(rows_of(inventory, pvs)))
        return await self._snapshots.take_best(chosen, LIVE)


def rows_of(inventory: Inventory, pvs: PvColumns) -> Ints:
    """The rows of these PVs in the catalogue: by id, else (imported anew since) by name; ascending."""
    present = np.isin(inventory.pv_ids, pvs.ids)
    gone = ~np.isin(pvs.ids, inventory.pv_ids)
    if gone.any():
        names = {pvs.names[row] for row in np.flatnonzero(gone).tolist()}
        present |= np.fromiter((name in names for name in inventory.names), np.bool_, len(inventory))
    return np.flatnonzero(present)
