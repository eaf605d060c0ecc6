"""Redis that dies, freezes and comes back: against servers of this file's own."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import aclosing, asynccontextmanager
from typing import TypeVar

import pytest

from backend.src.config.settings import CacheSettings, Secret
from backend.src.core.errors import StartFailed
from backend.src.infra.cache import GAP, CacheUnavailable, Redis
from tests.contracts.served_time import ServedTime
from tests.servers.redis_server import RedisServer, running_redis

T = TypeVar("T")


@pytest.fixture
def server() -> Iterator[RedisServer]:
    with running_redis() as server:
        yield server


@pytest.fixture(params=["socket", "tcp"])
def tcp(request: pytest.FixtureRequest) -> bool:
    return bool(request.param == "tcp")


@pytest.fixture
async def cache(tcp: bool, server: RedisServer) -> AsyncIterator[Redis]:
    """Patient: a server that died refuses at once, and one that is late on a busy machine is not away."""
    async with opened(server.settings(tcp=tcp, timeout_s=30.0)) as redis:
        yield redis


@asynccontextmanager
async def opened(settings: CacheSettings) -> AsyncIterator[Redis]:
    redis: Redis = Redis.build(settings)
    await redis.start()
    yield redis
    await redis.stop()


async def back(redis: Redis) -> None:
    """Waits until it works again."""
    await patiently(redis.ping)


async def patiently(ask: Callable[[], Awaitable[T]]) -> T:
    """Again until it is answered: for who has a short time-out, on a machine that may be busy for longer."""
    async with asyncio.timeout(30):
        while True:
            try:
                return await ask()
            except CacheUnavailable:
                await asyncio.sleep(0.02)


async def test_a_dead_server_costs_one_timeout_and_then_nothing(tcp: bool, server: RedisServer) -> None:
    async with opened(server.settings(tcp=tcp, timeout_s=1.0)) as cache:
        await patiently(lambda: cache.set("a", b"1"))
        server.freeze()
        try:
            started = time.monotonic()
            async with ServedTime() as took:
                with pytest.raises(CacheUnavailable) as caught:
                    await cache.get("a")
            assert time.monotonic() - started > 0.9 and took.seconds < 2
            assert caught.value.remedy is not None
            async with ServedTime() as took:
                for _ in range(200):
                    with pytest.raises(CacheUnavailable):
                        await cache.get("a")
            assert took.seconds < 0.3
        finally:
            server.thaw()
        assert await patiently(lambda: cache.get("a")) == b"1"


async def test_it_works_again_after_a_restart(cache: Redis, server: RedisServer) -> None:
    before = (await cache.look("a", ["pvs"])).server
    server.kill()
    with pytest.raises(CacheUnavailable):
        await cache.get("a")
    server.start()
    await back(cache)
    assert (await cache.look("a", ["pvs"])).server != before


async def test_a_restart_between_two_calls_is_seen(cache: Redis, server: RedisServer) -> None:
    before = (await cache.look("a", ["pvs"])).server
    server.kill()
    server.start()
    try:
        after = (await cache.look("a", ["pvs"])).server
    except CacheUnavailable:
        await back(cache)
        after = (await cache.look("a", ["pvs"])).server
    assert after != before


async def test_a_subscription_outlives_a_restart_and_tells_of_the_gap(cache: Redis, server: RedisServer) -> None:
    async with aclosing(cache.subscribe("news")) as messages, asyncio.timeout(20):
        assert await anext(messages) is GAP
        await cache.publish("news", b"1")
        assert await anext(messages) == b"1"
        server.kill()
        server.start()
        assert await anext(messages) is GAP
        await back(cache)
        await cache.publish("news", b"2")
        assert await anext(messages) == b"2"


async def test_a_subscription_may_begin_while_the_server_is_away(cache: Redis, server: RedisServer) -> None:
    server.kill()
    async with aclosing(cache.subscribe("news")) as messages, asyncio.timeout(20):
        first = asyncio.ensure_future(anext(messages))
        await asyncio.sleep(0.2)
        assert not first.done()
        server.start()
        assert await first is GAP


@pytest.mark.parametrize("keeps", ["nothing", "an old dump"])
async def test_the_epoch_grows_across_a_restart(cache: Redis, server: RedisServer, keeps: str) -> None:
    one, two = cache.lease("monitor", 60.0), cache.lease("monitor", 0.05)
    server.save()
    first = await one.acquire()
    assert first is not None
    server.kill()
    if keeps == "nothing":
        server.forget()
    server.start()
    with pytest.raises(CacheUnavailable):
        while True:
            await cache.ping()
            await asyncio.sleep(0.01)
            if not await one.renew():
                raise CacheUnavailable("the lease went with the server")
    await back(cache)
    second = await two.acquire()
    assert second is not None
    assert second > first


async def test_without_a_server_it_starts_and_says_so() -> None:
    redis = Redis.build(CacheSettings(socket="/nonexistent/redis.sock", timeout_s=0.2))
    await redis.start()
    with pytest.raises(CacheUnavailable, match="/nonexistent/redis"):
        await redis.ping()
    await redis.stop()


async def test_a_wrong_password_stops_the_start(server: RedisServer) -> None:
    with server.client() as client:
        client.config_set("requirepass", "right")
    for password in ("", "wrong"):
        redis = Redis.build(CacheSettings(socket=server.socket, password=Secret(password), timeout_s=30.0))
        with pytest.raises(StartFailed) as caught:
            await redis.start()
        assert caught.value.remedy == "correct REDIS_PASSWORD"
    redis = Redis.build(CacheSettings(socket=server.socket, password=Secret("right"), timeout_s=30.0))
    await redis.start()
    await redis.ping()
    await redis.stop()
