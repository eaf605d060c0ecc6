"""Monitors: what `drain` hands over while the machine, its connections and the list of what is watched change."""

from __future__ import annotations

import asyncio
import time

import numpy as np
import pytest

from backend.src.infra.epics import Epics, Protocol, Put, PvAddress
from backend.src.infra.epics.frame import Flag, ValueType
from tests.servers.pva_server import PvaServer
from tests.servers.records import ENUM_LABELS
from tests.servers.soft_ioc import SoftIoc
from tests.system.epics.watching import Watcher

NAMES = (
    "DOUBLE", "LONG", "INT64", "ENUM", "STRING", "STRING:EMPTY", "LSO.VAL$", "META", "SUB.A", "SUB.C",
    "WF:DOUBLE", "WF:DOUBLE:EMPTY", "WF:DOUBLE:ONE", "WF:STRING", "WF:STRING:EMPTY", "WF:CHAR:MANY", "INVALID",
)  # fmt: skip


def ca(name: str) -> PvAddress:
    return PvAddress(Protocol.CA, name)


async def write(epics: Epics, address: PvAddress, value: object) -> None:
    outcome = await epics.write_one(address, value, wait=True, timeout_s=20.0)
    assert outcome.ok, outcome


@pytest.mark.parametrize("protocol", Protocol)
async def test_monitors_show_what_a_forced_read_shows(epics: Epics, types_ioc: SoftIoc, protocol: Protocol) -> None:
    addresses = [PvAddress(protocol, types_ioc.pv(name)) for name in NAMES]
    frame = await epics.read(addresses, timeout_s=20.0)
    watcher = Watcher(epics)
    epics.monitor(list(enumerate(addresses)), [])
    await watcher.until(lambda: len(watcher.rows) == len(watcher.units) == len(NAMES))
    await asyncio.sleep(0.2)
    watcher.drain()
    columns = ["value", "time_ns", "count", "status", "severity", "type", "flags"]
    for slot, name in enumerate(NAMES):
        assert watcher.rows[slot][columns] == frame.rows[slot][columns], name
        assert np.array_equal(watcher.value(slot), frame.value(slot)), name
        assert watcher.units[slot] == frame.interned.units[int(frame.meta["units"][slot])], name
        assert watcher.precisions[slot] == frame.meta["precision"][slot], name
    assert watcher.choices[NAMES.index("ENUM")] == ENUM_LABELS


@pytest.mark.parametrize("protocol", Protocol)
async def test_a_change_arrives_and_then_nothing_more(epics: Epics, own_ioc: SoftIoc, protocol: Protocol) -> None:
    address, watcher = PvAddress(protocol, own_ioc.pv("DOUBLE")), Watcher(epics)
    epics.monitor([(5, address)], [])
    await watcher.until(lambda: watcher.value(5) == 1.5)
    await write(epics, address, 2.75)
    await watcher.until(lambda: watcher.value(5) == 2.75)
    await asyncio.sleep(0.1)
    watcher.drain()
    assert watcher.drain() == set()
    assert abs(int(watcher.rows[5]["received_ns"]) - time.time_ns()) < 60e9


@pytest.mark.parametrize("protocol", Protocol)
async def test_arrays_and_texts_change_length(epics: Epics, own_ioc: SoftIoc, protocol: Protocol) -> None:
    wave, text = PvAddress(protocol, own_ioc.pv("WF:DOUBLE")), PvAddress(protocol, own_ioc.pv("LSO.VAL$"))
    watcher = Watcher(epics)
    epics.monitor([(1, wave), (2, text)], [])
    await watcher.until(lambda: len(watcher.rows) == 2)
    await write(epics, wave, [9.0])
    await write(epics, text, "short")
    await watcher.until(lambda: watcher.value(2) == "short" and len(watcher.value(1)) == 1)
    assert watcher.value(1).tolist() == [9.0]
    assert int(watcher.rows[1]["count"]) == 1


async def test_the_latest_of_many_updates_is_never_lost(epics: Epics, own_ioc: SoftIoc) -> None:
    """Drains race with updates; after the last update the last value is there."""
    address, watcher = ca(own_ioc.pv("DOUBLE")), Watcher(epics)
    epics.monitor([(0, address)], [])
    for last in range(1, 300):
        puts = [Put(address, float(last) + part / 10, ValueType.DOUBLE) for part in range(3)]
        writing = asyncio.ensure_future(epics.write(puts, timeout_s=20.0))
        while not writing.done():
            watcher.drain()
            await asyncio.sleep(0)
    await watcher.until(lambda: watcher.value(0) == 299.2)


async def test_updates_that_a_later_one_replaced_are_counted(epics: Epics, own_ioc: SoftIoc) -> None:
    address, watcher = ca(own_ioc.pv("DOUBLE")), Watcher(epics)
    epics.monitor([(0, address)], [])
    await watcher.until(lambda: watcher.connected(0))
    before = epics.coalesced
    for value in range(1, 21):  # each completes, and is sent, before the next; nobody drains
        await write(epics, address, float(value))
    await watcher.until(lambda: watcher.value(0) == 20.0)
    assert 15 <= epics.coalesced - before <= 19
    before = epics.coalesced
    await write(epics, address, 21.0)
    await watcher.until(lambda: watcher.value(0) == 21.0)
    assert epics.coalesced == before


async def test_an_alarm_without_a_new_value_is_an_update(epics: Epics, own_ioc: SoftIoc) -> None:
    watcher = Watcher(epics)
    epics.monitor([(0, ca(own_ioc.pv("ALARM")))], [])
    await watcher.until(lambda: watcher.value(0) == 0.0)
    await write(epics, ca(own_ioc.pv("ALARM.LOW")), 1.0)
    await write(epics, ca(own_ioc.pv("ALARM.PROC")), 1)
    await watcher.until(lambda: int(watcher.rows[0]["severity"]) == 1)


async def test_slots_are_added_and_removed_while_it_runs(epics: Epics, types_ioc: SoftIoc) -> None:
    counter, watcher = ca(types_ioc.pv("COUNTER")), Watcher(epics)
    epics.monitor([(7, counter)], [])
    await watcher.until(lambda: watcher.connected(7))
    epics.monitor([(9000, ca(types_ioc.pv("LONG")))], [7])
    # its metadata is an update too, and comes by itself
    await watcher.until(lambda: watcher.value(9000) == -123456 and 9000 in watcher.units)
    watcher.drain()
    await asyncio.sleep(0.4)
    assert watcher.drain() == set()
    watcher.rows.clear()
    epics.monitor([(7, counter)], [])
    await watcher.until(lambda: watcher.connected(7))


async def test_removing_what_is_not_watched_is_harmless(epics: Epics, types_ioc: SoftIoc) -> None:
    watcher = Watcher(epics)
    epics.monitor([], [1, 2, 3])
    epics.resubscribe([1, 2, 3])
    epics.monitor([(1, ca(types_ioc.pv("LONG")))], [1])
    await watcher.until(lambda: watcher.value(1) == -123456)


async def test_a_slot_may_get_another_address(epics: Epics, types_ioc: SoftIoc) -> None:
    watcher = Watcher(epics)
    epics.monitor([(1, ca(types_ioc.pv("STRING")))], [])
    await watcher.until(lambda: watcher.value(1) == "hello")
    epics.monitor([(1, ca(types_ioc.pv("LONG")))], [1])
    await watcher.until(lambda: watcher.value(1) == -123456)


@pytest.mark.parametrize("protocol", Protocol)
async def test_a_resubscription_delivers_the_present_value(
    epics: Epics, types_ioc: SoftIoc, protocol: Protocol
) -> None:
    watcher = Watcher(epics)
    epics.monitor([(3, PvAddress(protocol, types_ioc.pv("LONG")))], [])
    await watcher.until(lambda: 3 in watcher.rows)
    await asyncio.sleep(0.2)
    watcher.drain()
    watcher.rows.clear()
    epics.resubscribe([3])
    await watcher.until(lambda: watcher.value(3) == -123456)


async def test_an_absent_pv_is_silent_and_disturbs_nobody(epics: Epics, types_ioc: SoftIoc) -> None:
    watcher = Watcher(epics)
    absent = [(100 + n, PvAddress(protocol, f"NOBODY:{n}")) for n in range(50) for protocol in (Protocol.CA,)]
    epics.monitor([*absent, (1, ca(types_ioc.pv("LONG")))], [])
    await watcher.until(lambda: watcher.value(1) == -123456)
    assert set(watcher.rows) == {1}


@pytest.mark.parametrize("protocol", Protocol)
async def test_a_killed_ioc_leaves_its_last_values_disconnected_and_comes_back(
    epics: Epics, own_ioc: SoftIoc, protocol: Protocol
) -> None:
    names = ("DOUBLE", "STRING", "WF:DOUBLE", "INT64")
    addresses = [PvAddress(protocol, own_ioc.pv(name)) for name in names]
    watcher = Watcher(epics)
    epics.monitor(list(enumerate(addresses)), [])
    await watcher.until(lambda: len(watcher.rows) == 4)
    await write(epics, addresses[0], 77.0)
    await watcher.until(lambda: watcher.value(0) == 77.0)
    own_ioc.kill()
    await watcher.until(lambda: not any(watcher.connected(slot) for slot in range(4)))
    assert (watcher.value(0), watcher.value(1), watcher.value(2).tolist()) == (77.0, "hello", [0.5, 1.5, 2.5])
    own_ioc.restart()
    await watcher.until(lambda: all(watcher.connected(slot) for slot in range(4)), timeout_s=60.0)
    assert watcher.value(0) == 1.5
    await write(epics, addresses[0], 78.0)
    await watcher.until(lambda: watcher.value(0) == 78.0)


async def test_a_record_that_comes_back_with_another_type(epics: Epics) -> None:
    """The subscription is made anew with the type that the channel has now."""
    watcher = Watcher(epics)
    with SoftIoc(lambda prefix: f'record(ao, "{prefix}X") {{ field(VAL, "2.5") field(EGU, "A") }}') as ioc:
        name = ioc.pv("X")
        epics.monitor([(0, ca(name))], [])
        await watcher.until(lambda: watcher.value(0) == 2.5 and watcher.units.get(0) == "A")
        prefix = ioc.prefix
    await watcher.until(lambda: not watcher.connected(0))
    with SoftIoc(lambda _: f'record(stringout, "{name}") {{ field(VAL, "text") }}', prefix=prefix):
        await watcher.until(lambda: watcher.value(0) == "text" and watcher.units[0] == "", timeout_s=60.0)
        assert int(watcher.rows[0]["type"]) == ValueType.STRING
        assert watcher.connected(0)


async def test_a_hanging_ioc_blocks_neither_drain_nor_reads_of_others(
    epics: Epics, own_ioc: SoftIoc, types_ioc: SoftIoc
) -> None:
    watcher = Watcher(epics)
    epics.monitor([(0, ca(own_ioc.pv("COUNTER"))), (1, ca(types_ioc.pv("COUNTER")))], [])
    await watcher.until(lambda: len(watcher.rows) == 2)
    await epics.read(
        [ca(types_ioc.pv("LONG"))], timeout_s=20.0
    )  # connected: a busy machine has 3 s for the answer alone
    own_ioc.pause()
    try:
        reading = epics.read([ca(own_ioc.pv("DOUBLE")), ca(types_ioc.pv("LONG"))], timeout_s=3.0)
        before, started = watcher.value(1), time.monotonic()
        frame = await reading
        assert 2.9 < time.monotonic() - started < 20.0
        assert (frame.value(0), frame.value(1)) == (None, -123456)
        await watcher.until(lambda: watcher.value(1) > before + 3)
        assert watcher.longest_drain_s < 10.0  # libca gives an IOC up after 30
    finally:
        own_ioc.resume()


async def test_what_only_pvaccess_carries_is_monitored_too(epics: Epics, pva_server: PvaServer) -> None:
    names = ("ULONG", "BOOLEAN", "ENUM", "STRING:ARRAY", "TABLE")
    watcher = Watcher(epics)
    epics.monitor([(slot, PvAddress(Protocol.PVA, pva_server.pv(name))) for slot, name in enumerate(names)], [])
    await watcher.until(lambda: len(watcher.rows) == 4)
    assert [watcher.value(slot) for slot in range(4)] == [2**64 - 1, True, 1, ["first", "", "µ"]]
    assert int(watcher.rows[0]["flags"]) & Flag.CONNECTED
    assert watcher.choices[2] == ("Off", "Standby", "On")


async def test_thousands_are_live_within_seconds(epics: Epics) -> None:
    watcher = Watcher(epics)
    with SoftIoc.scale(5000, moving=100, rate_hz=10) as ioc:
        epics.monitor([(slot, ca(name)) for slot, name in enumerate(ioc.names)], [])
        await watcher.until(lambda: len(watcher.rows) == len(watcher.units) == 5000, timeout_s=30.0)
        assert [watcher.value(slot) for slot in range(100, 5000)] == list(range(100, 5000))
        assert epics.describe()["connected"] == 5000
        first = watcher.value(0)
        await watcher.until(lambda: watcher.value(0) > first + 3)


async def test_thousands_of_quiet_pvs_come_back_with_their_ioc(epics: Epics) -> None:
    """Each sends one value on reconnection, maybe before the reconnection itself has been heard of."""
    watcher = Watcher(epics)
    with SoftIoc.scale(4000) as ioc:
        epics.monitor([(slot, ca(name)) for slot, name in enumerate(ioc.names)], [])
        await watcher.until(lambda: len(watcher.rows) == 4000)
        ioc.kill()
        await watcher.until(lambda: not any(map(watcher.connected, range(4000))), timeout_s=60.0)
        ioc.restart()
        await watcher.until(lambda: all(map(watcher.connected, range(4000))), timeout_s=60.0)
