"""One minute's count, over Redis and without it: the limit holds over all processes, and Redis may go."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from backend.src.config.settings import CacheSettings
from backend.src.infra.cache import RateCounter, Redis
from tests.servers.redis_server import RedisServer, running_redis

SHARE_S = 50  # of each minute, within which a test begins: at its end what was counted weighs less


@pytest.fixture(autouse=True)
async def one_minute() -> None:
    """A test counts within one minute."""
    while time.time() % 60 > SHARE_S:
        await asyncio.sleep(1)


@asynccontextmanager
async def redis_of(settings: CacheSettings) -> AsyncIterator[Redis]:
    redis: Redis = Redis.build(settings)
    await redis.start()
    yield redis
    await redis.stop()


@pytest.fixture
def counter(cache: Redis) -> RateCounter:
    return cache.rate_counter()


async def test_no_more_than_the_limit_is_granted(counter: RateCounter) -> None:
    counts = [await counter.take("a", 10, 1) for _ in range(12)]
    assert [one.granted for one in counts] == [True] * 10 + [False] * 2
    assert [one.remaining for one in counts] == [*range(9, -1, -1), 0, 0]
    assert 0 <= counts[-1].retry_after_s <= 120
    assert (await counter.take("b", 10, 1)).granted


async def test_a_chunk_is_granted_whole_or_not_at_all(counter: RateCounter) -> None:
    assert (await counter.take("a", 10, 8)).remaining == 2
    assert not (await counter.take("a", 10, 3)).granted
    assert (await counter.take("a", 10, 2)).granted


async def test_a_crowd_gets_no_more(counter: RateCounter) -> None:
    counts = await asyncio.gather(*(counter.take("a", 10, 1) for _ in range(40)))
    assert sum(one.granted for one in counts) == 10


async def test_processes_share_the_count(redis_server: RedisServer) -> None:
    async with redis_of(redis_server.settings(prefix="rates-shared", timeout_s=30.0)) as redis:
        one, other = redis.rate_counter(), redis.rate_counter()
        granted = [(await counter.take("a", 10, 1)).granted for _ in range(10) for counter in (one, other)]
        assert sum(granted) == 10
    with redis_server.client() as client:
        keys = client.keys("rates-shared:rate*")
        assert keys and all(0 < client.ttl(key) <= 120 for key in keys)


async def test_each_counts_for_itself_while_redis_is_away() -> None:
    with running_redis() as server:
        async with redis_of(server.settings(timeout_s=30.0)) as redis:
            counter = redis.rate_counter()
            assert (await counter.take("a", 2, 1)).granted
            server.kill()
            assert [(await counter.take("a", 2, 1)).granted for _ in range(3)] == [True, True, False]
            server.start()
            await redis.probe_once()
            assert [(await counter.take("a", 2, 1)).granted for _ in range(3)] == [True, True, False]
