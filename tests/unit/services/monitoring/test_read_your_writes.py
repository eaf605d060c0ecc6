"""The live table after a write: it shows what was written, or says that it may not."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

import pytest

from backend.src.config.settings import MonitorSettings
from backend.src.infra.epics.frame import Frame, Interned, empty_meta
from backend.src.infra.epics.outcomes import Changes
from backend.src.services.live import LiveTable
from backend.src.services.live.table import Slots
from backend.src.services.monitoring import ReadYourWrites
from tests.manual_clock import ManualClock
from tests.unit.services.readings import batch, lost

OLD_NS, NEW_NS, LATER_NS = 1_000, 2_000, 3_000


class Monitor:
    """Hears of a value after so many drains."""

    def __init__(self, live: LiveTable) -> None:
        self.live = live
        self.drains = 0
        self.after: dict[int, Changes] = {}
        self.asked: list[int] = []
        self.holds: Changes | None = None  # told when it is asked

    def drain_once(self) -> int:
        self.drains += 1
        made = self.after.pop(self.drains, None)
        return 0 if made is None else self.live.apply(made)

    def ask_again(self, slots: Slots) -> None:
        self.asked += slots.tolist()
        if self.holds is not None:
            self.after[self.drains + 2] = self.holds


class Bench:
    """Channels 1 and 2, which hold 1.0; what is written is 5.0."""

    def __init__(self) -> None:
        self.live = LiveTable(ManualClock(), stale_after_s=3.0)
        self.live.track([1, 2])
        self.live.apply(batch({1: 1.0, 2: 1.0}, time_ns=OLD_NS))
        self.live.beat()
        self.monitor = Monitor(self.live)
        self.read_your_writes = ReadYourWrites(self.live, self.monitor, MonitorSettings(drain_interval_s=0.001))

    async def settle(self, *slots: int, seen: Frame | None = None) -> None:
        seen = seen or frame_of(batch(dict.fromkeys(slots, 5.0), time_ns=NEW_NS))
        await self.read_your_writes.settle(list(slots), seen)

    def shown(self, slot: int) -> tuple[object, bool]:
        return self.live.frame([slot]).value(0), bool(self.live.stale([slot])[0])


def frame_of(made: Changes) -> Frame:
    objects = {row: made.objects[slot] for row, slot in enumerate(made.slots.tolist()) if slot in made.objects}
    return Frame(made.rows, empty_meta(len(made)), objects, Interned())


@pytest.fixture
def bench() -> Bench:
    return Bench()


async def test_an_update_that_is_there_is_taken_at_once(bench: Bench) -> None:
    bench.monitor.after[1] = batch({1: 5.0}, time_ns=NEW_NS)
    await bench.settle(1)
    assert bench.shown(1) == (5.0, False)
    assert bench.monitor.drains == 1


async def test_an_update_under_way_is_waited_for(bench: Bench) -> None:
    bench.monitor.after[4] = batch({1: 5.0}, time_ns=NEW_NS)
    await bench.settle(1)
    assert bench.shown(1) == (5.0, False)
    assert bench.monitor.drains == 4


async def test_an_update_from_before_the_write_is_not_taken_for_it(bench: Bench) -> None:
    bench.monitor.after |= {1: batch({1: 1.5}, time_ns=OLD_NS + 1), 3: batch({1: 5.0}, time_ns=NEW_NS)}
    await bench.settle(1)
    assert bench.shown(1) == (5.0, False)


async def test_what_has_moved_on_since_is_not_waited_for(bench: Bench) -> None:
    bench.monitor.after[2] = batch({1: 7.0}, time_ns=LATER_NS)
    await bench.settle(1)
    assert bench.shown(1) == (7.0, False)
    assert bench.monitor.drains == 2


async def test_what_sends_no_update_is_asked_again(bench: Bench) -> None:
    """Its change is within MDEL."""
    bench.monitor.after[2] = batch({2: 5.0}, time_ns=NEW_NS)
    bench.monitor.holds = batch({1: 5.0}, time_ns=NEW_NS)
    await bench.settle(1, 2)
    assert bench.monitor.asked == [1]
    assert bench.shown(1) == (5.0, False)


async def test_what_shows_what_was_read_is_in_doubt_no_more(bench: Bench) -> None:
    bench.live.suspect([1])
    await bench.settle(1, seen=frame_of(batch({1: 1.0}, time_ns=NEW_NS)))
    assert bench.shown(1) == (1.0, False)


async def test_what_never_shows_is_in_doubt_and_nothing_else_is(bench: Bench) -> None:
    bench.monitor.after[2] = batch({2: 5.0}, time_ns=NEW_NS)
    await bench.settle(1, 2)
    assert bench.shown(1) == (1.0, True)
    assert bench.shown(2) == (5.0, False)
    bench.live.apply(batch({1: 5.0}, time_ns=NEW_NS))
    assert bench.shown(1) == (5.0, False), "an update ends the doubt"


async def test_the_last_rows_text_is_compared_with_the_last_rows_text(bench: Bench) -> None:
    bench.live.apply(batch({1: "old", 2: "old"}, time_ns=OLD_NS))
    bench.monitor.after |= {1: batch({1: "new"}, time_ns=NEW_NS), 3: batch({2: "other"}, time_ns=NEW_NS)}
    await bench.settle(1, 2, seen=frame_of(batch({1: "new", 2: "other"}, time_ns=NEW_NS)))
    assert bench.monitor.drains == 3
    assert bench.shown(2) == ("other", False)


@pytest.mark.parametrize(
    "prepare",
    [
        pytest.param(lambda live: live.silence(), id="nobody watches the machine"),
        pytest.param(lambda live: live.apply(lost(1)), id="the channel went away"),
    ],
)
async def test_what_is_stale_anyway_is_not_waited_for(bench: Bench, prepare: Callable[[LiveTable], None]) -> None:
    prepare(bench.live)
    async with asyncio.timeout(5):
        await bench.settle(1)
    assert bench.monitor.drains == 1
    assert bench.shown(1)[1]


async def test_what_nobody_watches_or_could_not_be_read_back_is_not_waited_for(bench: Bench) -> None:
    await bench.settle(-1)
    await bench.settle(1, seen=frame_of(lost(1)))
    assert bench.monitor.drains <= 2
    assert bench.shown(1) == (1.0, False)
