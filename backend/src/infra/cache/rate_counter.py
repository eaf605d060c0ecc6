"""How often something happened within the last minute, over all processes: the library `limits` over Redis.

A counter in this process stands in while Redis is away, and is all there is when Redis is embedded.
The sliding window counter, because its cost does not grow with the limit: a log of 30,000 moments would.
"""

from __future__ import annotations

import math
import time
from collections.abc import Awaitable, Callable
from typing import Any, NamedTuple

from limits import RateLimitItemPerMinute
from limits.aio.storage import MemoryStorage, RedisStorage
from limits.aio.strategies import SlidingWindowCounterRateLimiter
from redis.asyncio import Redis as Client

from backend.src.infra.cache.errors import CacheUnavailable


class Count(NamedTuple):
    """Whether what was asked for was granted, and what is left; when it was not, after which time to ask again."""

    granted: bool
    remaining: int
    retry_after_s: float


class SharedRedis(NamedTuple):
    """What infra/cache/redis.py lends: its client while it is open, its guard against one that is away, a prefix."""

    client: Callable[[], Client]
    guarded: Callable[[Callable[[], Awaitable[Any]]], Awaitable[Any]]
    prefix: str


class RateCounter:
    """Counts by key: over Redis, or, without one, in this process alone."""

    def __init__(self, redis: SharedRedis | None = None) -> None:
        self._redis = redis
        self._here = SlidingWindowCounterRateLimiter(MemoryStorage())
        self._shared: tuple[Client, SlidingWindowCounterRateLimiter] | None = None

    async def take(self, key: str, per_minute: int, amount: int) -> Count:
        """Counts `amount` more of `key` unless that would be more than the limit."""
        item = RateLimitItemPerMinute(per_minute)
        if self._redis is not None:
            redis = self._redis
            try:
                count: Count = await redis.guarded(lambda: _take(self._over(redis), item, key, amount))
                return count
            except CacheUnavailable:
                pass  # health says so; each process counts for itself meanwhile
        return await _take(self._here, item, key, amount)

    def _over(self, redis: SharedRedis) -> SlidingWindowCounterRateLimiter:
        client = redis.client()
        if self._shared is None or self._shared[0] is not client:
            options: Any = {"connection_pool": client.connection_pool}
            storage = RedisStorage("async+redis://", implementation="redispy", key_prefix=redis.prefix, **options)
            self._shared = client, SlidingWindowCounterRateLimiter(storage)
        return self._shared[1]


async def _take(limiter: SlidingWindowCounterRateLimiter, item: RateLimitItemPerMinute, key: str, amount: int) -> Count:
    granted = await limiter.hit(item, key, cost=amount)
    stats = await limiter.get_window_stats(item, key)
    return Count(granted, stats.remaining, max(0.0, stats.reset_time - time.time()) if not granted else math.nan)
