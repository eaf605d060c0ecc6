"""A machine of doubles without EPICS, as far as the monitor and the watchdog know it."""

from __future__ import annotations

from collections.abc import Sequence

from backend.src.infra.epics.address import PvAddress
from backend.src.infra.epics.frame import Frame, Interned, empty_frame, empty_meta, empty_rows
from backend.src.infra.epics.outcomes import Changes
from tests.unit.services.readings import batch


class FakeMachine:
    """`values` is the truth by name; `tell` makes the monitor hear of it."""

    def __init__(self, values: dict[str, float]) -> None:
        self.values = values
        self.silent: set[str] = set()
        self.watched: dict[int, PvAddress] = {}
        self.told: dict[int, float] = {}
        self.resubscribed: list[int] = []
        self.reads: list[tuple[str, ...]] = []

    def monitor(self, add: Sequence[tuple[int, PvAddress]], remove: Sequence[int]) -> None:
        for slot in remove:
            del self.watched[slot]
        self.watched.update(add)
        self.tell(*[slot for slot, _ in add])

    def tell(self, *slots: int) -> None:
        """The monitor will hear these channels' present values."""
        for slot in slots:
            name = self.watched[slot].name
            if name in self.values:
                self.told[slot] = self.values[name]

    def drain(self) -> Changes:
        told, self.told = self.told, {}
        return batch(told)

    def resubscribe(self, slots: Sequence[int]) -> None:
        self.resubscribed += slots
        self.tell(*slots)

    async def read(self, addresses: Sequence[PvAddress], *, timeout_s: float) -> Frame:
        self.reads.append(tuple(address.name for address in addresses))
        frame = empty_frame(len(addresses))
        rows = empty_rows(len(addresses))
        for row, address in enumerate(addresses):
            if address.name in self.values and address.name not in self.silent:
                rows[row] = batch({0: self.values[address.name]}).rows[0]
        return Frame(rows, empty_meta(len(rows)), frame.objects, Interned())
