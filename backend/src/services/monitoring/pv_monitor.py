"""Keeps the live table true: follows the catalogue, drains the ingest, beats the heart."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np

from backend.src.config.settings import MonitorSettings
from backend.src.core.clock import Clock
from backend.src.core.errors import Unavailable
from backend.src.core.histogram import Histogram
from backend.src.core.supervisor import Supervisor
from backend.src.infra.epics.address import PvAddress
from backend.src.infra.epics.outcomes import Changes
from backend.src.services.live.names import Inventories
from backend.src.services.live.table import LiveTable, Slots
from backend.src.services.monitoring.leadership import Leadership, State

log = logging.getLogger(__name__)

# of a quiet machine, of ten thousand changes at once, of an event loop in trouble
DRAIN_BOUNDS_S = (0.000_25, 0.000_5, 0.001, 0.002_5, 0.005, 0.01, 0.025, 0.05, 0.1, 0.5)
LEAD, FOLLOW, DRAIN = "monitor.lead", "monitor.follow", "monitor.drain"


class Ingest(Protocol):
    """infra.epics, as far as the monitor needs it."""

    def monitor(self, add: Sequence[tuple[int, PvAddress]], remove: Sequence[int]) -> None: ...
    def drain(self) -> Changes: ...
    def resubscribe(self, slots: Sequence[int]) -> None: ...


@dataclass(frozen=True, slots=True)
class MonitorStatus:
    """The monitor of this process; drain times in seconds, heartbeat_ns since 1970 (0 for never)."""

    instance: str
    state: State
    epoch: int
    watched: int
    updates: int
    drains: int
    last_drain_s: float
    longest_drain_s: float
    heartbeat_ns: int
    alive: bool


class PVMonitor:
    """Watches every channel of the catalogue for as long as it leads (or is alone)."""

    def __init__(
        self,
        epics: Ingest,
        live: LiveTable,
        catalog: Inventories,
        leadership: Leadership,
        supervisor: Supervisor,
        clock: Clock,
        settings: MonitorSettings,
    ) -> None:
        self._epics = epics
        self._live = live
        self._catalog = catalog
        self._leadership = leadership
        self._supervisor = supervisor
        self._clock = clock
        self._settings = settings
        self._watched: Slots = np.empty(0, np.int32)
        self._knows_catalogue = False
        self.drains = Histogram(DRAIN_BOUNDS_S)
        self._last_drain_s = self._longest_drain_s = 0.0

    async def start(self) -> None:
        """Starts watching. A large catalogue takes a second to read: requests need not wait for that."""
        await self._leadership.check_once()
        self._supervisor.start_loop(LEAD, self._lead)
        self._supervisor.start_loop(FOLLOW, self._follow)
        self._supervisor.start_loop(DRAIN, self._drain)

    async def stop(self) -> None:
        """Stops watching, then lets another one lead."""
        await self._supervisor.stop(LEAD, FOLLOW, DRAIN)
        self._watch(np.empty(0, np.int32), {})
        self._live.silence()
        await self._leadership.resign()

    async def ping(self) -> None:
        """Raises Unavailable when the table is not being kept true."""
        beat = self._live.heartbeat()
        if not beat.alive:
            age = "never beat" if beat.age_s is None else f"last beat {beat.age_s:.1f} s ago"
            raise Unavailable(f"the monitor's heart {age}", remedy="see the log of the process that monitors")

    @property
    def status(self) -> MonitorStatus:
        """What it does at the moment."""
        beat = self._live.heartbeat()
        return MonitorStatus(
            instance=self._leadership.instance,
            state=self._leadership.state,
            epoch=self._leadership.epoch,
            watched=len(self._watched),
            updates=self._live.updates,
            drains=sum(self.drains.counts),
            last_drain_s=self._last_drain_s,
            longest_drain_s=self._longest_drain_s,
            heartbeat_ns=beat.beat_ns,
            alive=beat.alive,
        )

    # -- loops ------------------------------------------------------------------------------------------------

    async def _lead(self) -> None:
        while True:
            await asyncio.sleep(self._leadership.interval_s)
            await self.lead_once()

    async def _follow(self) -> None:
        while True:
            await self._follow_if_possible()
            await asyncio.sleep(self._settings.follow_interval_s)

    async def _follow_if_possible(self) -> None:
        try:
            await self.follow_once()
        except Unavailable as exc:
            # what is watched stays watched: only news of the catalogue has to wait
            log.warning("the catalogue cannot be followed: %s", exc.message)

    async def _drain(self) -> None:
        while True:
            self.drain_once()
            await asyncio.sleep(self._settings.drain_interval_s)

    # -- steps ------------------------------------------------------------------------------------------------

    async def lead_once(self) -> None:
        """Claims or renews the lead. Who loses it stops at once; who gets it watches before the next second."""
        was_watching = self._leadership.watching
        await self._leadership.check_once()
        watching = self._leadership.watching
        if was_watching and not watching:
            self._watch(self._watched[:0], {})
            self._epics.drain()  # what was on its way belongs to a lead that is over
            self._live.silence()
        elif watching and not was_watching:
            await self._follow_if_possible()

    async def follow_once(self) -> None:
        """Watches what the catalogue names now, and nothing else."""
        inventory = await self._catalog.inventory()
        wanted = inventory.used_slots
        have = self._live.tracked()
        self._live.track(np.setdiff1d(wanted, have, assume_unique=True))
        self._live.forget(np.setdiff1d(have, wanted, assume_unique=True))
        self._watch(wanted if self._leadership.watching else wanted[:0], inventory.address_of)
        self._knows_catalogue = True

    def drain_once(self) -> int:
        """Takes over what changed; the number of channels. A monitor that does not lead takes nothing."""
        if not self._leadership.watching:
            return 0
        began = self._clock.monotonic()
        changed = self._live.apply(self._epics.drain())
        if self._knows_catalogue:  # before, the table is no image of the machine yet
            self._live.beat()
        self._last_drain_s = self._clock.monotonic() - began
        self.drains.add(self._last_drain_s)
        self._longest_drain_s = max(self._longest_drain_s, self._last_drain_s)
        return changed

    def ask_again(self, slots: Slots) -> None:
        """Subscribes to these channels anew, where it watches them: each then tells its present value."""
        if self._leadership.watching:
            self._epics.resubscribe(slots.tolist())

    def _watch(self, wanted: Slots, addresses: dict[int, PvAddress]) -> None:
        add = np.setdiff1d(wanted, self._watched, assume_unique=True).tolist()
        remove = np.setdiff1d(self._watched, wanted, assume_unique=True).tolist()
        if add or remove:
            log.info("monitor: %d channels more, %d fewer", len(add), len(remove))
            self._live.lose(add)  # another leader's word on who is connected is not ours
            self._live.expect(add)
            self._epics.monitor([(slot, addresses[slot]) for slot in add], remove)
        self._watched = wanted
