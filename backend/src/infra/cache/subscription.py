"""A channel's messages as an async iterator that outlives the connection and tells where something may be missing."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncGenerator, Callable
from contextlib import aclosing, suppress
from enum import Enum

from redis.asyncio import Redis as Client
from redis.asyncio.client import PubSub
from redis.exceptions import RedisError

log = logging.getLogger(__name__)

SILENCE_S = 2.0  # after which the server is asked whether it is still there
FIRST_PAUSE_S = 0.05
LONGEST_PAUSE_S = 1.0


class Gap(Enum):
    """In place of a message: some may have been missed; resynchronise from the keys."""

    GAP = "gap"


GAP = Gap.GAP


async def messages(client: Callable[[], Client], channel: str) -> AsyncGenerator[bytes | Gap, None]:
    """For ever: GAP once subscribed (again), then each message. Ends only by cancelling or closing it."""
    pause_s = FIRST_PAUSE_S
    while True:
        try:
            async with aclosing(_while_connected(client(), channel)) as connected:
                async for message in connected:
                    pause_s = FIRST_PAUSE_S
                    yield message
        except (RedisError, OSError, TimeoutError) as error:
            log.warning("subscription to %s lost: %s", channel, error)
        await asyncio.sleep(pause_s)
        pause_s = min(pause_s * 2, LONGEST_PAUSE_S)


async def _while_connected(client: Client, channel: str) -> AsyncGenerator[bytes | Gap, None]:
    pubsub = client.pubsub()
    try:
        await pubsub.subscribe(channel)
        asked = False
        while True:
            message = await pubsub.get_message(timeout=SILENCE_S)
            if message is None and asked:
                raise TimeoutError(f"no sign of life in {2 * SILENCE_S:g} s")
            asked = message is None
            if message is None:
                await pubsub.ping()
            elif message["type"] == "subscribe":  # ours, or the client's own after it reconnected unasked
                yield GAP
            elif message["type"] == "message":
                yield message["data"]
    finally:
        await _close(pubsub)


async def _close(pubsub: PubSub) -> None:
    with suppress(RedisError, OSError):
        await pubsub.aclose()  # type: ignore[no-untyped-call]
