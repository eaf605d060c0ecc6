"""A catalogue without a database: one PV a setpoint, slots counted from 1."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from backend.src.infra.epics.address import PvAddress
from backend.src.services.catalog import Inventory


def inventory_of(
    *addresses: str, version: int = 1, unused: Sequence[str] = (), read_only: Sequence[str] = ()
) -> Inventory:
    """PVs with these setpoint addresses, and channels that no PV uses any more."""
    parsed = [PvAddress.parse(text) for text in (*addresses, *unused)]
    n = len(addresses)
    none = np.full(n, -1, np.int32)
    return Inventory(
        version=version,
        pv_ids=np.arange(1, n + 1),
        names=[address.short() for address in parsed[:n]],
        setpoint=np.arange(1, n + 1, dtype=np.int32),
        readback=none,
        config=none,
        devices=[None] * n,
        descriptions=[None] * n,
        abs_tolerance=np.zeros(n),
        rel_tolerance=np.zeros(n),
        read_only=np.array([address in read_only for address in addresses], np.bool_),
        tags=[()] * n,
        address_of=dict(enumerate(parsed, 1)),
        slot_of={address: slot for slot, address in enumerate(parsed, 1)},
    )


class FixedCatalog:
    """Catalog, as far as the live services know it."""

    def __init__(self, inventory: Inventory) -> None:
        self.current = inventory

    async def inventory(self) -> Inventory:
        """The present version."""
        return self.current
