"""Redis: one suite over fakeredis and redis-server."""

from __future__ import annotations

import asyncio
from contextlib import aclosing

import pytest

from backend.src.config.settings import CacheSettings
from backend.src.infra.cache import GAP, CacheUnavailable, Redis


async def test_keys(cache: Redis) -> None:
    assert await cache.get("a") is None
    await cache.set("a", b"\x00\xff")
    await cache.mset({"b": b"2", "c": b"3"})
    assert await cache.mget(["a", "nothing", "c"]) == [b"\x00\xff", None, b"3"]
    assert await cache.mget([]) == []
    assert await cache.delete("a", "nothing") == 1
    assert await cache.get("a") is None


async def test_a_value_with_a_time_to_live_goes_away(cache: Redis) -> None:
    await cache.set("a", b"1", ttl_s=60)
    assert await cache.get("a") == b"1"
    await cache.set("a", b"1", ttl_s=0.2)
    async with asyncio.timeout(20):
        while await cache.get("a") is not None:
            await asyncio.sleep(0.05)


async def test_counters(cache: Redis) -> None:
    assert [await cache.incr("n"), await cache.incr("n", 5)] == [1, 6]


async def test_ping(cache: Redis) -> None:
    await cache.ping()


async def test_a_subscription_begins_with_a_gap_and_then_has_every_message(cache: Redis) -> None:
    async with aclosing(cache.subscribe("news")) as messages:
        assert await anext(messages) is GAP
        for number in range(100):
            await cache.publish("news", b"%d" % number)
        async with asyncio.timeout(30):
            assert [await anext(messages) for _ in range(100)] == [b"%d" % number for number in range(100)]


async def test_channels_are_apart(cache: Redis) -> None:
    async with aclosing(cache.subscribe("a")) as messages:
        assert await anext(messages) is GAP
        await cache.publish("b", b"not for a")
        await cache.publish("a", b"for a")
        assert await anext(messages) == b"for a"


async def test_two_subscribers_both_hear(cache: Redis) -> None:
    async with aclosing(cache.subscribe("a")) as one, aclosing(cache.subscribe("a")) as two:
        assert (await anext(one), await anext(two)) == (GAP, GAP)
        assert await cache.publish("a", b"x") == 2
        assert (await anext(one), await anext(two)) == (b"x", b"x")


async def test_a_lease_has_one_holder(cache: Redis) -> None:
    one, two = cache.lease("monitor", 60.0), cache.lease("monitor", 60.0)
    first = await one.acquire()
    assert first is not None
    assert await two.acquire() is None
    assert not await two.renew()
    await two.release()  # not its own: changes nothing
    assert await one.renew()
    await one.release()
    second = await two.acquire()
    assert second is not None
    assert second > first
    assert not await one.renew()


async def test_the_epoch_grows_across_expiry(cache: Redis) -> None:
    one, two = cache.lease("monitor", 0.05), cache.lease("monitor", 0.05)
    epochs = []
    for lease in (one, two, one, two):
        epoch = await lease.acquire()
        assert epoch is not None
        epochs.append(epoch)
        await asyncio.sleep(0.08)
    assert epochs == sorted(set(epochs))
    assert not await two.renew()  # ran out


async def test_of_many_who_ask_at_once_one_gets_the_lease(cache: Redis) -> None:
    leases = [cache.lease("monitor", 60.0) for _ in range(20)]
    epochs = await asyncio.gather(*(lease.acquire() for lease in leases))
    assert len([epoch for epoch in epochs if epoch is not None]) == 1


async def test_floors_only_rise(cache: Redis) -> None:
    await cache.keep({"row": (b"v", 60)}, {"pvs": 7})
    await cache.keep({}, {"pvs": 3, "tags": 1})
    look = await cache.look("row", ["tags", "pvs", "unknown"])
    assert look.floors == {"pvs": 7, "tags": 1}
    assert look.value == b"v"
    assert look.server
    assert (await cache.look("other", ["pvs"])).value is None


async def test_closed_it_says_so(cache_settings: CacheSettings) -> None:
    redis = Redis.build(cache_settings)
    with pytest.raises(CacheUnavailable):
        await redis.get("a")
    await redis.start()
    await redis.stop()
    await redis.stop()
    with pytest.raises(CacheUnavailable):
        await redis.get("a")
