"""A cancellation is never lost on the way through Redis."""

from __future__ import annotations

import asyncio

import pytest

from backend.src.config.settings import CacheSettings
from backend.src.infra.cache import Redis
from backend.src.infra.cache.errors import CacheUnavailable


async def deaf() -> bytes:
    """As asyncio.wait_for before Python 3.12, when the answer comes in the turn of the cancellation."""
    try:
        await asyncio.sleep(60)
    except asyncio.CancelledError:
        return b"the answer"
    raise AssertionError


async def test_a_cancellation_that_the_client_swallows_ends_the_caller_all_the_same() -> None:
    redis: Redis = Redis.build(CacheSettings())
    asking = asyncio.ensure_future(redis._guarded(deaf))
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    asking.cancel()
    with pytest.raises(asyncio.CancelledError):
        await asking


async def test_what_takes_too_long_is_no_cancellation() -> None:
    redis: Redis = Redis.build(CacheSettings(host="127.0.0.1", timeout_s=0.05))
    with pytest.raises(CacheUnavailable, match=r"no answer in 0\.05 s"):
        await redis._guarded(lambda: asyncio.sleep(60))
    task = asyncio.current_task()
    assert task is not None and task.cancelling() == 0
