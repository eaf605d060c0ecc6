"""Writing many PVs at once: every type back as it was, and the truth about each one."""

from __future__ import annotations

import asyncio
import math
import struct
import time
from collections.abc import Iterable
from typing import TypeGuard

import numpy as np
import pytest

from backend.src.infra.epics import Epics, Protocol, Put, PutOutcome, PutResult, PvAddress
from backend.src.infra.epics.frame import PvValue, ValueType
from tests.servers.pva_server import SCALARS, PvaServer
from tests.servers.soft_ioc import SoftIoc

LONGEST = "µ" * 19 + "x"  # 39 bytes: the most that a string of Channel Access holds
QUIET_NAN = struct.unpack("<d", struct.pack("<Q", 0x7FF8_0000_0000_1234))[0]

CA_ROUND_TRIPS: list[tuple[str, PvValue]] = [
    ("DOUBLE", 1e-300), ("DOUBLE", math.inf), ("DOUBLE", -math.inf), ("DOUBLE", -0.0), ("DOUBLE", QUIET_NAN),
    ("DOUBLE", 7), ("DOUBLE", "2.5"), ("LONG", -(2**31)), ("LONG", 2**31 - 1), ("LONG", 5.0),
    ("INT64", 2**53), ("ENUM", 3), ("ENUM", 0), ("BOOL", 0),
    ("STRING", ""), ("STRING", LONGEST), ("STRING", "5 \udcb5A"), ("SUB.A", 0.5), ("SUB.B", -32768), ("SUB.C", 249),
    ("LSO.VAL$", "a text of more than forty characters, µ and all"), ("LSO.VAL$", ""),
    ("WF:DOUBLE", [1.5, math.nan, -0.0]), ("WF:DOUBLE:MANY", np.arange(1000) / 3), ("WF:SHORT", [-32768, 32767]),
    ("WF:SHORT", np.array([7])), ("WF:LONG", np.array([2**31 - 1], np.int64)), ("WF:STRING", ["", LONGEST, "b"]),
    ("WF:FLOAT", np.array([0.5], np.float32)), ("WF:UCHAR", [0, 255]), ("WF:DOUBLE:ONE", 4.5),
]  # fmt: skip
PVA_ROUND_TRIPS: list[tuple[str, PvValue]] = [
    ("DOUBLE", QUIET_NAN), ("DOUBLE", -0.0), ("INT64", 2**63 - 1), ("INT64", -(2**63)), ("ENUM", 3), ("ENUM", 0),
    ("STRING", "µ"), ("LSO", "a text of more than forty characters, µ and all"), ("WF:INT64", [2**63 - 1, -5]),
    ("WF:UINT64", [2**64 - 1]), ("WF:DOUBLE", [1.5, math.nan]), ("WF:DOUBLE", []), ("WF:STRING", ["", "b"]),
    ("WF:STRING", []), ("SUB.C", -128),
]  # fmt: skip
UNFIT_FOR_CA: list[tuple[str, PvValue, str]] = [
    ("LONG", 2**31, "outside"), ("LONG", 1.5, "not an integer"), ("LONG", math.nan, "not an integer"),
    ("SUB.B", 40_000, "outside"), ("SUB.A", 1e300, "32-bit"), ("INT64", 2**53 + 1, "53 bits"),
    ("STRING", LONGEST + "x", "39"), ("STRING", 5.0, "text"), ("DOUBLE", "five", "not a number"),
    ("DOUBLE", None, "not a number"), ("ENUM", -1, "outside"), ("WF:DOUBLE", [], "empty"),
    ("WF:DOUBLE", [0.0] * 17, "16"),
    ("WF:SHORT", [40_000], "outside"), ("WF:STRING", [1], "text"), ("DOUBLE", [1.0, 2.0], "holds 1"),
    ("WF:DOUBLE", np.zeros((2, 2)), "one dimension"), ("STRING", "a\0b", "NUL"), ("LSO.VAL$", "x" * 300, "299"),
]  # fmt: skip
UNFIT_FOR_PVA: list[tuple[str, PvValue, str]] = [
    ("BYTE", 128, "outside"), ("ULONG", -1, "outside"), ("LONG", 2**63, "outside"), ("INT", 0.5, "not an integer"),
    ("BOOLEAN", 2, "neither"), ("STRING", 1, "text"), ("ENUM", 3, "outside"), ("ENUM", "Nothing", "none of"),
    ("FLOAT", 1e39, "32-bit"), ("STRING", "\udcb5", "UTF-8"), ("DOUBLE", [1.0], "not a number"),
]  # fmt: skip


def put(name: str, value: PvValue, protocol: Protocol = Protocol.CA, timeout_s: float | None = None) -> Put:
    return Put(PvAddress(protocol, name), value, ValueType.NONE, timeout_s)


async def write_one(epics: Epics, one: Put) -> PutOutcome:
    return (await epics.write([one], timeout_s=20.0))[0]


def same(read: PvValue, written: PvValue) -> bool:
    """Bit for bit, NaN payload and sign of zero included."""
    if isinstance(written, str) or (isinstance(written, list) and written and isinstance(written[0], str)):
        return bool(read == written or str(read) == str(float(written)) if _is_number(written) else read == written)
    left, right = np.atleast_1d(np.asarray(read)), np.atleast_1d(np.asarray(written))
    return left.astype(right.dtype).tobytes() == right.tobytes()


def _is_number(text: PvValue) -> TypeGuard[str]:
    return isinstance(text, str) and text.replace(".", "").isdigit()


async def check_round_trips(
    epics: Epics, ioc: SoftIoc, protocol: Protocol, trips: Iterable[tuple[str, PvValue]]
) -> None:
    for name, value in trips:
        address = PvAddress(protocol, ioc.pv(name))
        outcome = await write_one(epics, put(address.name, value, protocol))
        assert outcome.ok, (name, value, outcome)
        frame = await epics.read([address], timeout_s=20.0)
        assert same(frame.value(0), value), (name, value, frame.value(0))


async def test_every_type_comes_back_as_it_was_written(epics: Epics, own_ioc: SoftIoc) -> None:
    await check_round_trips(epics, own_ioc, Protocol.CA, CA_ROUND_TRIPS)


async def test_every_type_comes_back_over_pvaccess(epics: Epics, own_ioc: SoftIoc) -> None:
    await check_round_trips(epics, own_ioc, Protocol.PVA, PVA_ROUND_TRIPS)


async def test_pvaccess_scalars_at_their_limits_can_be_written(epics: Epics, pva_server: PvaServer) -> None:
    puts = [put(pva_server.pv(name), value, Protocol.PVA) for name, (_, value) in SCALARS.items()]
    assert {outcome.result for outcome in await epics.write(puts, timeout_s=20.0)} == {PutResult.OK}
    frame = await epics.read([one.address for one in puts], timeout_s=20.0)
    assert [frame.value(row) for row in range(len(puts))] == [value for _, value in SCALARS.values()]


async def until_it_holds(epics: Epics, address: PvAddress, value: float) -> None:
    """A put that nobody waits for has arrived."""
    async with asyncio.timeout(30):
        while (await epics.read([address], timeout_s=20.0)).value(0) != value:
            await asyncio.sleep(0.02)


async def test_what_does_not_fit_fails_with_a_reason_and_changes_nothing(epics: Epics, own_ioc: SoftIoc) -> None:
    for name, value, words in UNFIT_FOR_CA:
        address = PvAddress(Protocol.CA, own_ioc.pv(name))
        before = (await epics.read([address], timeout_s=20.0)).value(0)
        outcome = await write_one(epics, put(address.name, value))
        assert outcome.result is PutResult.FAILED, (name, value, outcome)
        assert words in outcome.message, (name, value, outcome)
        assert same((await epics.read([address], timeout_s=20.0)).value(0), before), (name, value)


async def test_what_does_not_fit_over_pvaccess(epics: Epics, pva_server: PvaServer) -> None:
    for name, value, words in UNFIT_FOR_PVA:
        outcome = await write_one(epics, put(pva_server.pv(name), value, Protocol.PVA))
        assert outcome.result is PutResult.FAILED, (name, value, outcome)
        assert words in outcome.message, (name, value, outcome)


@pytest.mark.parametrize("protocol", Protocol)
async def test_an_enum_takes_its_label(epics: Epics, own_ioc: SoftIoc, protocol: Protocol) -> None:
    address = PvAddress(protocol, own_ioc.pv("ENUM"))
    assert (await epics.write_one(address, "Fault", wait=True, timeout_s=20.0)).ok
    assert (await epics.read([address], timeout_s=20.0)).value(0) == 3
    refused = await epics.write_one(address, "Nonsense", wait=True, timeout_s=20.0)
    assert refused.result is PutResult.FAILED


@pytest.mark.parametrize("protocol", Protocol)
async def test_each_put_has_its_own_outcome(epics: Epics, own_ioc: SoftIoc, protocol: Protocol) -> None:
    names = ("DOUBLE", "READONLY", "DISABLED", "ABSENT", "LONG")
    puts = [put(own_ioc.pv(name), 4, protocol, 20.0) for name in names]  # who is there has time, who is absent 2 s
    await epics.read([one.address for one in puts if "ABSENT" not in one.address.name], timeout_s=20.0)
    await epics.read([one.address for one in puts], timeout_s=2.0)
    outcomes = await epics.write(puts, timeout_s=2.0)
    assert [outcome.result for outcome in outcomes] == [
        PutResult.OK, PutResult.NO_ACCESS, PutResult.FAILED, PutResult.DISCONNECTED, PutResult.OK,
    ]  # fmt: skip
    assert all(outcome.message for outcome in outcomes if not outcome.ok)


async def test_both_protocols_in_one_write(epics: Epics, own_ioc: SoftIoc) -> None:
    puts = [put(own_ioc.pv("LONG"), 5), put(own_ioc.pv("INT64"), 2**60, Protocol.PVA), put(own_ioc.pv("DOUBLE"), 6.0)]
    assert [outcome.ok for outcome in await epics.write(puts, timeout_s=20.0)] == [True] * 3
    frame = await epics.read([one.address for one in puts], timeout_s=20.0)
    assert [frame.value(row) for row in range(3)] == [5, 2**60, 6.0]


@pytest.mark.parametrize("protocol", Protocol)
async def test_completion_is_waited_for(epics: Epics, own_ioc: SoftIoc, protocol: Protocol) -> None:
    await epics.read([PvAddress(protocol, own_ioc.pv("SLOW"))], timeout_s=20.0)
    started = time.monotonic()
    assert (await write_one(epics, put(own_ioc.pv("SLOW"), 1.0, protocol))).ok
    assert time.monotonic() - started >= 0.45


@pytest.mark.parametrize("protocol", Protocol)
async def test_completion_is_not_waited_for_unless_asked(epics: Epics, own_ioc: SoftIoc, protocol: Protocol) -> None:
    address = PvAddress(protocol, own_ioc.pv("NEVER"))
    await epics.read([address], timeout_s=20.0)
    started = time.monotonic()
    assert (await epics.write_one(address, 8.0, wait=False, timeout_s=20.0)).ok
    assert time.monotonic() - started < 10.0
    await until_it_holds(epics, address, 8.0)


@pytest.mark.parametrize("protocol", Protocol)
async def test_a_put_has_its_own_time_out(epics: Epics, own_ioc: SoftIoc, protocol: Protocol) -> None:
    puts = [put(own_ioc.pv("NEVER"), 1.0, protocol, 0.3), put(own_ioc.pv("SLOW"), 1.0, protocol)]
    started = time.monotonic()
    outcomes = await epics.write(puts, timeout_s=20.0)
    assert [outcome.result for outcome in outcomes] == [PutResult.TIMED_OUT, PutResult.OK]
    assert "may still take effect" in outcomes[0].message
    assert time.monotonic() - started < 10.0


@pytest.mark.parametrize("protocol", Protocol)
async def test_an_abort_ends_it_soon_and_tells_what_was_sent(
    epics: Epics, own_ioc: SoftIoc, protocol: Protocol
) -> None:
    abort = asyncio.Event()
    puts = [put(own_ioc.pv("NEVER"), 1.0, protocol), put(own_ioc.pv("ABSENT"), 1.0, protocol)]
    await epics.read([puts[0].address], timeout_s=20.0)
    started = time.monotonic()
    writing = asyncio.ensure_future(epics.write(puts, timeout_s=60.0, abort=abort))
    await until_it_holds(epics, puts[0].address, 1.0)
    abort.set()
    outcomes = await writing
    assert time.monotonic() - started < 30.0
    assert [outcome.result for outcome in outcomes] == [PutResult.ABORTED] * 2
    assert "sent before the abort" in outcomes[0].message


async def test_an_abort_before_the_start_sends_nothing(epics: Epics, own_ioc: SoftIoc) -> None:
    abort = asyncio.Event()
    abort.set()
    address = PvAddress(Protocol.PVA, own_ioc.pv("DOUBLE"))
    outcomes = await epics.write([Put(address, 9.0, ValueType.DOUBLE)], timeout_s=20.0, abort=abort)
    assert outcomes[0].result is PutResult.ABORTED
    assert (await epics.read([address], timeout_s=20.0)).value(0) == 1.5


async def test_progress_counts_up_to_all(epics: Epics) -> None:
    told: list[int] = []
    with SoftIoc.scale(3000) as ioc:
        puts = [put(name, float(number)) for number, name in enumerate(ioc.names)]
        outcomes = await epics.write(puts, timeout_s=20.0, progress=told.append)
        await asyncio.sleep(0.01)
        frame = await epics.read([one.address for one in puts], timeout_s=20.0)
    assert all(outcome.ok for outcome in outcomes)
    assert told == sorted(told)
    assert told[-1] == 3000
    assert [frame.value(row) for row in range(3000)] == [float(number) for number in range(3000)]


async def test_two_puts_to_one_pv_leave_the_second_value(epics: Epics, own_ioc: SoftIoc) -> None:
    name = own_ioc.pv("DOUBLE")
    for _ in range(20):
        outcomes = await epics.write([put(name, 1.0), put(name, 2.0)], timeout_s=20.0)
        assert all(outcome.ok for outcome in outcomes)
        assert (await epics.read([PvAddress(Protocol.CA, name)], timeout_s=20.0)).value(0) == 2.0


async def test_a_connection_lost_during_a_put_is_told(epics: Epics, own_ioc: SoftIoc) -> None:
    one = put(own_ioc.pv("NEVER"), 1.0)
    await epics.read([one.address], timeout_s=20.0)
    writing = asyncio.ensure_future(epics.write([one], timeout_s=60.0))
    await until_it_holds(epics, one.address, 1.0)
    own_ioc.kill()
    outcome = (await asyncio.wait_for(writing, 30.0))[0]
    assert outcome.result is PutResult.DISCONNECTED
    assert "may have taken effect" in outcome.message
