"""A snapshot's contents as columns: what was saved of each PV, and of each of its channels."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from enum import IntEnum
from functools import cached_property
from typing import TypeVar

import numpy as np
import numpy.typing as npt

from backend.src.infra.epics.address import Protocol, PvAddress
from backend.src.infra.epics.frame import Frame
from backend.src.services.catalog.models import TagRef

Ints = npt.NDArray[np.int64]
Bytes = npt.NDArray[np.uint8]
Floats = npt.NDArray[np.float64]
Mask = npt.NDArray[np.bool_]

NS_PER_S = 1_000_000_000
T = TypeVar("T")


class Role(IntEnum):
    """What a channel is to its PV."""

    SETPOINT = 0
    READBACK = 1
    CONFIG = 2

    @property
    def label(self) -> str:
        """The word used in archives and in JSON."""
        return self.name.lower()


class Source(IntEnum):
    """Where a value was taken from: the live table, or the channel itself by a forced read."""

    LIVE = 0
    READ = 1

    @property
    def label(self) -> str:
        """The word used in archives and in JSON."""
        return self.name.lower()


@dataclass(frozen=True, slots=True)
class PvColumns:
    """n PVs as the catalogue described them at the time, in name order."""

    ids: Ints
    names: list[str]
    devices: list[str | None]
    descriptions: list[str | None]
    abs_tolerance: Floats
    rel_tolerance: Floats
    read_only: Mask
    tags: list[tuple[TagRef, ...]]

    def __len__(self) -> int:
        return len(self.names)

    def tag_ids(self) -> list[int]:
        """Every tag of the PVs, once, ascending."""
        distinct = {id(refs): refs for refs in self.tags}  # many PVs share one tuple
        return sorted({ref.id for refs in distinct.values() for ref in refs})

    def take(self, rows: Ints) -> PvColumns:
        """Some of the PVs, in the order of `rows`."""
        return PvColumns(
            ids=self.ids[rows],
            names=pick(self.names, rows),
            devices=pick(self.devices, rows),
            descriptions=pick(self.descriptions, rows),
            abs_tolerance=self.abs_tolerance[rows],
            rel_tolerance=self.rel_tolerance[rows],
            read_only=self.read_only[rows],
            tags=pick(self.tags, rows),
        )


@dataclass(frozen=True, slots=True)
class Header:
    """What an archive says about itself."""

    title: str
    created_at: datetime
    created_ns: int
    source: Source
    machine: str


@dataclass(frozen=True)
class Capture:
    """m channels of n PVs. Rows run in the order of the PVs, and setpoint, readback, config within one.

    pv_row: int64[m], the PV of each channel; roles, sources: uint8[m]; stale: bool[m], a live value that nobody vouched
    for any more; frame: m readings. Immutable: captures are shared between requests.
    """

    header: Header
    pvs: PvColumns
    pv_row: Ints
    roles: Bytes
    addresses: list[str]
    sources: Bytes
    stale: Mask
    frame: Frame = field(repr=False)

    def __len__(self) -> int:
        return len(self.addresses)

    @property
    def connected(self) -> Mask:
        """bool[m]"""
        return self.frame.connected

    @cached_property
    def age_s(self) -> Floats:
        """float64[m]: seconds between the arrival of each value and the snapshot; NaN for none."""
        received = self.frame.rows["received_ns"]
        age = (self.header.created_ns - received) / NS_PER_S
        return np.where(received == 0, np.nan, age)

    @cached_property
    def parsed(self) -> list[PvAddress]:
        """The addresses, ready to be read or written."""
        known = {f"{protocol}": protocol for protocol in Protocol}
        parts = (address.partition("://") for address in self.addresses)
        return [PvAddress(known[protocol], name) for protocol, _, name in parts]

    @cached_property
    def row_of_role(self) -> Ints:
        """int64[n, 3]: the channel row of each PV's setpoint, readback and config, -1 for none."""
        rows = np.full((len(self.pvs), len(Role)), -1, np.int64)
        rows[self.pv_row, self.roles] = np.arange(len(self))
        return rows

    @cached_property
    def counts(self) -> Counts:
        """How true the snapshot is."""
        return count(self)

    def take_pvs(self, pv_rows: Ints) -> Capture:
        """The given PVs alone, with their channels. pv_rows: ascending."""
        position = np.full(len(self.pvs), -1, np.int64)
        position[pv_rows] = np.arange(len(pv_rows))
        rows = np.flatnonzero(position[self.pv_row] >= 0)
        return self.take(rows, self.pvs.take(pv_rows), position[self.pv_row[rows]])

    def take(self, rows: Ints, pvs: PvColumns, pv_row: Ints) -> Capture:
        """The given channels alone, as those of `pvs`."""
        return Capture(
            header=self.header,
            pvs=pvs,
            pv_row=pv_row,
            roles=self.roles[rows],
            addresses=pick(self.addresses, rows),
            sources=self.sources[rows],
            stale=self.stale[rows],
            frame=self.frame.take(rows),
        )


@dataclass(frozen=True, slots=True)
class Counts:
    """Numbers of PVs (not of channels). captured: every channel was connected and vouched for."""

    captured: int
    stale: int
    disconnected: int
    alarm: int


def count(capture: Capture) -> Counts:
    """A PV is as bad as its worst channel: disconnected before stale before captured; alarm counts besides."""
    disconnected = _pvs_with(capture, ~capture.connected)
    stale = _pvs_with(capture, capture.stale) & ~disconnected
    alarm = _pvs_with(capture, capture.connected & (capture.frame.rows["severity"] > 0))
    return Counts(
        captured=int((~disconnected & ~stale).sum()),
        stale=int(stale.sum()),
        disconnected=int(disconnected.sum()),
        alarm=int(alarm.sum()),
    )


def _pvs_with(capture: Capture, channels: Mask) -> Mask:
    marked = np.zeros(len(capture.pvs), np.bool_)
    marked[capture.pv_row[channels]] = True
    return marked


def pick(values: Sequence[T], rows: Ints) -> list[T]:
    """values[rows] of a list."""
    return [values[row] for row in rows.tolist()]
