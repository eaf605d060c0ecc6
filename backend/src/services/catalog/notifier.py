"""Word of a change to the other processes, through Redis."""

from __future__ import annotations

from typing import Protocol

CHANNEL = "catalog"


class Publisher(Protocol):
    """infra.cache's Redis, as far as this needs it."""

    async def publish(self, channel: str, message: bytes) -> int:
        """Sends to whoever listens now. Raises Unavailable."""


class RedisNotifier:
    """Publishes the new version on the channel `catalog`, as decimal digits."""

    def __init__(self, redis: Publisher) -> None:
        self._redis = redis

    async def catalog_changed(self, version: int) -> None:
        """Raises Unavailable when Redis is away; the monitor looks at the version by itself too."""
        await self._redis.publish(CHANNEL, str(version).encode())
