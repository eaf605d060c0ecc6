"""Values, alarms, time stamps and metadata, read afresh: exactly as the server holds them."""

from __future__ import annotations

import asyncio
import time

import aioca
import numpy as np
import pytest

from backend.src.infra.epics import Epics, Protocol, PvAddress, ReadFailed, Reading, single
from backend.src.infra.epics.frame import LIMITS, Flag, Frame, ValueType
from tests.servers.pva_server import ARRAYS, CHOICES, SCALARS, PvaServer
from tests.servers.records import ENUM_LABELS, FIELDS, LONG_TEXT, UTF8_TEXT
from tests.servers.soft_ioc import SoftIoc

CA_SCALARS = {
    "DOUBLE": (ValueType.DOUBLE, 1.5),
    "LONG": (ValueType.LONG, -123456),
    "INT64": (ValueType.DOUBLE, float(2**53)),  # Channel Access has no 64-bit integer
    "ENUM": (ValueType.ENUM, 2),
    "BOOL": (ValueType.ENUM, 1),
    "STRING": (ValueType.STRING, "hello"),
    "STRING:EMPTY": (ValueType.STRING, ""),
    "STRING:UTF8": (ValueType.STRING, UTF8_TEXT),
    "STRING:LATIN1": (ValueType.STRING, "5 \udcb5A"),
    "LSO.VAL$": (ValueType.LONG_STRING, LONG_TEXT),
    FIELDS["FLOAT"]: (ValueType.FLOAT, float(np.float32(0.1))),
    FIELDS["SHORT"]: (ValueType.SHORT, -300),
    FIELDS["CHAR"]: (ValueType.CHAR, 249),  # Channel Access shows a char without its sign
    FIELDS["UCHAR"]: (ValueType.CHAR, 200),
    FIELDS["USHORT"]: (ValueType.LONG, 60_000),
    FIELDS["ULONG"]: (ValueType.DOUBLE, 4e9),
}
PVA_SCALARS = {
    "DOUBLE": (ValueType.DOUBLE, 1.5),
    "INT64": (ValueType.INT64, 2**53 + 1),
    "ENUM": (ValueType.ENUM, 2),
    "STRING:UTF8": (ValueType.STRING, UTF8_TEXT),
    "LSO": (ValueType.STRING, LONG_TEXT),
    "LSO.VAL$": (ValueType.LONG_STRING, LONG_TEXT),
    FIELDS["FLOAT"]: (ValueType.FLOAT, float(np.float32(0.1))),
    FIELDS["CHAR"]: (ValueType.INT8, -7),
    FIELDS["USHORT"]: (ValueType.UINT16, 60_000),
    FIELDS["ULONG"]: (ValueType.UINT32, 4_000_000_000),
}
NTSCALAR_TYPES = {
    "BOOLEAN": ValueType.BOOLEAN, "BYTE": ValueType.INT8, "UBYTE": ValueType.CHAR, "SHORT": ValueType.SHORT,
    "USHORT": ValueType.UINT16, "INT": ValueType.LONG, "UINT": ValueType.UINT32, "LONG": ValueType.INT64,
    "ULONG": ValueType.UINT64, "FLOAT": ValueType.FLOAT, "DOUBLE": ValueType.DOUBLE, "STRING": ValueType.STRING,
}  # fmt: skip


async def read(epics: Epics, protocol: Protocol, *names: str, timeout_s: float = 20.0) -> Frame:
    return await epics.read([PvAddress(protocol, name) for name in names], timeout_s=timeout_s)


def type_of(frame: Frame, row: int) -> ValueType:
    return ValueType(int(frame.rows["type"][row]))


@pytest.mark.parametrize(("protocol", "expected"), [(Protocol.CA, CA_SCALARS), (Protocol.PVA, PVA_SCALARS)])
async def test_every_scalar_type_arrives_exactly(
    epics: Epics, types_ioc: SoftIoc, protocol: Protocol, expected: dict[str, tuple[ValueType, object]]
) -> None:
    frame = await read(epics, protocol, *(types_ioc.pv(name) for name in expected))
    found = {name: (type_of(frame, row), frame.value(row)) for row, name in enumerate(expected)}
    assert found == expected
    assert frame.connected.all()
    assert not (frame.rows["flags"] & Flag.ARRAY).any()
    assert ((frame.rows["flags"] & Flag.METADATA) != 0).all()


async def test_pvaccess_scalars_at_their_limits(epics: Epics, pva_server: PvaServer) -> None:
    frame = await read(epics, Protocol.PVA, *(pva_server.pv(name) for name in SCALARS))
    for row, (name, (_, value)) in enumerate(SCALARS.items()):
        assert (type_of(frame, row), frame.value(row)) == (NTSCALAR_TYPES[name], value), name
        assert type(frame.value(row)) is type(value), name


async def test_pvaccess_arrays_keep_type_and_elements(epics: Epics, pva_server: PvaServer) -> None:
    frame = await read(epics, Protocol.PVA, *(pva_server.pv(f"{name}:ARRAY") for name in ARRAYS))
    for row, (name, values) in enumerate(ARRAYS.items()):
        assert list(frame.value(row)) == values, name
        assert type_of(frame, row) is NTSCALAR_TYPES[name]
        assert frame.rows["count"][row] == len(values)
        assert int(frame.rows["flags"][row]) & Flag.ARRAY


async def test_an_ntenum_has_index_and_choices(epics: Epics, pva_server: PvaServer) -> None:
    frame = await read(epics, Protocol.PVA, pva_server.pv("ENUM"))
    assert (frame.value(0), frame.enum_label(0), frame.choices(0)) == (1, "Standby", CHOICES)


async def test_a_structure_without_a_plain_value_counts_as_absent(epics: Epics, pva_server: PvaServer) -> None:
    frame = await read(epics, Protocol.PVA, pva_server.pv("TABLE"))
    assert (frame.value(0), bool(frame.connected[0])) == (None, False)


@pytest.mark.parametrize("protocol", Protocol)
@pytest.mark.parametrize(("suffix", "count"), [("", 3), (":EMPTY", 0), (":MANY", 1000)])
async def test_arrays_have_their_present_number_of_elements(
    epics: Epics, types_ioc: SoftIoc, protocol: Protocol, suffix: str, count: int
) -> None:
    kinds = ["CHAR", "UCHAR", "SHORT", "USHORT", "LONG", "ULONG", "INT64", "UINT64", "FLOAT", "DOUBLE"]
    frame = await read(epics, protocol, *(types_ioc.pv(f"WF:{kind}{suffix}") for kind in kinds))
    for row, kind in enumerate(kinds):
        half = 0.5 if kind in ("FLOAT", "DOUBLE") else 0
        value = frame.value(row)
        assert isinstance(value, np.ndarray)
        assert value.tolist() == [n % 100 + half for n in range(count)], kind
        assert frame.rows["count"][row] == count


@pytest.mark.parametrize("protocol", Protocol)
async def test_string_arrays(epics: Epics, types_ioc: SoftIoc, protocol: Protocol) -> None:
    names = [types_ioc.pv(f"WF:STRING{suffix}") for suffix in ("", ":EMPTY", ":MANY")]
    frame = await read(epics, protocol, *names)
    assert [frame.value(row) for row in range(2)] == [["text 0", "text 1", "text 2"], []]
    assert frame.value(2) == [f"text {n % 100}" for n in range(1000)]


async def test_an_enum_array_over_channel_access(epics: Epics, types_ioc: SoftIoc) -> None:
    frame = await read(epics, Protocol.CA, types_ioc.pv("WF:ENUM"))
    assert frame.value(0).tolist() == [0, 1, 2]
    assert type_of(frame, 0) is ValueType.ENUM


@pytest.mark.parametrize("protocol", Protocol)
async def test_a_waveform_of_one_element_is_a_scalar(epics: Epics, types_ioc: SoftIoc, protocol: Protocol) -> None:
    """The server declares one element: nothing tells it from a scalar."""
    frame = await read(epics, protocol, types_ioc.pv("WF:DOUBLE:ONE"), types_ioc.pv("WF:STRING:ONE"))
    assert [frame.value(0), frame.value(1)] == [0.5, "text 0"]
    assert not (frame.rows["flags"] & Flag.ARRAY).any()


async def test_a_char_waveform_is_an_array_of_numbers(epics: Epics, types_ioc: SoftIoc) -> None:
    frame = await read(epics, Protocol.CA, types_ioc.pv("TEXT"))
    assert bytes(frame.value(0).tolist()).decode() == LONG_TEXT


@pytest.mark.parametrize("protocol", Protocol)
async def test_metadata(epics: Epics, types_ioc: SoftIoc, protocol: Protocol) -> None:
    frame = await read(epics, protocol, types_ioc.pv("META"), types_ioc.pv("ENUM"))
    limits = dict(zip(LIMITS, frame.meta["limits"][0].tolist(), strict=True))
    assert limits == {
        "upper_display": 100, "lower_display": -100, "upper_alarm": 10, "upper_warning": 5,
        "lower_warning": -5, "lower_alarm": -10, "upper_control": 50, "lower_control": -50,
    }  # fmt: skip
    assert frame.interned.units[int(frame.meta["units"][0])] == "mA"
    assert frame.meta["precision"].tolist() == [3, -1]
    assert (frame.choices(1), frame.enum_label(1)) == (ENUM_LABELS, "On")
    assert np.isnan(frame.meta["limits"][1]).all()


@pytest.mark.parametrize("protocol", Protocol)
async def test_alarms_are_those_of_the_record(epics: Epics, types_ioc: SoftIoc, protocol: Protocol) -> None:
    high = 4
    frame = await read(epics, protocol, types_ioc.pv("META"), types_ioc.pv("DOUBLE"))
    assert frame.rows["status"].tolist() == [high, 0]
    assert frame.rows["severity"].tolist() == [1, 0]


async def test_time_stamps_agree_to_the_nanosecond_over_both_protocols(epics: Epics, own_ioc: SoftIoc) -> None:
    name = own_ioc.pv("META")
    frame = await epics.read([PvAddress(protocol, name) for protocol in Protocol], timeout_s=20.0)
    first, second = frame.rows["time_ns"].tolist()
    assert first == second
    assert abs(first - time.time_ns()) < 600e9
    assert abs(int(frame.rows["received_ns"][0]) - time.time_ns()) < 60e9


@pytest.mark.parametrize("protocol", Protocol)
async def test_a_record_never_processed_has_no_time_stamp(epics: Epics, types_ioc: SoftIoc, protocol: Protocol) -> None:
    frame = await read(epics, protocol, types_ioc.pv("INVALID"))
    assert int(frame.rows["time_ns"][0]) == 0


async def test_what_may_not_be_written_is_not_writable(epics: Epics, types_ioc: SoftIoc) -> None:
    frame = await read(epics, Protocol.CA, types_ioc.pv("READONLY"), types_ioc.pv("DOUBLE"))
    assert [bool(flags & Flag.WRITABLE) for flags in frame.rows["flags"].tolist()] == [False, True]


async def test_a_pv_that_may_not_be_read_costs_nothing(epics: Epics, types_ioc: SoftIoc) -> None:
    started = time.monotonic()
    frame = await read(epics, Protocol.CA, types_ioc.pv("HIDDEN"), types_ioc.pv("DOUBLE"), timeout_s=20.0)
    assert frame.connected.tolist() == [False, True]
    assert time.monotonic() - started < 10.0


@pytest.mark.parametrize("protocol", Protocol)
async def test_absent_pvs_cost_one_time_out_and_the_others_are_read(
    epics: Epics, types_ioc: SoftIoc, protocol: Protocol
) -> None:
    names = [types_ioc.pv(f"ABSENT{n}") for n in range(50)] + [types_ioc.pv("DOUBLE")]
    await read(epics, protocol, types_ioc.pv("DOUBLE"))  # its connection may take longer on a busy machine
    started = time.monotonic()
    frame = await read(epics, protocol, *names, timeout_s=3.0)
    assert 2.9 < time.monotonic() - started < 20.0  # one by one: 150
    assert frame.value(50) == 1.5
    assert not frame.connected[:50].any()
    assert {frame.value(row) for row in range(50)} == {None}


async def test_a_pv_searched_for_long_enough_is_absent_at_once(epics: Epics, types_ioc: SoftIoc) -> None:
    names = [types_ioc.pv("ABSENT"), types_ioc.pv("DOUBLE")]
    await read(epics, Protocol.CA, *names, timeout_s=5.0)
    started = time.monotonic()
    frame = await read(epics, Protocol.CA, *names, timeout_s=4.9)  # it was searched for a little longer than that
    assert time.monotonic() - started < 4.5
    assert frame.connected.tolist() == [False, True]


async def test_one_pv_may_be_asked_for_twice(epics: Epics, types_ioc: SoftIoc) -> None:
    name, text = types_ioc.pv("DOUBLE"), types_ioc.pv("STRING")
    frame = await read(epics, Protocol.CA, name, text, name, text)
    assert [frame.value(row) for row in range(4)] == [1.5, "hello", 1.5, "hello"]


async def test_reading_nothing(epics: Epics) -> None:
    assert len(await epics.read([], timeout_s=1.0)) == 0


@pytest.mark.parametrize("name", ["DOUBLE", "ENUM", "STRING:LATIN1", "LSO.VAL$", "WF:STRING", "WF:SHORT", "META"])
async def test_a_single_reading_equals_the_bulk_one(epics: Epics, types_ioc: SoftIoc, name: str) -> None:
    address = PvAddress(Protocol.CA, types_ioc.pv(name))
    frame = await epics.read([address], timeout_s=20.0)
    reading = await epics.read_one(address, timeout_s=20.0)
    assert isinstance(reading, Reading)
    assert np.array_equal(reading.value, frame.value(0))
    assert (reading.type, reading.time_ns) == (type_of(frame, 0), int(frame.rows["time_ns"][0]))
    assert (reading.status, reading.severity) == (int(frame.rows["status"][0]), int(frame.rows["severity"][0]))
    meta = frame.meta[0]
    assert reading.choices == frame.choices(0)
    assert reading.units == frame.interned.units[int(meta["units"])]
    assert (-1 if reading.precision is None else reading.precision) == int(meta["precision"])


@pytest.mark.parametrize("protocol", Protocol)
async def test_a_single_reading_of_an_absent_pv_says_so(epics: Epics, protocol: Protocol) -> None:
    failed = await epics.read_one(PvAddress(protocol, "NOBODY:HAS:THIS"), timeout_s=0.3)
    assert isinstance(failed, ReadFailed)
    assert failed.message


async def test_one_absent_pv_in_a_hundred_does_not_slow_the_others(epics: Epics) -> None:
    """libca alone finds some 3,000 names a second once one in a datagram is not answered."""
    with SoftIoc.scale(30_000) as ioc:
        started = time.monotonic()
        assert (await read(epics, Protocol.CA, *ioc.names[20_000:], timeout_s=30.0)).connected.all()
        plain_s = 2 * (time.monotonic() - started)
        names = [name if number % 100 else f"{name}:ABSENT" for number, name in enumerate(ioc.names[:20_000])]
        started = time.monotonic()
        frame = await read(epics, Protocol.CA, *names, timeout_s=(time_out_s := max(3.0, 4 * plain_s)))
        assert time.monotonic() - started < time_out_s + 10.0 + plain_s
        assert frame.connected.tolist() == [bool(number % 100) for number in range(20_000)]
        assert [frame.value(row) for row in range(1, 100)] == list(range(1, 100))


async def test_single_readings_leave_no_endless_number_of_channels(
    epics: Epics, types_ioc: SoftIoc, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Absent ones would be searched for until the process ends."""
    monkeypatch.setattr(single, "MOST_CHANNELS", 3)
    names = [PvAddress(Protocol.CA, f"NOBODY:{number}") for number in range(3)]
    await asyncio.gather(*(epics.read_one(name, timeout_s=0.1) for name in names))
    assert len(aioca.get_channel_infos()) == 3
    reading = await epics.read_one(PvAddress(Protocol.CA, types_ioc.pv("LONG")), timeout_s=20.0)
    assert isinstance(reading, Reading) and reading.value == -123456
    assert aioca.get_channel_infos() == []
