"""What a consumer of `drain` does, for tests: keeps the latest row, object and metadata of each slot."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from typing import Any

from backend.src.infra.epics import Epics
from backend.src.infra.epics.frame import Flag, PvValue, row_value

STEP_S = 0.02


class Watcher:
    """Drains until something is true."""

    def __init__(self, epics: Epics) -> None:
        self._epics = epics
        self.rows: dict[int, Any] = {}
        self.objects: dict[int, PvValue] = {}
        self.units: dict[int, str] = {}
        self.choices: dict[int, tuple[str, ...]] = {}
        self.precisions: dict[int, int] = {}
        self.longest_drain_s = 0.0

    def drain(self) -> set[int]:
        """Takes what changed; returns the slots."""
        started = time.perf_counter()
        changes = self._epics.drain()
        self.longest_drain_s = max(self.longest_drain_s, time.perf_counter() - started)
        self.rows.update(zip(changes.slots.tolist(), changes.rows, strict=True))
        self.objects.update(changes.objects)
        for slot, meta in zip(changes.meta_slots.tolist(), changes.meta, strict=True):
            self.units[slot] = changes.units[int(meta["units"])]
            self.choices[slot] = changes.choices[int(meta["choices"])]
            self.precisions[slot] = int(meta["precision"])
        return set(changes.slots.tolist())

    async def until(self, condition: Callable[[], bool], timeout_s: float = 30.0) -> None:
        """Drains again and again; fails when the condition does not come true."""
        deadline = time.monotonic() + timeout_s
        while not condition():
            assert time.monotonic() < deadline, f"not within {timeout_s} s; {len(self.rows)} rows seen"
            await asyncio.sleep(STEP_S)
            self.drain()

    def value(self, slot: int) -> PvValue:
        """The latest value, None for a slot never seen."""
        row = self.rows.get(slot)
        return None if row is None else row_value(row, self.objects.get(slot))

    def connected(self, slot: int) -> bool:
        """Whether the latest row says so."""
        row = self.rows.get(slot)
        return row is not None and bool(int(row["flags"]) & Flag.CONNECTED)
