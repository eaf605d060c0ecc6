"""What was just written and read back shows in the live table before anybody is told that it was written.

Otherwise a comparison or a snapshot that follows at once holds the old value, and calls it the present one.
"""

from __future__ import annotations

import asyncio
from typing import Protocol

import numpy as np
import numpy.typing as npt

from backend.src.config.settings import MonitorSettings
from backend.src.infra.epics.frame import Frame
from backend.src.services.live.same_readings import same_readings
from backend.src.services.live.table import LiveTable, Mask, Slots

LOOKS_PER_DRAIN = 5
PATIENT_DRAINS = 5  # of the leader, its word to the other processes, and a busy machine


class Monitor(Protocol):
    """The monitor, as far as it can be asked to hurry; both do nothing where it does not watch."""

    def drain_once(self) -> int:
        """Takes over what changed."""

    def ask_again(self, slots: Slots) -> None:
        """Subscribes anew."""


class ReadYourWrites:
    """Waits for the live table after a write."""

    def __init__(self, live: LiveTable, monitor: Monitor, settings: MonitorSettings) -> None:
        self._live = live
        self._monitor = monitor
        self._look_s = settings.drain_interval_s / LOOKS_PER_DRAIN

    async def settle(self, slots: npt.ArrayLike, seen: Frame) -> None:
        """Returns once the table has these readings or later ones; what it still has not after a while is in doubt.

        slots: int32[k], aligned with `seen`, which was read back after the write; -1 for what nobody watches. A
        channel may send no update, because its change is within MDEL: it is asked again.
        """
        behind = np.asarray(slots, np.int32)
        behind, seen = _of(seen.connected & (behind >= 0), behind, seen)
        for ask in (self._monitor.ask_again, self._live.suspect):
            behind, seen = await self._catch_up(behind, seen)
            if not len(behind) or not self._live.fresh():  # without a monitor everything is stale already
                return
            ask(behind)

    async def _catch_up(self, behind: Slots, seen: Frame) -> tuple[Slots, Frame]:
        for look in range(LOOKS_PER_DRAIN * PATIENT_DRAINS):
            if look:
                await asyncio.sleep(self._look_s)
            self._monitor.drain_once()
            behind, seen = _of(self._behind(behind, seen), behind, seen)
            if not len(behind) or not self._live.fresh():
                break
        return behind, seen

    def _behind(self, slots: Slots, seen: Frame) -> Mask:
        shown = self._live.frame(slots)
        # of one server's clock; writes of a field that is not processed do not move it
        later = shown.rows["time_ns"] > seen.rows["time_ns"]
        same = same_readings(shown, seen)
        self._live.confirm(slots[same], int(seen.rows["received_ns"].max(initial=0)))
        there: Mask = shown.connected  # who is away is stale by that
        return there & ~later & ~same


def _of(chosen: Mask, slots: Slots, seen: Frame) -> tuple[Slots, Frame]:
    return slots[chosen], seen.take(np.flatnonzero(chosen))
