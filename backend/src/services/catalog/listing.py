"""Parts of the catalogue in name order: pages and searches over the inventory."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Collection, Mapping

import numpy as np

from backend.src.services.catalog.inventory import Ints, Inventory
from backend.src.services.catalog.models import Page


def page(
    inventory: Inventory,
    *,
    text: str | None = None,
    tag_filters: Mapping[int, tuple[int, ...]] | None = None,
    size: int,
    after: tuple[str, int] | None = None,
) -> Page:
    """The next `size` PVs after a name and id. Raises Invalid for unknown tags."""
    chosen = np.ones(len(inventory), np.bool_)
    if text:
        chosen &= inventory.containing(text)
    if tag_filters:
        chosen &= inventory.with_tags(tag_filters)
    rows: Ints = np.flatnonzero(chosen)
    start = 0 if after is None else int(np.searchsorted(rows, _row_after(inventory, after)))
    return _page(inventory, rows, start, size)


def search(
    inventory: Inventory,
    *,
    text: str | None = None,
    devices: Collection[str] = (),
    tag_ids: Collection[int] = (),
    limit: int,
    offset: int = 0,
) -> Page:
    """PVs that hold the text, of one of the devices, with any of the tags; each criterion only when given."""
    chosen = np.ones(len(inventory), np.bool_)
    if text:
        chosen &= inventory.containing(text)
    if devices:
        wanted = frozenset(devices)
        chosen &= np.fromiter((device in wanted for device in inventory.devices), np.bool_, len(inventory))
    if tag_ids:
        chosen &= inventory.with_any_tag(tag_ids)
    return _page(inventory, np.flatnonzero(chosen), offset, limit)


def _row_after(inventory: Inventory, key: tuple[str, int]) -> int:
    """The first row that sorts after a name and id, whether or not that PV still exists."""
    name, pv_id = key
    row = bisect_left(inventory.names, name)
    while row < len(inventory) and (inventory.names[row], int(inventory.pv_ids[row])) <= (name, pv_id):
        row += 1
    return row


def _page(inventory: Inventory, rows: Ints, start: int, size: int) -> Page:
    part = rows[start : start + size].tolist()
    more = start + size < len(rows)
    last = (inventory.names[part[-1]], int(inventory.pv_ids[part[-1]])) if more and part else None
    return Page(tuple(inventory.pv(row) for row in part), len(rows), last)
