"""A lease that one holder has at a time, with a fencing epoch that only grows.

The epoch is a hybrid clock: at least the wall clock in ms, and one more each time. So it grows even when Redis
comes back empty or from an old dump. Everything is MULTI and WATCH, no Lua: fakeredis does it as it is.
"""

from __future__ import annotations

import secrets
import time
from collections.abc import Awaitable, Callable
from typing import Any

from redis.asyncio import Redis as Client
from redis.exceptions import WatchError

Guard = Callable[[Callable[[], Awaitable[Any]]], Awaitable[Any]]


class Lease:
    """One process's claim; made by Redis.lease. Its operations raise CacheUnavailable."""

    def __init__(self, client: Callable[[], Client], guard: Guard, key: str, ttl_s: float) -> None:
        self._client = client
        self._guard = guard
        self._key = key
        self._ttl_ms = max(1, round(ttl_s * 1000))
        self._token = secrets.token_hex(16).encode()
        self.epoch = 0

    async def acquire(self) -> int | None:
        """The epoch of this tenure, greater than any before it; None while another holds the lease."""
        self.epoch = 0
        epoch: int | None = await self._guard(self._acquire)
        self.epoch = epoch or 0
        return epoch

    async def renew(self) -> bool:
        """Prolongs it by its whole time to live. False when it is lost; it must be acquired anew then."""
        return bool(await self._guard(lambda: self._if_ours("pexpire")))

    async def release(self) -> None:
        """Lets another have it at once; harmless when it is not held."""
        self.epoch = 0
        await self._guard(lambda: self._if_ours("delete"))

    async def _acquire(self) -> int | None:
        epochs = f"{self._key}:epoch"
        async with self._client().pipeline(transaction=True) as pipe:
            pipe.set(self._key, self._token, nx=True, px=self._ttl_ms)
            pipe.zadd(epochs, {"epoch": time.time_ns() // 1_000_000}, gt=True)
            pipe.zincrby(epochs, 1, "epoch")
            taken, _, epoch = await pipe.execute()
        return int(epoch) if taken else None

    async def _if_ours(self, action: str) -> bool:
        async with self._client().pipeline(transaction=True) as pipe:
            await pipe.watch(self._key)
            if await pipe.get(self._key) != self._token:
                return False
            pipe.multi()  # type: ignore[no-untyped-call]
            if action == "pexpire":
                pipe.pexpire(self._key, self._ttl_ms)
            else:
                pipe.delete(self._key)
            try:
                return bool((await pipe.execute())[0])
            except WatchError:  # it ran out, or changed hands, between the look and the deed
                return False
