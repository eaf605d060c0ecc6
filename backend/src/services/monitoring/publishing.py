"""What the leading monitor tells the other processes.

Each interval one delta: the channels that changed, on the channel `live`, numbered within the leader's epoch. Each
second the changed blocks of 512 slots as keys, so that who missed a delta can read everything.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Mapping
from typing import Protocol

import numpy as np

from backend.src.config.settings import MonitorSettings
from backend.src.core.clock import Clock
from backend.src.core.errors import Unavailable
from backend.src.core.supervisor import Supervisor
from backend.src.services.live.batches import Batch, Stamp, encode
from backend.src.services.live.table import LiveTable, Slots
from backend.src.services.monitoring.leadership import Leadership

log = logging.getLogger(__name__)

CHANNEL = "live"
BLOCK = 512
FLUSH_S = 1.0
BEAT_S = 0.5
LOOP = "monitor.publish"


class Outlet(Protocol):
    """infra.cache's Redis, as far as the publisher needs it. Everything raises Unavailable."""

    async def mset(self, values: Mapping[str, bytes], ttl_s: float | None = None) -> None: ...
    async def publish(self, channel: str, message: bytes) -> int: ...


def block_key(number: int) -> str:
    """The key of a block of slots."""
    return f"live:block:{number}"


class Publisher:
    """Runs beside the monitor; silent while that does not lead."""

    def __init__(
        self,
        live: LiveTable,
        leadership: Leadership,
        outlet: Outlet,
        supervisor: Supervisor,
        clock: Clock,
        settings: MonitorSettings,
    ) -> None:
        self._live = live
        self._leadership = leadership
        self._outlet = outlet
        self._supervisor = supervisor
        self._clock = clock
        self._interval_s = settings.drain_interval_s
        self._begin(0)

    def _begin(self, epoch: int) -> None:
        self._epoch = epoch
        self._number = self._flushed = 0
        self._told = self._kept = 0  # sequence numbers of the live table
        self._flushed_at = self._spoke_at = 0.0

    async def start(self) -> None:
        """Starts publishing."""
        self._supervisor.start_loop(LOOP, self.run)

    async def stop(self) -> None:
        """Stops publishing; before the monitor gives its lease back."""
        await self._supervisor.stop(LOOP)

    async def ping(self) -> None:
        """Nothing of its own can fail."""

    async def run(self) -> None:
        """Publishes once an interval, for ever."""
        while True:
            await asyncio.sleep(self._interval_s)
            try:
                await self.publish_once()
            except Unavailable as exc:
                # nothing counts as told; should it have arrived after all, its number comes twice and the copies notice
                log.debug("not published: %s", exc.message)

    async def publish_once(self) -> bool:
        """One delta, and the blocks when they are due. False when this process may not speak, or has nothing to say."""
        if not self._may_speak():
            return False
        if self._leadership.epoch != self._epoch:
            self._begin(self._leadership.epoch)
        if self._clock.monotonic() - self._flushed_at >= FLUSH_S and self._number:
            await self._flush()
        slots, sequence = self._live.changed_since(self._told)
        if not len(slots) and self._clock.monotonic() - self._spoke_at < BEAT_S:
            return False
        message = encode(self._batch(slots, self._number + 1, meta_since=self._told))
        if not self._may_speak():  # encoding took its time
            return False
        await self._outlet.publish(CHANNEL, message)
        self._number, self._told, self._spoke_at = self._number + 1, sequence, self._clock.monotonic()
        return True

    async def _flush(self) -> None:
        """Blocks hold every change up to `_told`, and maybe newer ones."""
        number = self._number
        slots, sequence = self._live.changed_since(self._kept)
        values = {block_key(block): self._block(block) for block in np.unique(slots // BLOCK).tolist()}
        if not self._may_speak():
            return
        if values:
            await self._outlet.mset(values)
        self._flushed, self._kept, self._flushed_at = number, sequence, self._clock.monotonic()

    def _block(self, block: int) -> bytes:
        tracked = self._live.tracked()
        return encode(self._batch(tracked[tracked // BLOCK == block], self._number))

    def _may_speak(self) -> bool:
        return self._leadership.publishing

    def _batch(self, slots: Slots, number: int, *, meta_since: int = -1) -> Batch:
        changes, suspect = self._live.export(slots, meta_since=meta_since)
        tracked = self._live.tracked()
        blocks = int(tracked[-1]) // BLOCK + 1 if len(tracked) else 0
        stamp = Stamp(self._epoch, number, self._flushed, blocks, self._live.heartbeat().beat_ns)
        return Batch(stamp, changes, suspect)
