"""A process's copy of the live table that another process keeps true.

It follows the leader's deltas. Who missed one (a gap, a new leader, a start in the middle) goes on with those that
come, and fills in from the blocks once these include what was missed. Until then the copy's heart does not beat, so
that nothing in it passes for fresh for longer than stale_after_s; nor does it when the leader speaks but its own heart
has stopped, that is, when it takes in nothing from the machine any more. A message of an older epoch than one seen
before is refused: its leader has lost the lease.
"""

from __future__ import annotations

import logging
from collections.abc import AsyncIterator, Sequence
from typing import Protocol

import numpy as np

from backend.src.core.errors import Unavailable
from backend.src.core.supervisor import Supervisor
from backend.src.infra.cache import Gap
from backend.src.infra.epics.outcomes import Changes
from backend.src.services.live.batches import Batch, decode
from backend.src.services.live.table import LiveTable, Mask, Slots
from backend.src.services.monitoring.leadership import Leadership
from backend.src.services.monitoring.publishing import CHANNEL, block_key

log = logging.getLogger(__name__)

LOOP = "monitor.replica"


class Source(Protocol):
    """infra.cache's Redis, as far as the replica needs it."""

    async def mget(self, keys: Sequence[str]) -> list[bytes | None]: ...
    def subscribe(self, channel: str) -> AsyncIterator[bytes | Gap]: ...


class Replica:
    """Idle while this process watches the machine itself."""

    def __init__(self, live: LiveTable, leadership: Leadership, source: Source, supervisor: Supervisor) -> None:
        self._live = live
        self._leadership = leadership
        self._source = source
        self._supervisor = supervisor
        self._epoch = 0
        self._number = 0
        self._missing_up_to: int | None = None  # None: in step
        self._told_since: set[int] = set()
        self._known: Slots = np.empty(0, np.int32)
        self._beat_ns = 0  # the leader's last beat
        self.resyncs = 0

    async def start(self) -> None:
        """Starts to follow."""
        self._supervisor.start_loop(LOOP, self.run)

    async def stop(self) -> None:
        """Stops following."""
        await self._supervisor.stop(LOOP)

    async def ping(self) -> None:
        """Nothing of its own can fail: Redis answers for itself."""

    @property
    def in_step(self) -> bool:
        """Whether nothing is missing."""
        return self._epoch > 0 and self._missing_up_to is None

    async def run(self) -> None:
        """Follows for ever."""
        async for message in self._source.subscribe(CHANNEL):
            await self.hear(message)

    async def hear(self, message: bytes | Gap) -> None:
        """One message of the leader."""
        if isinstance(message, Gap) or self._leadership.watching:
            self._number = -1  # whatever comes next does not follow on it
            return
        batch = decode(message)
        if batch.stamp.epoch < self._epoch:
            log.warning("a monitor of epoch %d still speaks; epoch %d leads", batch.stamp.epoch, self._epoch)
            return
        if batch.stamp.epoch > self._epoch:  # who leads now has still to connect
            self._live.expect(self._live.tracked())
        self._note_what_is_missing(batch)
        self._take(batch.changes, batch.suspect)
        if self._missing_up_to is not None:
            self._told_since.update(batch.changes.slots.tolist())
            await self._fill_in(batch)
        # 0: of a monitor that does not know the catalogue yet
        if self._missing_up_to is None and batch.stamp.beat_ns not in (0, self._beat_ns):
            self._beat_ns = batch.stamp.beat_ns
            self._live.beat(self._beat_ns)

    def _note_what_is_missing(self, batch: Batch) -> None:
        stamp, tracked = batch.stamp, self._live.tracked()
        follows_on = stamp.epoch == self._epoch and stamp.number == self._number + 1
        # what was told of a channel before this process knew it, was dropped
        if not follows_on or not np.array_equal(tracked, self._known):
            self._missing_up_to = stamp.number - 1
            self._told_since.clear()
        self._epoch, self._number, self._known = stamp.epoch, stamp.number, tracked

    async def _fill_in(self, batch: Batch) -> None:
        stamp = batch.stamp
        if self._missing_up_to is None or stamp.flushed < self._missing_up_to:
            return
        try:
            blocks = await self._source.mget([block_key(number) for number in range(stamp.blocks)])
        except Unavailable:
            return  # the next message tries again
        for block in blocks:
            if block is not None:
                self._take_block(decode(block), stamp.epoch)
        self._missing_up_to = None
        self._told_since.clear()
        self.resyncs += 1

    def _take_block(self, block: Batch, epoch: int) -> None:
        """What no delta has told since: a block may be older than they are."""
        if block.stamp.epoch != epoch:
            return
        changes = block.changes
        untold = np.fromiter(
            (slot not in self._told_since for slot in changes.slots.tolist()), np.bool_, len(changes.slots)
        )
        slots = changes.slots[untold]
        objects = {slot: value for slot, value in changes.objects.items() if slot not in self._told_since}
        meta_slots, meta, interned = changes.meta_slots, changes.meta, changes.interned
        rest = Changes(slots, changes.rows[untold], objects, meta_slots, meta, interned)
        self._take(rest, block.suspect[untold])

    def _take(self, changes: Changes, suspect: Mask) -> None:
        self._live.apply(changes)
        if suspect.any():
            self._live.suspect(changes.slots[suspect])
