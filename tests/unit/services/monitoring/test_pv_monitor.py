"""The monitor's steps, without EPICS."""

from __future__ import annotations

from typing import Any

import pytest

from backend.src.config.settings import MonitorSettings
from backend.src.core.errors import Unavailable
from backend.src.core.supervisor import Supervisor
from backend.src.services.live import LiveTable
from backend.src.services.monitoring import Leadership, PVMonitor, State
from tests.manual_clock import ManualClock
from tests.unit.services.catalogue import FixedCatalog, inventory_of
from tests.unit.services.monitoring.machine import FakeMachine
from tests.unit.services.monitoring.test_leadership import TTL_S, FakeRedis


class Bench:
    """A monitor, a machine of three channels, and a rival for the lease."""

    def __init__(self) -> None:
        self.clock = ManualClock()
        self.redis = FakeRedis(self.clock)
        self.machine = FakeMachine({"A": 1.0, "B": 2.0, "C": 3.0})
        self.live = LiveTable(self.clock, stale_after_s=3.0)
        self.catalog = FixedCatalog(inventory_of("A", "B"))
        self.leadership = Leadership(self.redis.lease(), self.clock, ttl_s=TTL_S)
        self.rival = Leadership(self.redis.lease(), self.clock, ttl_s=TTL_S)
        parts: Any = (self.catalog, self.leadership, Supervisor(), self.clock, MonitorSettings())
        self.monitor = PVMonitor(self.machine, self.live, *parts)

    def values(self, *slots: int) -> list[Any]:
        frame = self.live.frame(slots)
        return [frame.value(row) for row in range(len(slots))]


@pytest.fixture
async def bench() -> Bench:
    made = Bench()
    await made.monitor.lead_once()
    await made.monitor.follow_once()
    made.monitor.drain_once()
    return made


async def test_it_watches_what_the_catalogue_names(bench: Bench) -> None:
    assert bench.values(1, 2) == [1.0, 2.0]
    assert bench.live.fresh()


async def test_a_new_pv_is_watched_and_a_deleted_one_is_not(bench: Bench) -> None:
    bench.catalog.current = inventory_of("A", "B", "C", version=2)
    await bench.monitor.follow_once()
    bench.monitor.drain_once()
    assert bench.values(3) == [3.0]
    bench.catalog.current = inventory_of("A", version=3)
    await bench.monitor.follow_once()
    assert list(bench.machine.watched) == [1]
    assert bench.values(1, 2, 3) == [1.0, None, None]


async def test_a_late_change_of_a_deleted_pv_does_not_bring_it_back(bench: Bench) -> None:
    bench.machine.values["B"] = 2.5
    bench.machine.tell(2)
    bench.catalog.current = inventory_of("A", version=2)
    await bench.monitor.follow_once()
    bench.monitor.drain_once()
    assert bench.values(2) == [None]


async def test_a_leader_that_lost_its_lease_stops_at_once(bench: Bench) -> None:
    """A leader that kept publishing after it lost its lock."""
    bench.clock.advance(TTL_S)  # it hung, and did not renew
    await bench.rival.check_once()
    assert bench.rival.publishing and not bench.leadership.publishing
    await bench.monitor.lead_once()
    assert bench.monitor.status.state is State.STANDBY
    assert bench.machine.watched == {}
    assert not bench.live.fresh()
    bench.machine.told = {1: 99.0}
    assert bench.monitor.drain_once() == 0
    assert bench.values(1) == [1.0]


async def test_a_monitor_that_gets_the_lead_watches_at_once(bench: Bench) -> None:
    bench.clock.advance(TTL_S)
    await bench.rival.check_once()
    await bench.monitor.lead_once()
    await bench.rival.resign()
    await bench.monitor.lead_once()
    assert list(bench.machine.watched) == [1, 2]
    assert not bench.live.frame([1, 2]).connected.any(), "another leader's word on who is connected is not ours"
    assert bench.live.expected([1, 2]).all(), "they are not away: they have not connected yet"
    bench.monitor.drain_once()
    assert bench.live.frame([1, 2]).connected.all()
    assert not bench.live.expected([1, 2]).any()


async def test_it_goes_on_without_the_database(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    async def away() -> None:
        raise Unavailable("the database is away")

    monkeypatch.setattr(bench.catalog, "inventory", away)
    await bench.monitor._follow_if_possible()
    bench.machine.values["A"] = 1.5
    bench.machine.tell(1)
    bench.monitor.drain_once()
    assert bench.values(1) == [1.5]


async def test_ping_tells_of_a_dead_heart(bench: Bench) -> None:
    await bench.monitor.ping()
    bench.clock.advance(3.1)
    with pytest.raises(Unavailable, match=r"3\.1 s ago"):
        await bench.monitor.ping()


async def test_the_values_of_a_lead_that_is_over_are_stale_at_once(bench: Bench) -> None:
    bench.redis.holder = None
    await bench.rival.check_once()
    assert bench.live.fresh()
    await bench.monitor.lead_once()
    assert not bench.live.fresh()


async def test_nothing_is_fresh_before_the_catalogue_was_read() -> None:
    made = Bench()
    await made.monitor.lead_once()
    made.monitor.drain_once()
    assert not made.live.fresh()
    await made.monitor.follow_once()
    made.monitor.drain_once()
    assert made.live.fresh()
