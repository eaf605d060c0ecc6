"""Captures made by hand: what tests of snapshots compare, write and read."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

import numpy as np

from backend.src.infra.epics.frame import Flag, Frame, ValueType, bits_from_scalar, empty_frame
from backend.src.services.catalog.models import TagRef
from backend.src.services.snapshots.capture import Capture, Header, PvColumns, Role, Source

CREATED = datetime(2026, 1, 2, 3, 4, 5, 678901, UTC)
CREATED_NS = int(CREATED.timestamp()) * 1_000_000_000 + 678_901_234


@dataclass(frozen=True)
class Channel:
    """One reading. `value` None with type NONE is a channel never seen."""

    kind: ValueType
    value: Any
    connected: bool = True
    severity: int = 0
    choices: tuple[str, ...] = ()
    units: str = ""
    precision: int = -1
    limits: tuple[float, ...] = (float("nan"),) * 8
    time_ns: int = CREATED_NS - 5
    metadata: bool = True
    stale: bool = False


NEVER = Channel(ValueType.NONE, None, connected=False, time_ns=0, metadata=False)


@dataclass(frozen=True)
class MadePv:
    """One PV with the channels of its roles."""

    name: str
    channels: dict[Role, Channel]
    id: int = 0
    abs_tolerance: float = 0.0
    rel_tolerance: float = 0.0
    read_only: bool = False
    tags: tuple[TagRef, ...] = ()
    addresses: dict[Role, str] = field(default_factory=dict)


def double(value: float, **more: Any) -> Channel:
    return Channel(ValueType.DOUBLE, value, **more)


def setpoint(name: str, channel: Channel, **more: Any) -> MadePv:
    """A PV with a setpoint alone."""
    return MadePv(name, {Role.SETPOINT: channel}, **more)


def frame_of(channels: Sequence[Channel]) -> Frame:
    frame = empty_frame(len(channels))
    for row, channel in enumerate(channels):
        fill(frame, row, channel)
    return frame


def fill(frame: Frame, row: int, channel: Channel) -> None:
    rows, meta = frame.rows, frame.meta
    flags = Flag.CONNECTED | Flag.WRITABLE if channel.connected else Flag(0)
    rows["type"][row] = channel.kind
    rows["time_ns"][row] = channel.time_ns
    rows["received_ns"][row] = CREATED_NS - 5 if channel.time_ns else 0
    rows["severity"][row] = channel.severity
    if isinstance(channel.value, str | list | np.ndarray):
        frame.objects[row] = channel.value
        flags |= Flag.OBJECT if isinstance(channel.value, str) else Flag.OBJECT | Flag.ARRAY
        rows["count"][row] = 1 if isinstance(channel.value, str) else len(channel.value)
    elif channel.kind is not ValueType.NONE:
        rows["value"][row] = bits_from_scalar(channel.value, channel.kind)
        rows["count"][row] = 1
    if channel.metadata:
        flags |= Flag.METADATA
        meta["units"][row] = frame.interned.unit(channel.units)
        meta["choices"][row] = frame.interned.choice(channel.choices)
        meta["precision"][row] = channel.precision
        meta["limits"][row] = channel.limits
    rows["flags"][row] = flags


def capture_of(pvs: Sequence[MadePv], source: Source = Source.LIVE) -> Capture:
    """PVs in name order; ids count from 1 unless given."""
    channels = [(row, role, pv) for row, pv in enumerate(pvs) for role in sorted(pv.channels)]
    frame = frame_of([pv.channels[role] for _, role, pv in channels])
    return Capture(
        header=Header("made by hand", CREATED, CREATED_NS, source, "test"),
        pvs=pv_columns(pvs),
        pv_row=np.array([row for row, _, _ in channels], np.int64),
        roles=np.array([role for _, role, _ in channels], np.uint8),
        addresses=[pv.addresses.get(role, f"ca://{pv.name}:{role.label}") for _, role, pv in channels],
        sources=np.full(len(channels), source, np.uint8),
        stale=np.array([pv.channels[role].stale for _, role, pv in channels], np.bool_),
        frame=frame,
    )


def pv_columns(pvs: Sequence[MadePv]) -> PvColumns:
    return PvColumns(
        ids=np.array([pv.id or row + 1 for row, pv in enumerate(pvs)], np.int64),
        names=[pv.name for pv in pvs],
        devices=[None for _ in pvs],
        descriptions=[None for _ in pvs],
        abs_tolerance=np.array([pv.abs_tolerance for pv in pvs], np.float64),
        rel_tolerance=np.array([pv.rel_tolerance for pv in pvs], np.float64),
        read_only=np.array([pv.read_only for pv in pvs], np.bool_),
        tags=[pv.tags for pv in pvs],
    )
