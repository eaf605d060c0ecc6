"""What a copy does when it missed something."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from typing import Any

import numpy as np
import pytest

from backend.src.core.supervisor import Supervisor
from backend.src.infra.cache import GAP, Gap
from backend.src.services.live import LiveTable
from backend.src.services.live.batches import Batch, Stamp, encode
from backend.src.services.monitoring import Leadership, Replica
from backend.src.services.monitoring.publishing import block_key
from tests.manual_clock import ManualClock
from tests.unit.services.readings import batch


class Blocks:
    """Redis with one block in it."""

    def __init__(self) -> None:
        self.block: bytes | None = None

    async def mget(self, keys: Sequence[str]) -> list[bytes | None]:
        assert list(keys) == [block_key(0)]
        return [self.block]

    def subscribe(self, channel: str) -> AsyncIterator[bytes | Gap]:
        raise NotImplementedError


BEAT_NS = 1_700_000_000_000_000_000


def message(
    number: int, values: dict[int, Any], *, flushed: int = 0, epoch: int = 1, beat_ns: int | None = None
) -> bytes:
    """A delta; the leader's heart beats with each, unless it is told when."""
    stamp = Stamp(epoch, number, flushed, 1, BEAT_NS + number if beat_ns is None else beat_ns)
    return encode(Batch(stamp, batch(values), np.zeros(len(values), np.bool_)))


class Bench:
    """A copy of three channels."""

    def __init__(self) -> None:
        self.clock = clock = ManualClock()
        self.live = LiveTable(clock, stale_after_s=3.0)
        self.live.track([1, 2, 3])
        self.blocks = Blocks()
        leadership = Leadership(None, clock, ttl_s=5.0, may_lead=False)
        self.replica = Replica(self.live, leadership, self.blocks, Supervisor())

    def values(self) -> list[Any]:
        frame = self.live.frame([1, 2, 3])
        return [frame.value(row) for row in range(3)]


@pytest.fixture
async def bench() -> Bench:
    made = Bench()
    await made.replica.hear(GAP)
    await made.replica.hear(message(1, {1: 1.0, 2: 2.0, 3: 3.0}))
    assert made.replica.in_step and made.live.fresh()
    return made


async def test_in_step_it_takes_what_it_hears(bench: Bench) -> None:
    await bench.replica.hear(message(2, {2: 2.5}))
    assert bench.values() == [1.0, 2.5, 3.0]
    assert bench.replica.in_step


async def test_its_heart_does_not_beat_while_something_is_missing(bench: Bench) -> None:
    bench.live.silence()
    await bench.replica.hear(message(4, {2: 2.5}, flushed=2))  # 3 is missing, and no block has it yet
    assert (bench.replica.in_step, bench.live.fresh()) == (False, False)
    assert bench.values() == [1.0, 2.5, 3.0]
    bench.blocks.block = message(4, {1: 1.5, 2: 2.5, 3: 3.5})
    await bench.replica.hear(message(5, {}, flushed=4))
    assert bench.replica.in_step and bench.live.fresh()
    assert bench.values() == [1.5, 2.5, 3.5]


async def test_a_block_does_not_undo_what_a_later_message_told(bench: Bench) -> None:
    await bench.replica.hear(GAP)
    await bench.replica.hear(message(7, {1: 7.0}, flushed=5))
    bench.blocks.block = message(6, {1: 6.0, 2: 6.0, 3: 6.0})
    await bench.replica.hear(message(8, {2: 8.0}, flushed=6))
    assert bench.values() == [7.0, 8.0, 6.0]
    assert bench.replica.in_step


async def test_blocks_of_an_earlier_leader_are_not_taken(bench: Bench) -> None:
    bench.blocks.block = message(9, {1: -1.0, 2: -1.0, 3: -1.0}, epoch=1)
    await bench.replica.hear(message(1, {1: 10.0}, epoch=2))
    assert bench.values() == [10.0, 2.0, 3.0]


async def test_an_earlier_leader_is_refused(bench: Bench) -> None:
    await bench.replica.hear(message(1, {1: 10.0}, epoch=2))
    await bench.replica.hear(message(2, {1: -1.0}, epoch=1))
    assert bench.values() == [10.0, 2.0, 3.0]


async def test_a_leader_that_speaks_without_a_heart_makes_nothing_fresh(bench: Bench) -> None:
    for number in range(2, 10):  # it takes in nothing any more, and goes on saying that nothing changed
        bench.clock.advance(0.5)
        await bench.replica.hear(message(number, {}, beat_ns=BEAT_NS + 1))
    assert bench.replica.in_step and not bench.live.fresh()
    await bench.replica.hear(message(10, {}))
    assert bench.live.fresh()


async def test_the_next_leader_has_still_to_connect(bench: Bench) -> None:
    """A snapshot from the copy would hold everything as away."""
    bench.clock.advance(60)
    assert not bench.live.fresh()
    await bench.replica.hear(message(1, {}, epoch=2, flushed=0, beat_ns=0))
    assert not bench.live.fresh(), "it does not know the catalogue yet"
    bench.live.lose([1, 2, 3])
    assert bench.live.expected([1, 2, 3]).all()
