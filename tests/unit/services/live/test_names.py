"""From written names to slots."""

from __future__ import annotations

import numpy as np

from backend.src.services.live import LiveNames
from tests.unit.services.catalogue import inventory_of


def test_any_spelling_finds_the_slot() -> None:
    inventory = inventory_of("A", "B", "pva://C")
    named = LiveNames().find(inventory, ["A", "ca://A", "CA://B", "pva://C", "pva://A", "nonsense name", "", "A"])
    assert named.names == ["A", "ca://A", "CA://B", "pva://C"]
    assert named.slots.tolist() == [1, 1, 2, 3]
    assert named.unknown == ["pva://A", "nonsense name", ""]


def test_a_channel_that_no_pv_uses_any_more_is_unknown() -> None:
    inventory = inventory_of("A", "B", unused=["GONE"])
    assert LiveNames().find(inventory, ["GONE", "ca://GONE"]).unknown == ["GONE", "ca://GONE"]


def test_a_new_version_of_the_catalogue_is_seen() -> None:
    names = LiveNames()
    assert names.find(inventory_of("A", version=1), ["B"]).unknown == ["B"]
    assert names.find(inventory_of("A", "B", version=2), ["B"]).slots.tolist() == [2]


def test_everything_is_under_its_short_name() -> None:
    named = LiveNames().everything(inventory_of("A", "pva://C"))
    assert named.names == ["A", "pva://C"]
    np.testing.assert_array_equal(named.slots, [1, 2])
