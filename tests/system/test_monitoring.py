"""The monitor against a real soft IOC."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from backend.src.config.settings import MonitorSettings, Settings
from backend.src.core.clock import SystemClock
from backend.src.core.supervisor import Supervisor
from backend.src.infra.epics.epics import Epics
from backend.src.infra.epics.frame import Flag
from backend.src.services.live import LiveTable
from backend.src.services.monitoring import Leadership, PVMonitor, Watchdog
from tests.servers.soft_ioc import SoftIoc, client_settings
from tests.unit.services.catalogue import FixedCatalog, inventory_of

MONITOR = MonitorSettings(drain_interval_s=0.05, follow_interval_s=0.1, stale_after_s=3.0)


class Watched:
    """A monitor of one IOC, with everything around it."""

    def __init__(self, *names: str) -> None:
        self.clock = SystemClock()
        self.settings = Settings(epics=client_settings(), monitor=MONITOR)
        self.epics = Epics.build(self.settings.epics)
        self.live = LiveTable(self.clock, stale_after_s=MONITOR.stale_after_s)
        self.catalog = FixedCatalog(inventory_of(*names))
        self.supervisor = Supervisor()
        leadership = Leadership(None, self.clock, ttl_s=5.0)
        parts = (self.catalog, leadership, self.supervisor, self.clock)
        self.monitor = PVMonitor(self.epics, self.live, *parts, MONITOR)
        self.watchdog = Watchdog(self.epics, self.live, self.catalog, leadership, self.clock, self.settings)

    async def __aenter__(self) -> Watched:
        await self.epics.start()
        await self.monitor.start()
        return self

    async def __aexit__(self, *error: object) -> None:
        await self.monitor.stop()
        await self.epics.stop()
        await self.supervisor.stop()

    def name(self, *names: str) -> None:
        """The catalogue now names these, and only these."""
        self.catalog.current = inventory_of(*names, version=self.catalog.current.version + 1)

    def value(self, slot: int) -> Any:
        return self.live.frame([slot]).value(0)

    def connected(self, slot: int) -> bool:
        return bool(self.live.frame([slot]).connected[0])

    def described(self, *slots: int) -> bool:
        """Whether their units and limits have come: they are read apart from the value, and count as a change."""
        return bool((self.live.frame(slots).rows["flags"] & Flag.METADATA).all())


async def until(condition: Callable[[], Any], timeout_s: float = 30.0) -> float:
    """Waits for it; the seconds that it took."""
    began = time.monotonic()
    while not condition():
        assert time.monotonic() - began < timeout_s, "it never came true"
        await asyncio.sleep(0.02)
    return time.monotonic() - began


@pytest.fixture
def ioc(types_ioc: SoftIoc) -> SoftIoc:
    return types_ioc


async def test_values_arrive_with_alarm_units_and_choices(ioc: SoftIoc) -> None:
    """Metadata was never captured, in one of the peers."""
    names = [ioc.pv(name) for name in ("META", "ENUM", "STRING", "WF:DOUBLE", "INT64")]
    async with Watched(*names) as watched:
        await until(lambda: watched.live.counts().connected == len(names))
        await until(lambda: watched.described(1, 2))
        frame = watched.live.frame([1, 2, 3, 4, 5])
        assert frame.value(0) == 7.0
        assert frame.rows["severity"][0] == 1
        assert frame.interned.units[frame.meta["units"][0]] == "mA"
        assert frame.meta["precision"][0] == 3
        assert frame.enum_label(1) == "On"
        assert frame.value(2) == "hello"
        np.testing.assert_array_equal(frame.value(3), [0.5, 1.5, 2.5])
        assert abs(frame.rows["time_ns"][0] / 1e9 - time.time()) < 3600
        assert not watched.live.stale([1, 2, 3, 4, 5]).any()


async def test_a_pv_added_or_deleted_takes_effect_within_two_seconds(ioc: SoftIoc) -> None:
    """A new PV was not monitored until a restart, in one of the peers."""
    async with Watched(ioc.pv("DOUBLE")) as watched:
        quick_s = max(2.0, 5 * await until(lambda: watched.connected(1)))  # this machine may be busy
        slowest_s = []
        for added in ("LONG", "INT64", "STRING"):  # another each time: a channel that was open is quicker
            watched.name(ioc.pv("DOUBLE"), ioc.pv(added))
            there_s = await until(lambda: watched.connected(2))
            watched.name(ioc.pv("DOUBLE"))
            gone_s = await until(lambda: watched.live.counts().tracked == 1)
            await until(lambda: watched.epics.describe()["monitored"] == 1)  # on the thread of Channel Access
            slowest_s.append(max(there_s, gone_s))
        assert min(slowest_s) < quick_s, "a busy machine is not slow every time"


async def test_changes_flow(ioc: SoftIoc) -> None:
    async with Watched(ioc.pv("COUNTER")) as watched:
        await until(lambda: watched.connected(1))
        first = watched.value(1)
        await until(lambda: watched.value(1) >= first + 3)


async def test_a_pv_that_never_connected_is_counted(ioc: SoftIoc) -> None:
    async with Watched(ioc.pv("DOUBLE"), "NO:SUCH:PV") as watched:
        await until(lambda: watched.connected(1))
        counts = watched.live.counts()
        assert (counts.tracked, counts.connected, counts.disconnected, counts.never_seen) == (2, 1, 1, 1)


async def test_a_quiet_setpoint_is_neither_stale_nor_disconnected(ioc: SoftIoc) -> None:
    """A watchdog that declared every quiet setpoint disconnected."""
    async with Watched(ioc.pv("DOUBLE"), ioc.pv("COUNTER"), ioc.pv("STRING"), "NO:SUCH:PV") as watched:
        await until(lambda: watched.live.counts().connected == 3)
        await asyncio.sleep(2 * MONITOR.stale_after_s)
        audit = await watched.watchdog.check_once()
        assert (audit.checked, audit.differing, audit.unanswered, audit.absent) == (4, 0, 0, 1)
        assert audit.confirmed >= 2
        await until(watched.live.fresh)  # this process may have stood still
        assert watched.connected(1) and not watched.live.stale([1])[0]


async def test_the_watchdog_finds_and_mends_a_value_that_is_not_the_machines(ioc: SoftIoc) -> None:
    async with Watched(ioc.pv("DOUBLE"), ioc.pv("LONG")) as watched:
        await until(lambda: watched.live.counts().connected == 2 and watched.described(1, 2))
        truth = watched.value(1)
        watched.live._rows["value"][1] += 1  # an update that got lost on its way
        audit = await watched.watchdog.check_once()
        assert (audit.differing, audit.confirmed) == (1, 1)
        await until(lambda: watched.value(1) == truth and watched.live.fresh())
        assert not watched.live.stale([1])[0]
        assert (await watched.watchdog.check_once()).differing == 0


async def test_an_ioc_that_dies_and_comes_back(own_ioc: SoftIoc) -> None:
    async with Watched(own_ioc.pv("DOUBLE")) as watched:
        await until(lambda: watched.connected(1))
        own_ioc.kill()
        await until(lambda: not watched.connected(1), timeout_s=30.0)
        assert watched.value(1) == 1.5
        assert watched.live.stale([1])[0]
        await until(watched.live.fresh)  # the monitor lives: it is the machine that went
        assert watched.live.stale([1])[0]
        own_ioc.restart()
        # libca looks again after ten
        await until(lambda: watched.connected(1) and watched.live.fresh(), timeout_s=60.0)
        assert not watched.live.stale([1])[0]


async def test_values_are_stale_once_the_monitor_has_died(ioc: SoftIoc) -> None:
    """A cache that was served after its monitor had died."""
    async with Watched(ioc.pv("DOUBLE")) as watched:
        await until(lambda: watched.connected(1))
        await watched.supervisor.stop("monitor.drain")
        await until(lambda: watched.live.stale([1])[0], timeout_s=30.0)
        assert watched.value(1) == 1.5
        with pytest.raises(Exception, match="heart"):
            await watched.monitor.ping()


async def test_a_stopped_monitor_watches_nothing(ioc: SoftIoc) -> None:
    watched = Watched(ioc.pv("DOUBLE"))
    async with watched:
        await until(lambda: watched.connected(1))
    assert watched.live.stale([1])[0]
    assert watched.supervisor.running() == ()
