"""Snapshots of real records: every type, over Channel Access and PVAccess, comes back as the machine has it."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from backend.src.infra.epics import Epics, Put
from backend.src.infra.epics.address import Protocol, PvAddress
from backend.src.infra.epics.frame import Frame, ValueType
from backend.src.services.catalog import Inventory
from backend.src.services.snapshots.capture import Capture
from backend.src.services.snapshots.live_comparison import Comparisons
from tests.servers.independent import ca_get, ca_put
from tests.servers.records import FIELDS, FTVLS, LONG_TEXT, UTF8_TEXT
from tests.servers.soft_ioc import SoftIoc, client_settings
from tests.unit.services.snapshots.stand import Stand, catalogue, stand_of

SCALARS = ("DOUBLE", "LONG", "INT64", "ENUM", "BOOL", "STRING", "STRING:EMPTY", "STRING:UTF8", "META")
LONG_STRINGS = ("LSO.VAL$", "LSI.VAL$")
SHAPES = ("", ":ONE", ":EMPTY", ":MANY")


@pytest.fixture
async def epics() -> AsyncIterator[Epics]:
    running = Epics.build(client_settings())
    await running.start()
    yield running
    await running.stop()


def names(ioc: SoftIoc, protocol: Protocol) -> list[str]:
    """The addresses of every record that holds a value of some type."""
    found = [*SCALARS, *FIELDS.values(), *(f"WF:{ftvl}{shape}" for ftvl in FTVLS for shape in SHAPES)]
    if protocol is Protocol.CA:
        found += ["STRING:LATIN1", *LONG_STRINGS]
    else:
        found = [name for name in found if not name.startswith("WF:ENUM")]  # QSRV has no arrays of enums
    return [f"{protocol}://{ioc.pv(name)}" for name in found]


def values_of(capture: Capture) -> dict[str, Any]:
    """Value by name without protocol and prefix."""
    return {address.split(":", 2)[-1]: capture.frame.value(row) for row, address in enumerate(capture.addresses)}


async def connect(epics: Epics, inventory: Inventory) -> None:
    """Finds every channel: a snapshot waits two seconds for that, too short for a hundred on a busy machine."""
    read = await epics.read(list(inventory.address_of.values()), timeout_s=20.0)
    assert read.connected.all()


async def saved(stand: Stand) -> Capture:
    """A forced snapshot, through its archive."""
    made = await stand.take(use_cache=False)
    assert made.counts.disconnected == 0
    return (await stand.snapshots.contents(made.id)).capture


@pytest.mark.parametrize("protocol", list(Protocol))
async def test_every_type_comes_back_as_the_machine_has_it(
    types_ioc: SoftIoc, epics: Epics, tmp_path: Path, protocol: Protocol
) -> None:
    inventory = catalogue(*names(types_ioc, protocol))
    async with stand_of(tmp_path, inventory, epics) as stand:
        await connect(epics, inventory)
        capture = await saved(stand)
        read = await epics.read(capture.parsed, timeout_s=20.0)
        same_frames(capture.frame, read)


def same_frames(left: Frame, right: Frame) -> None:
    for row in range(len(left)):
        assert left.rows["type"][row] == right.rows["type"][row]
        for name in ("status", "severity", "time_ns", "count"):
            assert left.rows[name][row] == right.rows[name][row], name
        assert left.meta["precision"][row] == right.meta["precision"][row]
        np.testing.assert_array_equal(left.meta["limits"][row], right.meta["limits"][row])
        assert left.interned.units[left.meta["units"][row]] == right.interned.units[right.meta["units"][row]]
        assert (left.choices(row), left.enum_label(row)) == (right.choices(row), right.enum_label(row))
        value, other = left.value(row), right.value(row)
        if isinstance(value, np.ndarray):
            assert value.tobytes() == np.asarray(other).astype(value.dtype).tobytes()
        else:
            assert repr(value) == repr(other)


async def test_values_that_others_lose(own_ioc: SoftIoc, epics: Epics, tmp_path: Path) -> None:
    one_element = Put(PvAddress.parse(own_ioc.pv("WF:DOUBLE")), np.array([0.5]), ValueType.DOUBLE)
    assert (await epics.write([one_element], timeout_s=5.0))[0].ok
    pva = [f"pva://{own_ioc.pv(name)}" for name in ("INT64", FIELDS["UINT64"], "WF:DOUBLE")]
    inventory = catalogue(*names(own_ioc, Protocol.CA), *pva)
    async with stand_of(tmp_path, inventory, epics) as stand:
        await connect(epics, inventory)
        capture = await saved(stand)
    by_address = dict(zip(capture.addresses, range(len(capture)), strict=True))

    def value(name: str, protocol: Protocol = Protocol.CA) -> Any:
        return capture.frame.value(by_address[f"{protocol}://{own_ioc.pv(name)}"])

    assert value("INT64", Protocol.PVA) == 2**53 + 1
    assert value(FIELDS["UINT64"], Protocol.PVA) == 2**53 + 1
    assert value("STRING:EMPTY") == ""
    assert value("STRING:UTF8") == UTF8_TEXT
    assert value("STRING:LATIN1") == "5 \udcb5A"
    assert value("LSO.VAL$") == LONG_TEXT
    assert value("WF:DOUBLE:EMPTY").tolist() == []
    assert value("WF:DOUBLE").tolist() == value("WF:DOUBLE", Protocol.PVA).tolist() == [0.5]
    assert len(value("WF:STRING:MANY")) == 1000
    enum = by_address[f"ca://{own_ioc.pv('ENUM')}"]
    assert (capture.frame.value(enum), capture.frame.enum_label(enum)) == (2, "On")
    assert capture.frame.rows["severity"][by_address[f"ca://{own_ioc.pv('META')}"]] == 1
    assert set(np.unique(capture.frame.rows["type"])) >= {ValueType.DOUBLE, ValueType.ENUM, ValueType.STRING}


async def test_dead_pvs_cost_one_time_out_together_and_are_named(
    types_ioc: SoftIoc, epics: Epics, tmp_path: Path
) -> None:
    dead = [types_ioc.pv(f"DEAD{number}") for number in range(50)]
    async with stand_of(tmp_path, catalogue(types_ioc.pv("DOUBLE"), *dead), epics) as stand:
        started = time.monotonic()
        made = await stand.take(use_cache=False)
        assert time.monotonic() - started < 10 * 2.0  # one by one: 50 times two seconds
        assert (made.counts.captured, made.counts.disconnected) == (1, 50)
        capture = (await stand.snapshots.contents(made.id)).capture
        assert [name for name, there in zip(capture.pvs.names, capture.connected, strict=True) if there] == [
            types_ioc.pv("DOUBLE")
        ]
        assert capture.frame.value(1) is None


async def test_a_change_by_another_client_is_a_difference(own_ioc: SoftIoc, epics: Epics, tmp_path: Path) -> None:
    double, other = own_ioc.pv("DOUBLE"), own_ioc.pv("LONG")
    async with stand_of(tmp_path, catalogue(double, other), epics) as stand:
        first = await stand.take(use_cache=False)
        ca_put([double], [ca_get([double])[0] + 0.25])
        second = await stand.take(use_cache=False)
        found = await Comparisons(stand.snapshots).compare(first.id, second.id)
        differing = found.comparison.pairs.rows1[~found.comparison.within]
        assert [found.first.addresses[row] for row in differing] == [f"ca://{double}"]
