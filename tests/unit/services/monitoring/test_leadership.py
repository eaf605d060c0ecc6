"""Who monitors, and when they must stop saying so."""

from __future__ import annotations

import pytest

from backend.src.infra.cache import CacheUnavailable
from backend.src.services.monitoring import Leadership, State
from tests.manual_clock import ManualClock

TTL_S = 5.0


class FakeRedis:
    """One lease, in the manual clock's time."""

    def __init__(self, clock: ManualClock) -> None:
        self.clock = clock
        self.away = False
        self.holder: object = None
        self.until = 0.0
        self.epoch = 0

    def lease(self) -> FakeLease:
        return FakeLease(self)

    def look(self) -> None:
        if self.away:
            raise CacheUnavailable("Redis is away")
        if self.clock.monotonic() >= self.until:
            self.holder = None


class FakeLease:
    """Implements leadership's Lease."""

    def __init__(self, redis: FakeRedis) -> None:
        self.redis = redis

    async def acquire(self) -> int | None:
        self.redis.look()
        if self.redis.holder is not None:
            return None
        self.redis.epoch += 1
        self.redis.holder, self.redis.until = self, self.redis.clock.monotonic() + TTL_S
        return self.redis.epoch

    async def renew(self) -> bool:
        self.redis.look()
        if self.redis.holder is not self:
            return False
        self.redis.until = self.redis.clock.monotonic() + TTL_S
        return True

    async def release(self) -> None:
        self.redis.look()
        if self.redis.holder is self:
            self.redis.holder = None


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock()


@pytest.fixture
def redis(clock: ManualClock) -> FakeRedis:
    return FakeRedis(clock)


def contender(redis: FakeRedis) -> Leadership:
    return Leadership(redis.lease(), redis.clock, ttl_s=TTL_S)


async def test_without_a_lease_it_always_leads(clock: ManualClock) -> None:
    alone = Leadership(None, clock, ttl_s=TTL_S)
    await alone.check_once()
    clock.advance(1e6)
    assert alone.state is State.LEADING and alone.publishing


async def test_one_leads_and_the_other_stands_by(redis: FakeRedis) -> None:
    first, second = contender(redis), contender(redis)
    await first.check_once()
    await second.check_once()
    assert (first.state, second.state) == (State.LEADING, State.STANDBY)
    assert not second.watching


async def test_a_leader_that_renews_goes_on(redis: FakeRedis, clock: ManualClock) -> None:
    first, second = contender(redis), contender(redis)
    await first.check_once()
    for _ in range(20):
        clock.advance(first.interval_s)
        await first.check_once()
        await second.check_once()
    assert (first.state, second.state) == (State.LEADING, State.STANDBY)


async def test_a_leader_that_hangs_is_silent_before_the_next_may_start(redis: FakeRedis, clock: ManualClock) -> None:
    first, second = contender(redis), contender(redis)
    await first.check_once()
    while second.state is not State.LEADING:
        clock.advance(0.01)
        await second.check_once()
        assert not (first.publishing and second.publishing)
    assert not first.publishing
    await first.check_once()
    assert first.state is State.STANDBY
    assert second.epoch > first.epoch


async def test_a_leader_that_resigns_makes_room_at_once(redis: FakeRedis) -> None:
    first, second = contender(redis), contender(redis)
    await first.check_once()
    await first.resign()
    await second.check_once()
    assert not first.watching
    assert second.publishing


async def test_without_redis_it_watches_for_itself_but_publishes_nothing(redis: FakeRedis, clock: ManualClock) -> None:
    leader = contender(redis)
    await leader.check_once()
    redis.away = True
    for _ in range(5):
        clock.advance(leader.interval_s)
        await leader.check_once()
    assert leader.state is State.ALONE
    assert leader.watching and not leader.publishing
    redis.away = False
    await leader.check_once()
    assert leader.publishing


async def test_after_an_outage_the_one_that_lost_the_race_stands_by(redis: FakeRedis, clock: ManualClock) -> None:
    first, second = contender(redis), contender(redis)
    await first.check_once()
    redis.away = True
    clock.advance(2 * TTL_S)
    await first.check_once()
    await second.check_once()
    redis.away = False
    await second.check_once()
    await first.check_once()
    assert (first.state, second.state) == (State.STANDBY, State.LEADING)


async def test_a_leader_whose_lease_another_has_got_stands_by_at_once(redis: FakeRedis) -> None:
    first, second = contender(redis), contender(redis)
    await first.check_once()
    redis.holder = None  # Redis came back empty
    await second.check_once()
    await first.check_once()
    assert (first.state, second.state) == (State.STANDBY, State.LEADING)
