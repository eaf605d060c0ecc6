"""Which channels a selection means, and their readings: from the live table, or from the channels themselves."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import cached_property
from typing import Protocol

import numpy as np
import numpy.typing as npt

from backend.src.core.clock import Clock
from backend.src.infra.epics.address import PvAddress
from backend.src.infra.epics.frame import Flag, Frame, ValueType, empty_frame
from backend.src.services.catalog import NO_SLOT, Inventory
from backend.src.services.catalog.models import TagRef
from backend.src.services.snapshots.capture import (
    Bytes,
    Capture,
    Header,
    Ints,
    Mask,
    PvColumns,
    Source,
    pick,
)


class LiveReadings(Protocol):
    """The live table, as far as snapshots need it; on the event loop only."""

    def frame(self, slots: npt.ArrayLike) -> Frame:
        """A copy of these channels' latest readings."""

    def stale(self, slots: npt.ArrayLike) -> Mask:
        """Which of them nobody vouches for."""

    def fresh(self) -> bool:
        """Whether the monitor is alive."""

    def doubted(self, slots: npt.ArrayLike) -> Mask:
        """Which of them are known to be otherwise."""

    def expected(self, slots: npt.ArrayLike) -> Mask:
        """Which of them may only not be connected yet."""


class Inventories(Protocol):
    """The catalogue, as far as snapshots need it."""

    async def inventory(self) -> Inventory:
        """The present version of all PVs. Raises Unavailable."""


class Reader(Protocol):
    """infra/epics, as far as snapshots need it."""

    async def read(self, addresses: Sequence[PvAddress], *, timeout_s: float) -> Frame:
        """A reading of each channel; those that do not answer within the time are not connected."""


@dataclass(frozen=True, slots=True)
class Chosen:
    """The PVs of a selection and their m channels, in the order of a capture. slots: int32[m]."""

    pvs: PvColumns
    pv_row: Ints
    roles: Bytes
    slots: npt.NDArray[np.int32]
    addresses: list[str]
    parsed: list[PvAddress]


@dataclass(frozen=True)
class CatalogColumns:
    """An inventory in the form that captures take; kept as long as the inventory is the present one."""

    inventory: Inventory

    @cached_property
    def pvs(self) -> PvColumns:
        """All PVs. Equal sets of tags are one tuple: archives then build each only once."""
        known = self.inventory
        shared: dict[tuple[int, ...], tuple[TagRef, ...]] = {}
        return PvColumns(
            ids=known.pv_ids,
            names=known.names,
            devices=known.devices,
            descriptions=known.descriptions,
            abs_tolerance=known.abs_tolerance,
            rel_tolerance=known.rel_tolerance,
            read_only=known.read_only,
            tags=[shared.setdefault(tuple([ref.id for ref in refs]), refs) for refs in known.tags],
        )

    @cached_property
    def slots(self) -> npt.NDArray[np.int32]:
        """int32[n, 3]: setpoint, readback and config of each PV, -1 for none."""
        return np.stack((self.inventory.setpoint, self.inventory.readback, self.inventory.config), axis=1)

    @cached_property
    def addresses(self) -> dict[int, str]:
        """Full addresses by slot."""
        return {slot: str(address) for slot, address in self.inventory.address_of.items()}

    def choose(self, rows: Ints) -> Chosen:
        """The PVs in these rows of the inventory; ascending, which is name order."""
        matrix = self.slots[rows]
        pv_row, roles = np.nonzero(matrix != NO_SLOT)
        slots = matrix[pv_row, roles]
        numbers = slots.tolist()
        return Chosen(
            pvs=self.pvs if len(rows) == len(self.pvs) else self.pvs.take(rows),
            pv_row=pv_row,
            roles=roles.astype(np.uint8),
            slots=slots,
            addresses=[self.addresses[slot] for slot in numbers],
            parsed=[self.inventory.address_of[slot] for slot in numbers],
        )


@dataclass(frozen=True, slots=True)
class Taker:
    """Takes captures."""

    live: LiveReadings
    reader: Reader
    clock: Clock
    machine: str
    read_timeout_s: float

    def from_live(self, chosen: Chosen, title: str) -> Capture:
        """The latest readings, each marked stale that nobody vouches for."""
        frame = _without_lost_values(self.live.frame(chosen.slots))
        return self._capture(chosen, title, Source.LIVE, frame, self.live.stale(chosen.slots))

    async def by_reading(self, chosen: Chosen, title: str) -> Capture:
        """Reads every channel, each once however many PVs share it; all that do not answer cost one time-out."""
        _, first, where = np.unique(chosen.slots, return_index=True, return_inverse=True)
        addresses = pick(chosen.parsed, first)
        frame = await self.reader.read(addresses, timeout_s=self.read_timeout_s) if addresses else empty_frame(0)
        frame = _without_lost_values(frame.take(where.astype(np.int64)))
        return self._capture(chosen, title, Source.READ, frame, np.zeros(len(frame), np.bool_))

    def _capture(self, chosen: Chosen, title: str, source: Source, frame: Frame, stale: Mask) -> Capture:
        created_at, created_ns = self._moment()
        return Capture(
            header=Header(title, created_at, created_ns, source, self.machine),
            pvs=chosen.pvs,
            pv_row=chosen.pv_row,
            roles=chosen.roles,
            addresses=chosen.addresses,
            sources=np.full(len(frame), source, np.uint8),
            stale=stale,
            frame=frame,
        )

    def _moment(self) -> tuple[datetime, int]:
        return self.clock.now(), self.clock.time_ns()


def _without_lost_values(frame: Frame) -> Frame:
    """A text or an array whose content is gone was never seen: better than a zero."""
    held = np.flatnonzero(frame.rows["flags"] & Flag.OBJECT)
    gone = [row for row in held.tolist() if frame.objects.get(row) is None]
    frame.rows["type"][gone] = ValueType.NONE
    frame.rows["flags"][gone] &= ~np.uint8(Flag.OBJECT | Flag.ARRAY | Flag.CONNECTED)
    return frame
