"""Who listens to what, and what they are still to be told."""

from __future__ import annotations

import numpy as np
import pytest

from backend.src.config.settings import StreamingSettings
from backend.src.core.errors import TooMany
from backend.src.services.live import LiveTable
from backend.src.services.live.table import Slots
from backend.src.services.streaming import SubscriptionRegistry
from tests.manual_clock import ManualClock
from tests.unit.services.readings import batch


@pytest.fixture
def live() -> LiveTable:
    table = LiveTable(ManualClock(), stale_after_s=3.0)
    table.track(range(100))
    return table


@pytest.fixture
def registry(live: LiveTable) -> SubscriptionRegistry:
    return SubscriptionRegistry(live, StreamingSettings(max_clients=2, max_subscriptions=3))


def slots(*numbers: int) -> Slots:
    return np.array(numbers, np.int32)


def test_a_client_is_told_of_its_own_channels_once(registry: SubscriptionRegistry, live: LiveTable) -> None:
    client = registry.enter()
    client.add(["A", "B"], slots(1, 2))
    live.apply(batch({1: 1.0, 3: 3.0}))
    pending = client.pending()
    assert pending.names == ["A"]
    client.told(pending)
    assert client.pending().names == []


def test_a_slow_client_misses_values_but_never_the_newest(registry: SubscriptionRegistry, live: LiveTable) -> None:
    client = registry.enter()
    client.add(["A"], slots(1))
    for value in range(1000):
        live.apply(batch({1: float(value)}))
    pending = client.pending()
    assert pending.names == ["A"]
    assert live.frame(pending.slots).value(0) == 999.0
    live.apply(batch({1: -1.0}))  # between the look and the message
    client.told(pending)
    assert client.pending().names == ["A"]


def test_two_spellings_of_one_channel_are_both_told(registry: SubscriptionRegistry, live: LiveTable) -> None:
    client = registry.enter()
    client.add(["A", "ca://A"], slots(1, 1))
    live.apply(batch({1: 1.0}))
    assert client.pending().names == ["A", "ca://A"]
    assert registry.counts().unique_pvs == 1


def test_unsubscribing_ends_it(registry: SubscriptionRegistry, live: LiveTable) -> None:
    client = registry.enter()
    client.add(["A", "B"], slots(1, 2))
    assert client.remove(["A", "A", "NEVER"]) == ["A"]
    live.apply(batch({1: 1.0, 2: 2.0}))
    assert client.pending().names == ["B"]


def test_a_deleted_channel_is_told(registry: SubscriptionRegistry, live: LiveTable) -> None:
    client = registry.enter()
    client.add(["A"], slots(1))
    live.apply(batch({1: 1.0}))
    client.told(client.pending())
    live.forget([1])
    pending = client.pending()
    assert pending.names == ["A"]
    assert live.frame(pending.slots).value(0) is None


def test_limits_are_refused_clearly(registry: SubscriptionRegistry) -> None:
    client = registry.enter()
    client.add(["A", "B"], slots(1, 2))
    with pytest.raises(TooMany, match="4 subscriptions are more than the 3"):
        client.add(["C", "D"], slots(3, 4))
    assert len(client) == 2
    registry.enter()
    with pytest.raises(TooMany, match="2 clients"):
        registry.enter()
    registry.leave(client)
    registry.leave(client)
    registry.enter()


async def test_a_registry_that_stopped_takes_nobody(registry: SubscriptionRegistry) -> None:
    await registry.stop()
    with pytest.raises(TooMany, match="stopping"):
        registry.enter()
    await registry.start()
    registry.enter()


def test_counts(registry: SubscriptionRegistry, live: LiveTable) -> None:
    one, two = registry.enter(), registry.enter()
    one.add(["A", "B"], slots(1, 2))
    two.add(["B"], slots(2))
    live.apply(batch({1: 1.0}))
    one.told(one.pending())
    registry.leave(one)
    counts = registry.counts()
    assert (counts.clients, counts.subscriptions, counts.unique_pvs, counts.messages) == (1, 1, 1, 1)
