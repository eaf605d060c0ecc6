"""A live table, copied to another process over a real Redis."""

from __future__ import annotations

import asyncio
import secrets
import time
from collections.abc import AsyncIterator, Callable
from typing import Any

import numpy as np
import pytest

from backend.src.config.settings import CacheSettings, MonitorSettings
from backend.src.core.clock import SystemClock
from backend.src.core.supervisor import Supervisor
from backend.src.infra.cache import GAP, Redis
from backend.src.infra.epics.frame import ValueType
from backend.src.services.live import LiveTable
from backend.src.services.monitoring import Leadership, Publisher, PVMonitor, Replica
from tests.servers.redis_server import RedisServer, redis_server, running_redis
from tests.unit.services.catalogue import FixedCatalog, inventory_of
from tests.unit.services.monitoring.machine import FakeMachine
from tests.unit.services.readings import batch, described, lost

__all__ = ["redis_server"]

TTL_S = 3.0
MONITOR = MonitorSettings(drain_interval_s=0.02, follow_interval_s=0.1, stale_after_s=4.5, lease_ttl_s=TTL_S)
NAMES = [f"P{number}" for number in range(1, 1501)]  # three blocks


class Process:
    """One process of Larder, as far as the live table goes."""

    def __init__(self, cache: CacheSettings, machine: FakeMachine, *, may_lead: bool) -> None:
        clock, self.supervisor = SystemClock(), Supervisor()
        self.redis = Redis.build(cache)
        self.live = LiveTable(clock, stale_after_s=MONITOR.stale_after_s)
        lease = self.redis.lease("monitor", TTL_S) if may_lead else None
        self.leadership = Leadership(lease, clock, ttl_s=TTL_S, may_lead=may_lead)
        self.catalog = FixedCatalog(inventory_of(*NAMES))
        common: Any = (self.supervisor, clock, MONITOR)
        self.monitor = PVMonitor(machine, self.live, self.catalog, self.leadership, *common)
        self.publisher = Publisher(self.live, self.leadership, self.redis, *common)
        self.replica = Replica(self.live, self.leadership, self.redis, self.supervisor)

    async def __aenter__(self) -> Process:
        for service in (self.redis, self.monitor, self.publisher, self.replica):
            await service.start()
        return self

    async def __aexit__(self, *error: object) -> None:
        for service in (self.replica, self.publisher, self.monitor, self.redis):
            await service.stop()
        await self.supervisor.stop()

    def value(self, slot: int) -> Any:
        return self.live.frame([slot]).value(0)


async def until(condition: Callable[[], Any], timeout_s: float = 30.0) -> float:
    began = time.monotonic()
    while not condition():
        assert time.monotonic() - began < timeout_s, "it never came true"
        await asyncio.sleep(0.01)
    return time.monotonic() - began


@pytest.fixture
def cache(redis_server: RedisServer) -> CacheSettings:
    return redis_server.settings(prefix=secrets.token_hex(4))


@pytest.fixture
def machine() -> FakeMachine:
    return FakeMachine({name: float(number) for number, name in enumerate(NAMES, 1)})


@pytest.fixture
async def leader(cache: CacheSettings, machine: FakeMachine) -> AsyncIterator[Process]:
    async with Process(cache, machine, may_lead=True) as process:
        await until(lambda: process.live.counts().connected == len(NAMES))
        yield process


@pytest.fixture
async def follower(cache: CacheSettings, machine: FakeMachine, leader: Process) -> AsyncIterator[Process]:
    async with Process(cache, FakeMachine({}), may_lead=False) as process:
        yield process


async def test_a_copy_that_starts_later_has_everything_and_follows(
    leader: Process, follower: Process, machine: FakeMachine
) -> None:
    await until(lambda: follower.live.counts().connected == len(NAMES) and follower.live.fresh())
    assert follower.value(1) == 1.0 and follower.value(1500) == 1500.0
    assert not follower.live.stale([1, 1500]).any()
    took_s = []
    for value in (-7.0, -8.0, -9.0):
        machine.values["P700"] = value
        machine.tell(700)
        took_s.append(await until(lambda: follower.value(700) == machine.values["P700"]))
    assert min(took_s) < 5.0, "a busy machine is not slow every time"


async def test_texts_arrays_metadata_losses_and_doubts_travel(leader: Process, follower: Process) -> None:
    await until(lambda: follower.live.fresh())
    leader.live.apply(batch({1: "5 \udcb5A", 2: ["a", ""], 3: np.array([1, 2])}, ValueType.STRING))
    leader.live.apply(described(batch({4: 1}, ValueType.ENUM), ["mA"], [("Off", "On")]))
    leader.live.apply(lost(5))
    leader.live.suspect([6])
    await until(lambda: follower.live.stale([6])[0] and follower.value(1) == "5 \udcb5A")
    frame = follower.live.frame([1, 2, 3, 4, 5])
    assert frame.value(1) == ["a", ""]
    np.testing.assert_array_equal(frame.value(2), [1, 2])
    assert frame.enum_label(3) == "On"
    assert frame.interned.units[frame.meta["units"][3]] == "mA"
    assert frame.connected.tolist() == [True, True, True, True, False]
    assert frame.value(4) == 5.0


async def test_a_missed_message_is_made_good_from_the_blocks(leader: Process, follower: Process) -> None:
    await until(lambda: follower.replica.in_step)
    resyncs = follower.replica.resyncs
    await follower.supervisor.stop("monitor.replica")
    leader.live.apply(batch({10: 0.5, 1400: "missed"}, ValueType.STRING))
    await asyncio.sleep(0.2)
    await follower.replica.start()
    await until(lambda: follower.value(1400) == "missed")
    await until(lambda: follower.replica.in_step)
    assert follower.replica.resyncs > resyncs


async def test_what_a_delta_told_is_newer_than_a_block(leader: Process, follower: Process) -> None:
    await until(lambda: follower.replica.in_step)
    await asyncio.sleep(1.2)  # a flush
    await follower.replica.hear(GAP)
    for turn in range(30):
        leader.live.apply(batch({20: float(turn)}))
        await asyncio.sleep(0.05)
    await until(lambda: follower.replica.in_step and follower.value(20) == 29.0)


async def test_a_new_pv_reaches_the_copy(leader: Process, follower: Process, machine: FakeMachine) -> None:
    await until(lambda: follower.live.fresh())
    machine.values["NEW"] = 42.0
    for process in (leader, follower):
        process.catalog.current = inventory_of(*NAMES, "NEW", version=2)
    assert await until(lambda: follower.value(1501) == 42.0) < 10.0


async def test_a_copy_is_stale_once_its_leader_is_dead(leader: Process, follower: Process) -> None:
    await until(lambda: follower.live.fresh())
    await leader.supervisor.stop("monitor.publish")
    await until(lambda: not follower.live.fresh())
    assert follower.value(1) == 1.0 and follower.live.stale([1])[0]


async def test_the_next_leader_takes_over_and_the_old_one_is_refused(
    leader: Process, follower: Process, cache: CacheSettings
) -> None:
    await until(lambda: follower.live.fresh())
    rival_machine = FakeMachine(dict.fromkeys(NAMES, -1.0))
    async with Process(cache, rival_machine, may_lead=True) as rival:
        await until(lambda: rival.live.fresh() and rival.value(1) == 1.0)  # a copy, while it stands by
        assert not rival.leadership.watching
        await leader.supervisor.stop("monitor.lead")  # it hangs, and does not renew
        await until(lambda: rival.leadership.publishing)
        assert not leader.leadership.publishing, "silent before the next one may start"
        await until(lambda: follower.value(1500) == -1.0 and follower.value(1) == -1.0)
        leader.live.apply(batch({1: 99.0}))
        await leader.publisher.publish_once()
        leader.leadership._until = time.monotonic() + 10  # it believes that it still leads
        leader.live.apply(batch({1: 99.0}))
        await asyncio.sleep(0.3)
        assert follower.value(1) == -1.0


async def test_redis_that_dies_and_comes_back_empty(machine: FakeMachine) -> None:
    with running_redis() as server:
        cache = server.settings()
        async with (
            Process(cache, machine, may_lead=True) as leader,
            Process(cache, FakeMachine({}), may_lead=False) as copy,
        ):
            await until(lambda: copy.live.fresh())
            server.kill()
            await until(lambda: not copy.live.fresh())
            await until(leader.live.fresh)  # the monitor watches on for its own process
            machine.values["P9"] = 9.5
            machine.tell(9)
            await until(lambda: leader.value(9) == 9.5)
            server.start()
            await until(lambda: copy.live.fresh() and copy.value(9) == 9.5)
            assert copy.replica.in_step
            async with Process(cache, FakeMachine({}), may_lead=False) as late:
                await until(lambda: late.live.fresh() and late.value(1500) == 1500.0)
