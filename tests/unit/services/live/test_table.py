"""The live table: what comes in, what goes out, and how true it says it is."""

from __future__ import annotations

import numpy as np
import pytest

from backend.src.infra.epics.frame import Flag, ValueType
from backend.src.services.live.table import CONNECT_S, LiveTable
from tests.manual_clock import ManualClock
from tests.unit.services.readings import batch, described, lost


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock()


@pytest.fixture
def live(clock: ManualClock) -> LiveTable:
    table = LiveTable(clock, stale_after_s=3.0)
    table.track(range(10))
    table.beat()
    return table


def values(table: LiveTable, *slots: int) -> list[object]:
    frame = table.frame(slots)
    return [frame.value(row) for row in range(len(slots))]


def test_latest_value_wins_and_scalars_come_back(live: LiveTable) -> None:
    live.apply(batch({1: 1.5, 2: 2.5}))
    live.apply(batch({2: 3.5}))
    live.apply(batch({3: 2**63 - 1}, ValueType.INT64))
    assert values(live, 1, 2, 3, 4) == [1.5, 3.5, 2**63 - 1, None]


def test_text_and_arrays_travel_beside_the_rows(live: LiveTable) -> None:
    live.apply(batch({1: "on", 2: ["a", ""], 3: np.array([1.0, np.nan])}, ValueType.STRING))
    assert values(live, 2, 1)[:2] == [["a", ""], "on"]
    np.testing.assert_array_equal(values(live, 3)[0], [1.0, np.nan])


def test_a_slot_of_minus_one_or_beyond_the_table_is_a_channel_never_seen(live: LiveTable) -> None:
    live.apply(batch({0: 7.0, 9: 9.0}))
    frame = live.frame(np.array([-1, 9, 5_000_000]))
    assert [frame.value(row) for row in range(3)] == [None, 9.0, None]
    assert frame.connected.tolist() == [False, True, False]
    assert live.stale([-1, 9, 5_000_000]).tolist() == [True, False, True]


def test_it_grows_and_keeps_what_it_has(live: LiveTable) -> None:
    live.apply(batch({1: 1.0}))
    live.track([60_000])
    live.apply(batch({60_000: 6.0}))
    assert values(live, 1, 60_000) == [1.0, 6.0]


def test_changed_since_tells_each_change_once(live: LiveTable) -> None:
    live.apply(batch({1: 1.0, 2: 2.0}))
    slots, seen = live.changed_since(live.sequence - 1)
    assert slots.tolist() == [1, 2]
    assert live.changed_since(seen)[0].tolist() == []
    live.apply(batch({2: 2.5}))
    assert live.changed_since(seen)[0].tolist() == [2]


def test_changes_of_a_forgotten_channel_are_dropped(live: LiveTable) -> None:
    live.apply(batch({1: 1.0, 2: "x"}, ValueType.STRING))
    seen = live.sequence
    live.forget([1, 2])
    assert live.changed_since(seen)[0].tolist() == [1, 2], "subscribers must learn that it went"
    assert live.apply(batch({1: 5.0, 2: "late"}, ValueType.STRING)) == 0
    assert values(live, 1, 2) == [None, None]
    assert live.counts().tracked == 8


def test_a_lost_channel_keeps_its_last_value_without_the_connection(live: LiveTable) -> None:
    live.apply(batch({1: 1.5, 2: "text"}, ValueType.STRING, severity=2))
    live.apply(lost(1, 2))
    frame = live.frame([1, 2])
    assert frame.connected.tolist() == [False, False]
    assert frame.value(1) == "text"
    assert frame.rows["severity"].tolist() == [2, 2]
    assert live.stale([1]).tolist() == [True]


def test_metadata_is_kept_and_counted_by_the_tables_own_lists(live: LiveTable) -> None:
    live.apply(described(batch({1: 1.0, 2: 2.0}), ["mA", "V"]))
    live.apply(described(batch({3: 0}, ValueType.ENUM), [""], [("Off", "On")]))
    live.apply(described(batch({4: 4.0}), ["V"]))  # another ingest, whose index 1 means V
    frame = live.frame([1, 2, 3, 4])
    assert [frame.interned.units[i] for i in frame.meta["units"]] == ["mA", "V", "", "V"]
    assert frame.enum_label(2) == "Off"


def test_channels_that_never_connected_are_counted(live: LiveTable) -> None:
    live.apply(batch({1: 1.0, 2: 2.0}, severity=1))
    live.apply(lost(2))
    counts = live.counts()
    assert (counts.tracked, counts.connected, counts.disconnected, counts.never_seen) == (10, 1, 9, 8)
    assert (counts.stale, counts.in_alarm) == (9, 2)


def test_a_quiet_channel_is_not_stale(live: LiveTable, clock: ManualClock) -> None:
    live.apply(batch({1: 1.0}))
    for _ in range(1000):
        clock.advance(2.0)
        live.beat()
    assert live.stale([1]).tolist() == [False]


def test_everything_is_stale_once_the_monitor_is_dead(live: LiveTable, clock: ManualClock) -> None:
    live.apply(batch({1: 1.0}))
    clock.advance(2.9)
    assert live.fresh() and not live.stale([1])[0]
    clock.advance(0.2)
    assert not live.fresh() and live.stale([1])[0]
    live.beat()
    assert not live.stale([1])[0]
    live.silence()
    assert live.stale([1])[0]


def test_a_table_that_no_monitor_ever_served_is_stale(clock: ManualClock) -> None:
    table = LiveTable(clock, stale_after_s=3.0)
    table.track([1])
    table.apply(batch({1: 1.0}))
    assert table.stale([1]).tolist() == [True]
    assert table.heartbeat().age_s is None


def test_who_has_not_connected_yet_is_expected_for_a_while(clock: ManualClock, live: LiveTable) -> None:
    live.track([4])
    live.apply(batch({1: 1.0}))
    assert live.expected([1, 4, 99, -1]).tolist() == [False, True, True, True], "of 99 nobody knows anything yet"
    clock.advance(CONNECT_S)
    assert live.expected([1, 4]).tolist() == [False, False], "it is away"
    live.lose([1])
    assert live.expected([1]).tolist() == [False], "a channel that went is away at once"
    live.expect([1, 4])
    assert live.expected([1, 4]).tolist() == [True, True]


def test_what_the_watchdog_doubts_is_stale_until_it_changes_or_is_confirmed(live: LiveTable) -> None:
    live.apply(batch({1: 1.0, 2: 2.0}))
    seen = live.sequence
    live.suspect([1, 2])
    assert live.stale([1, 2]).tolist() == [True, True]
    assert live.changed_since(seen)[0].tolist() == [1, 2]
    live.apply(batch({1: 1.1}))
    live.confirm([2], 1_800_000_000_000_000_000)
    assert live.stale([1, 2]).tolist() == [False, False]
    assert live.confirmed_ns([2]).tolist() == [1_800_000_000_000_000_000]


def test_a_frame_is_a_copy(live: LiveTable) -> None:
    live.apply(batch({1: 1.0}))
    frame = live.frame([1])
    live.apply(batch({1: 2.0}))
    assert frame.value(0) == 1.0
    assert frame.rows["flags"][0] & Flag.CONNECTED
