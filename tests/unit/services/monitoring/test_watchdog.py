"""The watchdog's judgement, without EPICS."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

import pytest

from backend.src.config.settings import MonitorSettings, Settings
from backend.src.infra.epics.address import PvAddress
from backend.src.infra.epics.frame import Frame
from backend.src.services.live import LiveTable
from backend.src.services.monitoring import Watchdog
from backend.src.services.monitoring.leadership import Leadership
from tests.manual_clock import ManualClock
from tests.unit.services.catalogue import FixedCatalog, inventory_of
from tests.unit.services.monitoring.machine import FakeMachine


class Bench:
    """Three channels, watched: A and B are there, GONE is not."""

    def __init__(self) -> None:
        self.clock = ManualClock()
        self.machine = FakeMachine({"A": 1.0, "B": 2.0})
        self.live = LiveTable(self.clock, stale_after_s=3.0)
        self.live.track([1, 2, 3])
        inventory = inventory_of("A", "B", "GONE")
        self.machine.monitor(list(inventory.address_of.items()), [])
        self.live.apply(self.machine.drain())
        self.live.beat()
        settings = Settings(monitor=MonitorSettings(drain_interval_s=0.001))
        self.leadership = Leadership(None, self.clock, ttl_s=5.0)
        parts = (FixedCatalog(inventory), self.leadership, self.clock, settings)
        self.watchdog = Watchdog(self.machine, self.live, *parts)


@pytest.fixture
def bench() -> Bench:
    return Bench()


async def test_what_agrees_is_confirmed_however_quiet_it_was(bench: Bench) -> None:
    bench.clock.advance(1e6)
    bench.live.beat()
    audit = await bench.watchdog.check_once()
    assert (audit.checked, audit.confirmed, audit.differing, audit.unanswered, audit.absent) == (3, 2, 0, 0, 1)
    assert bench.live.confirmed_ns([1])[0] == bench.clock.time_ns()
    assert bench.live.stale([1, 2]).tolist() == [False, False]
    assert bench.machine.resubscribed == []


async def test_what_differs_twice_is_stale_and_subscribed_again(bench: Bench) -> None:
    bench.machine.values["A"] = 9.0
    audit = await bench.watchdog.check_once()
    assert (audit.differing, audit.confirmed) == (1, 1)
    assert bench.machine.reads[1] == ("A",), "only what is in doubt is read again"
    assert bench.live.stale([1, 2]).tolist() == [True, False]
    assert bench.machine.resubscribed == [1]
    bench.live.apply(bench.machine.drain())
    assert bench.live.stale([1]).tolist() == [False]


async def test_an_update_that_was_on_its_way_is_no_difference(bench: Bench) -> None:
    bench.machine.values["A"] = 9.0
    bench.machine.tell(1)

    async def drain_soon() -> None:
        await asyncio.sleep(0)
        bench.live.apply(bench.machine.drain())

    _, audit = await asyncio.gather(drain_soon(), bench.watchdog.check_once())
    assert audit.differing == 0
    assert bench.machine.resubscribed == []


async def test_a_connected_channel_that_does_not_answer_is_doubted_but_not_declared_disconnected(bench: Bench) -> None:
    bench.machine.silent.add("B")
    audit = await bench.watchdog.check_once()
    assert audit.unanswered == 1
    assert bench.live.frame([2]).connected[0], "who is connected, the protocol says"
    assert bench.live.stale([2])[0]
    bench.machine.silent.clear()
    assert (await bench.watchdog.check_once()).confirmed == 2
    assert not bench.live.stale([2])[0]


async def test_a_channel_that_the_monitor_missed_is_subscribed_again(bench: Bench) -> None:
    bench.machine.values["GONE"] = 3.0
    audit = await bench.watchdog.check_once()
    assert audit.differing == 1
    bench.live.apply(bench.machine.drain())
    assert bench.live.frame([3]).value(0) == 3.0


async def test_two_audits_do_not_run_at_once(bench: Bench) -> None:
    await asyncio.gather(bench.watchdog.check_once(), bench.watchdog.check_once())
    assert bench.watchdog.checks == 2


async def test_a_channel_that_moves_while_it_is_read_is_not_doubted(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    read_still = bench.machine.read

    async def read_moving(addresses: Sequence[PvAddress], *, timeout_s: float) -> Frame:
        frame = await read_still(addresses, timeout_s=timeout_s)
        bench.machine.values["A"] += 1.0
        bench.machine.tell(1)
        bench.live.apply(bench.machine.drain())
        return frame

    monkeypatch.setattr(bench.machine, "read", read_moving)
    audit = await bench.watchdog.check_once()
    assert (audit.moving, audit.differing) == (1, 0)
    assert not bench.live.stale([1])[0]


@pytest.mark.parametrize("may_lead", [True, False])
async def test_only_who_watches_the_machine_audits_it_by_itself(bench: Bench, may_lead: bool) -> None:
    bench.leadership._may_lead = may_lead
    assert bench.watchdog.may_run() is may_lead
    bench.clock.advance(10)
    assert not bench.watchdog.may_run(), "nobody keeps the table true"


async def test_a_run_tells_what_was_wrong_and_nothing_else(bench: Bench) -> None:
    assert await bench.watchdog.run() == ""
    bench.machine.values["A"] = 9.0
    assert await bench.watchdog.run() == "1 of 3 values differed, 0 did not answer"
    assert bench.watchdog.checks == 2
