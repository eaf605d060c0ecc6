"""Restores of real records, willing and unwilling, over Channel Access and PVAccess."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator, Iterable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from backend.src.infra.epics import Epics, Put
from backend.src.infra.epics.address import Protocol, PvAddress
from backend.src.infra.epics.frame import ValueType
from backend.src.services.restore import RestoreSettings, Verdict
from tests.servers.independent import ca_get, ca_put
from tests.servers.soft_ioc import SoftIoc, client_settings
from tests.unit.services.restore.machine import Site, request, results, site_of
from tests.unit.services.snapshots.stand import catalogue

SETTINGS = RestoreSettings(read_timeout_s=5.0, write_timeout_s=5.0)
IMPATIENT = RestoreSettings(read_timeout_s=1.0, write_timeout_s=1.0)  # where PVs are dead
OTHERS: dict[str, tuple[Any, ValueType]] = {
    "DOUBLE": (2.25, ValueType.DOUBLE),
    "LONG": (77, ValueType.LONG),
    "ENUM": (0, ValueType.ENUM),
    "BOOL": (0, ValueType.ENUM),
    "STRING": ("another text", ValueType.STRING),
    "STRING:UTF8": ("ascii", ValueType.STRING),
    "STRING:EMPTY": ("no more", ValueType.STRING),
    "WF:DOUBLE": (np.array([9.0]), ValueType.DOUBLE),
    "WF:DOUBLE:ONE": (8.0, ValueType.DOUBLE),  # room for one: both protocols call it a scalar
    "WF:LONG:MANY": (np.array([1, 2, 3], np.int32), ValueType.LONG),
    "WF:STRING": (["x", ""], ValueType.STRING),
    "WF:UCHAR": (np.array([255], np.uint8), ValueType.CHAR),
}


@pytest.fixture
async def epics() -> AsyncIterator[Epics]:
    running = Epics.build(client_settings())
    await running.start()
    yield running
    await running.stop()


async def write(epics: Epics, ioc: SoftIoc, protocol: Protocol, values: dict[str, tuple[Any, ValueType]]) -> None:
    puts = [Put(PvAddress(protocol, ioc.pv(name)), value, kind) for name, (value, kind) in values.items()]
    outcomes = await epics.write(puts, timeout_s=5.0)
    assert all(outcome.ok for outcome in outcomes), outcomes


async def take(site: Site) -> str:
    return str((await site.stand.take(use_cache=False)).id)


def by_record(site_results: dict[str, str], ioc: SoftIoc) -> dict[str, str]:
    return {name.split(ioc.prefix)[-1]: result for name, result in site_results.items()}


@pytest.mark.parametrize("protocol", list(Protocol))
async def test_every_kind_of_record_gets_its_value_back(
    own_ioc: SoftIoc, epics: Epics, tmp_path: Path, protocol: Protocol
) -> None:
    values = dict(OTHERS)
    if protocol is Protocol.PVA:
        values["INT64"] = (-(2**60) - 1, ValueType.INT64)
    inventory = catalogue(*(f"{protocol}://{own_ioc.pv(name)}" for name in values))
    async with site_of(tmp_path, inventory, epics, SETTINGS) as site:
        snapshot_id = await take(site)
        before = await epics.read(list(inventory.address_of.values()), timeout_s=20.0)
        await write(epics, own_ioc, protocol, values)
        _, outcomes = await site.restore(snapshot_id)
        assert set(results(outcomes).values()) == {"restored"}, outcomes.messages
        after = await epics.read(list(inventory.address_of.values()), timeout_s=20.0)
        for row in range(len(before)):
            np.testing.assert_array_equal(before.value(row), after.value(row))


async def test_an_independent_client_sees_the_restored_values(own_ioc: SoftIoc, epics: Epics, tmp_path: Path) -> None:
    names = [own_ioc.pv(name) for name in ("DOUBLE", "ALARM", "META")]
    async with site_of(tmp_path, catalogue(*names), epics, SETTINGS) as site:
        before = ca_get(names)
        snapshot_id = await take(site)
        ca_put(names, [value + 1 for value in before])
        await site.restore(snapshot_id)
        assert ca_get(names) == before


async def test_unwilling_records_are_told_apart(own_ioc: SoftIoc, epics: Epics, tmp_path: Path) -> None:
    kinds = ("DOUBLE", "READONLY", "DISABLED", "CLAMPED", "STUBBORN", "SLOW", "NEVER")
    async with site_of(tmp_path, catalogue(*map(own_ioc.pv, kinds)), epics, SETTINGS) as site:
        snapshot_id = await take(site)
        writable = dict.fromkeys(("DOUBLE", "CLAMPED", "SLOW"), (0.5, ValueType.DOUBLE))
        await write(epics, own_ioc, Protocol.CA, writable)
        _, outcomes = await site.restore(snapshot_id)
        found = by_record(results(outcomes), own_ioc)
        assert (found["DOUBLE"], found["SLOW"], found["CLAMPED"]) == ("restored", "restored", "restored")
        # nobody changed these: nothing is to be written
        assert {found[name] for name in ("READONLY", "STUBBORN", "NEVER", "DISABLED")} == {"skipped"}


async def test_a_channel_without_write_access_is_planned_as_such(
    own_ioc: SoftIoc, epics: Epics, tmp_path: Path
) -> None:
    async with site_of(tmp_path, catalogue(own_ioc.pv("READONLY")), epics, SETTINGS) as site:
        snapshot_id = await take(site)
        proposal = await site.restores.plan(snapshot_id, request(), "operator")
        assert [str(Verdict.NO_ACCESS)] == verdicts(proposal.plan.judgement.verdicts)


def verdicts(codes: Iterable[int]) -> list[str]:
    return [tuple(Verdict)[code].value for code in codes]


async def test_a_value_outside_the_limits_of_today_is_not_written(
    own_ioc: SoftIoc, epics: Epics, tmp_path: Path
) -> None:
    name = own_ioc.pv("CLAMPED")
    async with site_of(tmp_path, catalogue(name), epics, SETTINGS) as site:
        ca_put([name], [0.75])
        snapshot_id = await take(site)
        ca_put([f"{name}.DRVH", name], [0.5, 0.25])
        _, outcomes = await site.restore(snapshot_id)
        assert outcomes.skipped == {Verdict.OUTSIDE_LIMITS: 1}
        assert ca_get([name]) == [0.25]
        _, outcomes = await site.restore(snapshot_id, ignore_limits=True)
        assert list(results(outcomes).values()) == ["not_verified"]
        assert outcomes.after.value(0) == 0.5


async def test_dead_pvs_cost_one_time_out_together(own_ioc: SoftIoc, epics: Epics, tmp_path: Path) -> None:
    dead = [own_ioc.pv(f"DEAD{number}") for number in range(30)]
    alive = own_ioc.pv("DOUBLE")
    async with site_of(tmp_path, catalogue(alive, *dead), epics, IMPATIENT) as site:
        snapshot_id = await take(site)
        ca_put([alive], [3.5])
        started = time.monotonic()
        _, outcomes = await site.restore(snapshot_id)
        assert time.monotonic() - started < 25 * IMPATIENT.read_timeout_s  # one by one: 30 times, and that at each look
        assert results(outcomes)[alive] == "restored"
        assert outcomes.skipped == {Verdict.NOT_CAPTURED: 30}


async def test_an_ioc_that_dies_in_between_is_told(own_ioc: SoftIoc, epics: Epics, tmp_path: Path) -> None:
    alive = own_ioc.pv("DOUBLE")
    async with site_of(tmp_path, catalogue(alive), epics, SETTINGS) as site:
        snapshot_id = await take(site)
        ca_put([alive], [3.5])
        own_ioc.kill()
        _, outcomes = await site.restore(snapshot_id)
        assert outcomes.skipped == {Verdict.DISCONNECTED: 1}


async def test_an_ioc_that_dies_after_the_review_is_not_waited_for(
    own_ioc: SoftIoc, epics: Epics, tmp_path: Path
) -> None:
    alive = own_ioc.pv("DOUBLE")
    async with site_of(tmp_path, catalogue(alive), epics, SETTINGS) as site:
        snapshot_id = await take(site)
        ca_put([alive], [3.5])
        plan = (await site.restores.plan(snapshot_id, request(timeout_s=7200.0), "operator")).plan
        own_ioc.kill()
        _, outcomes = await site.ended(await site.restores.execute_plan(snapshot_id, plan.id, "operator"))
        assert results(outcomes) == {alive: "disconnected"}
