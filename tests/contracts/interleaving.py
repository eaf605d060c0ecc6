"""Readers and writers of cached rows, stepped one at a time past each call to the cache.

Real databases and real Redis servers underneath: only the order of what happens is chosen, by hypothesis.
"""

from __future__ import annotations

import asyncio
from collections.abc import Collection, Coroutine, Mapping
from contextvars import ContextVar
from typing import Any

from backend.src.core.errors import Unavailable
from backend.src.infra.cache import Redis
from backend.src.infra.sql.row_cache import Look

_actor: ContextVar[Actor | None] = ContextVar("actor", default=None)


class Died(BaseException):
    """The process ended here."""


class Actor:
    """One read or write under way, which stops at each `park`."""

    def __init__(self, loop: asyncio.AbstractEventLoop, work: Coroutine[Any, Any, Any], about: Any) -> None:
        self.about = about
        self.dying = False
        self._loop = loop
        self._go = asyncio.Event()
        self._parked = asyncio.Event()
        self.task = loop.create_task(self._run(work))
        self._settle()

    async def _run(self, work: Coroutine[Any, Any, Any]) -> Any:
        _actor.set(self)
        return await work

    async def park(self) -> None:
        """Waits for the next step."""
        if self.dying:
            raise Died
        self._go.clear()
        self._parked.set()
        await self._go.wait()
        if self.dying:
            raise Died

    def step(self) -> bool:
        """Goes on to the next park, or to the end. Returns whether it has ended."""
        self._parked.clear()
        self._go.set()
        return self._settle()

    def _settle(self) -> bool:
        async def settled() -> None:
            parked = asyncio.ensure_future(self._parked.wait())
            await asyncio.wait({parked, self.task}, return_when=asyncio.FIRST_COMPLETED)
            parked.cancel()

        self._loop.run_until_complete(settled())
        return self.task.done()


class SteppedCache:
    """A Redis at which whoever calls waits to be stepped, before and after; and which can be cut off."""

    def __init__(self, redis: Redis) -> None:
        self.redis = redis
        self.cut_off = False

    @property
    def server(self) -> str:
        return self.redis.server

    async def look(self, key: str, tables: Collection[str]) -> Look:
        await self._stop()
        look = await self.redis.look(key, tables)
        await self._stop()
        return look

    async def keep(self, values: Mapping[str, tuple[bytes, float]], floors: Mapping[str, int]) -> None:
        await self._stop()
        await self.redis.keep(values, floors)
        await self._stop()

    async def _stop(self) -> None:
        actor = _actor.get()
        if actor is not None:
            await actor.park()
        if self.cut_off:
            raise Unavailable("cut off")
