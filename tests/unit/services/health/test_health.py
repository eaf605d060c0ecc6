"""Readiness: what is pinged, however many ask."""

from __future__ import annotations

import asyncio
from typing import Any

from backend.src.services.health import Condition, Health
from tests.manual_clock import ManualClock

UNUSED: Any = None


class Slow:
    """A service whose ping takes until it is let go."""

    def __init__(self) -> None:
        self.pings = 0
        self.go = asyncio.Event()

    async def start(self) -> None:
        raise NotImplementedError

    async def stop(self) -> None:
        raise NotImplementedError

    async def ping(self) -> None:
        self.pings += 1
        await self.go.wait()

    async def asked(self) -> None:
        """Returns once the first ping is under way."""
        async with asyncio.timeout(20):
            while not self.pings:
                await asyncio.sleep(0)


async def test_a_crowd_that_asks_costs_two_looks() -> None:
    """The question is open to everybody: it must not use up the threads of the database and the bucket."""
    slow = Slow()
    health = Health({"sql": slow}, UNUSED, UNUSED, UNUSED, ManualClock())
    first = asyncio.ensure_future(health.readiness())
    await asyncio.sleep(0)
    crowd = [asyncio.ensure_future(health.readiness()) for _ in range(100)]
    await slow.asked()
    await asyncio.sleep(0.01)  # in which more would be asked
    assert slow.pings == 1
    slow.go.set()
    await asyncio.gather(first, *crowd)
    assert slow.pings == 2, "what the crowd hears began after they asked"


async def test_who_leaves_in_the_middle_leaves_no_old_answer() -> None:
    slow = Slow()
    health = Health({"sql": slow}, UNUSED, UNUSED, UNUSED, ManualClock())
    first = asyncio.ensure_future(health.readiness())
    await slow.asked()
    second = asyncio.ensure_future(health.readiness())
    await asyncio.sleep(0)
    first.cancel()
    slow.go.set()
    assert (await second).dependencies[0].up
    assert slow.pings == 2


async def test_who_is_about_to_end_is_not_ready_though_all_is_well() -> None:
    slow = Slow()
    slow.go.set()
    stopping = False
    health = Health({"sql": slow}, UNUSED, UNUSED, UNUSED, ManualClock(), stopping=lambda: stopping)
    assert (await health.readiness()).condition is Condition.READY
    stopping = True
    readiness = await health.readiness()
    assert (readiness.condition, readiness.condition.serves) == (Condition.STOPPING, False)
    assert readiness.dependencies[0].up
