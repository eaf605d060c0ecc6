"""Time as an event loop was served: for limits that hold however long the machine stood still meanwhile."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from types import TracebackType
from typing import Self

TICK_S = 0.02


class ServedTime:
    """Counts turns of the loop, 20 ms apart: one that comes late, for the machine was busy, counts as one all the same.

    async with ServedTime() as took:
        await something_that_waits()
    assert took.seconds < 2

    It never counts more than has passed. Whatever waits in the loop for longer than it may is counted in full.
    """

    def __init__(self) -> None:
        self.seconds = 0.0
        self._counting: asyncio.Task[None] | None = None

    async def __aenter__(self) -> Self:
        self._counting = asyncio.create_task(self._count())
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        assert self._counting is not None
        self._counting.cancel()
        with suppress(asyncio.CancelledError):
            await self._counting

    async def _count(self) -> None:
        while True:
            await asyncio.sleep(TICK_S)
            self.seconds += TICK_S
