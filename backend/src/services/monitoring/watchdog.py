"""Audits the live table: reads every channel directly and compares.

A channel that is quiet is not in doubt: what counts is whether its value is the machine's, not when it last
changed. Only Channel Access and PVAccess themselves say who is connected.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np

from backend.src.config.settings import Settings
from backend.src.core.clock import Clock
from backend.src.infra.epics.address import PvAddress
from backend.src.infra.epics.frame import Frame
from backend.src.services.live.names import Inventories
from backend.src.services.live.same_readings import same_readings
from backend.src.services.live.table import LiveTable, Mask, Slots
from backend.src.services.monitoring.leadership import Leadership

log = logging.getLogger(__name__)

DRAINS_TO_SETTLE = 5  # between two looks: an update under way reaches the table within one drain


class Machine(Protocol):
    """infra.epics, as far as the watchdog needs it."""

    async def read(self, addresses: Sequence[PvAddress], *, timeout_s: float) -> Frame: ...
    def resubscribe(self, slots: Sequence[int]) -> None: ...


@dataclass(frozen=True, slots=True)
class Audit:
    """What one look at all channels found.

    confirmed: read back equal. moving: changed while being read, so alive. differing: not equal in two reads, with
    no update between; they were resubscribed. unanswered: connected, but not to be read, twice. absent: not there
    for the monitor nor for the read.
    """

    at_ns: int
    duration_s: float
    checked: int
    confirmed: int
    moving: int
    differing: int
    unanswered: int
    absent: int


@dataclass(frozen=True, slots=True)
class _Look:
    """Some channels, read and compared; the masks are bool[n] and disjoint."""

    slots: Slots
    confirmed: Mask
    moving: Mask
    differing: Mask
    unanswered: Mask

    @property
    def doubtful(self) -> Slots:
        slots: Slots = self.slots[self.differing | self.unanswered]
        return slots


def _never() -> bool:
    return False


class Watchdog:
    """Keeps the live table honest: as a cron where the monitor leads, and on demand. comes: whether the cron does."""

    def __init__(
        self,
        epics: Machine,
        live: LiveTable,
        catalog: Inventories,
        leadership: Leadership,
        clock: Clock,
        settings: Settings,
        *,
        comes: Callable[[], bool] = _never,
    ) -> None:
        self._epics = epics
        self._live = live
        self._catalog = catalog
        self._leadership = leadership
        self._clock = clock
        self._comes = comes
        self._settle_s = settings.monitor.drain_interval_s * DRAINS_TO_SETTLE
        self._timeout_s = settings.epics.read_timeout_s
        self._one_at_a_time = asyncio.Lock()
        self.last: Audit | None = None
        self.checks = 0
        self.resubscribed = 0

    @property
    def running(self) -> bool:
        """Whether it looks by itself."""
        return self._comes()

    def may_run(self) -> bool:
        """Whether this process's table is one to audit.

        A copy is the leader's to audit, and without a monitor every value is stale already.
        """
        return self._leadership.watching and self._live.fresh()

    async def run(self) -> str:
        """Looks once; one line of result, "" when every value is the machine's."""
        found = await self.check_once()
        if not found.differing and not found.unanswered:
            return ""
        return f"{found.differing} of {found.checked} values differed, {found.unanswered} did not answer"

    async def check_once(self) -> Audit:
        """Reads every tracked channel and compares; resubscribes what differs twice."""
        async with self._one_at_a_time:
            began = self._clock.monotonic()
            first = await self._look(self._live.tracked())
            second = first
            if len(first.doubtful):
                await asyncio.sleep(self._settle_s)
                second = await self._look(first.doubtful)
                self._mend(second)
            self.last = self._audit(first, second, self._clock.monotonic() - began)
            self.checks += 1
            return self.last

    async def _look(self, slots: Slots) -> _Look:
        addresses = (await self._catalog.inventory()).address_of
        slots = slots[np.fromiter((slot in addresses for slot in slots.tolist()), np.bool_, len(slots))]
        before = self._live.sequences(slots)
        read = await self._epics.read([addresses[slot] for slot in slots.tolist()], timeout_s=self._timeout_s)
        still = self._live.sequences(slots) == before
        shown = self._live.frame(slots)
        agreed = read.connected & shown.connected & same_readings(read, shown)
        look = _Look(
            slots=slots,
            confirmed=still & agreed,
            moving=~still,
            differing=still & read.connected & ~agreed,
            unanswered=still & ~read.connected & shown.connected,
        )
        self._live.confirm(slots[look.confirmed], self._clock.time_ns())
        return look

    def _mend(self, look: _Look) -> None:
        doubtful = look.doubtful
        if not len(doubtful):
            return
        log.warning("watchdog: %d values were not the machine's; subscribing again", len(doubtful))
        self._live.suspect(doubtful)
        self._epics.resubscribe(doubtful.tolist())
        self.resubscribed += len(doubtful)

    def _audit(self, first: _Look, second: _Look, duration_s: float) -> Audit:
        twice = second is not first
        present = first.confirmed | first.moving | first.differing | first.unanswered
        return Audit(
            at_ns=self._clock.time_ns(),
            duration_s=duration_s,
            checked=len(first.slots),
            confirmed=_count(first.confirmed) + (_count(second.confirmed) if twice else 0),
            moving=_count(first.moving) + (_count(second.moving) if twice else 0),
            differing=_count(second.differing),
            unanswered=_count(second.unanswered),
            absent=_count(~present),
        )


def _count(mask: Mask) -> int:
    return int(np.count_nonzero(mask))
