"""From the names that people write to slots: any spelling of an address that a PV of the catalogue uses."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Protocol

import numpy as np

from backend.src.core.errors import Invalid
from backend.src.infra.epics.address import PvAddress
from backend.src.services.catalog.inventory import Inventory
from backend.src.services.live.table import Slots


class Inventories(Protocol):
    """The catalogue, as far as the live services need it."""

    async def inventory(self) -> Inventory:
        """The catalogue's present version."""


@dataclass(frozen=True, slots=True)
class Named:
    """names: as they were written, each once; slots: int32[n], aligned; unknown: names of no PV."""

    names: list[str]
    slots: Slots
    unknown: list[str]


class LiveNames:
    """Looks names up in one version of the catalogue after another."""

    def __init__(self) -> None:
        self._version = -1
        self._short: dict[str, int] = {}

    def find(self, inventory: Inventory, names: Iterable[str]) -> Named:
        """The slots of these names. What is no address at all counts as unknown."""
        short = self._short_names(inventory)
        known: dict[str, int] = {}
        unknown: dict[str, None] = {}
        for name in names:
            slot = short.get(name)
            if slot is None:
                slot = self._by_spelling(inventory, name)
            if slot is None:
                unknown[name] = None
            else:
                known[name] = slot
        return Named(list(known), np.fromiter(known.values(), np.int32, len(known)), list(unknown))

    def everything(self, inventory: Inventory) -> Named:
        """Every channel that some PV uses, under its short name, in slot order."""
        short = self._short_names(inventory)
        return Named(list(short), np.fromiter(short.values(), np.int32, len(short)), [])

    def _short_names(self, inventory: Inventory) -> dict[str, int]:
        if inventory.version != self._version:
            protocol, addresses = inventory.default_protocol, inventory.address_of
            self._short = {addresses[slot].short(protocol): slot for slot in inventory.used_slots.tolist()}
            self._version = inventory.version
        return self._short

    def _by_spelling(self, inventory: Inventory, name: str) -> int | None:
        try:
            address = PvAddress.parse(name, inventory.default_protocol)
        except Invalid:
            return None
        # not slot_of: that knows channels which no PV uses any more, and nobody watches those
        return self._short.get(address.short(inventory.default_protocol))
