"""What goes in and comes out of reads and writes, one value an operation."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum

import numpy as np
import numpy.typing as npt

from backend.src.infra.epics.address import PvAddress
from backend.src.infra.epics.frame import Flag, Frame, Interned, PvValue, Rows, ValueType

Slots = npt.NDArray[np.int32]


class PutResult(StrEnum):
    """How a put ended."""

    OK = "ok"
    DISCONNECTED = "disconnected"
    NO_ACCESS = "no_access"
    TIMED_OUT = "timed_out"
    FAILED = "failed"
    ABORTED = "aborted"


@dataclass(frozen=True, slots=True)
class Put:
    """One value to write. `type` is that of `value`; the channel's own decides what travels."""

    address: PvAddress
    value: PvValue
    type: ValueType
    timeout_s: float | None = None


@dataclass(frozen=True, slots=True)
class PutOutcome:
    """How one put ended; the message says why when it is not OK."""

    result: PutResult
    message: str = ""

    @property
    def ok(self) -> bool:
        """Written, and completed where completion was waited for."""
        return self.result is PutResult.OK


@dataclass(frozen=True, slots=True)
class Reading:
    """One PV, read directly."""

    address: PvAddress
    value: PvValue
    type: ValueType
    array: bool
    time_ns: int
    status: int
    severity: int
    units: str = ""
    precision: int | None = None
    choices: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class ReadFailed:
    """One PV that could not be read, and why."""

    address: PvAddress
    message: str


@dataclass(frozen=True, slots=True)
class Changes:
    """Everything that changed since the last drain, the latest of each slot.

    slots int32[k] and rows ROW[k] go together; objects: texts and arrays by slot; meta_slots int32[m] and
    meta META[m] go together, their units and choices being indexes into `interned`.
    """

    slots: Slots
    rows: Rows
    objects: dict[int, PvValue]
    meta_slots: Slots
    meta: Rows
    interned: Interned = field(default_factory=Interned)

    @property
    def units(self) -> list[str]:
        """Texts that meta["units"] counts in."""
        return self.interned.units

    @property
    def choices(self) -> list[tuple[str, ...]]:
        """Tuples of labels that meta["choices"] counts in."""
        return self.interned.choices

    def __len__(self) -> int:
        return len(self.slots)


def reading_of(address: PvAddress, frame: Frame) -> Reading | ReadFailed:
    """The one row of a frame as a Reading."""
    row, meta = frame.rows[0], frame.meta[0]
    if not int(row["flags"]) & Flag.CONNECTED:
        return ReadFailed(address, "not connected")
    precision = int(meta["precision"])
    return Reading(
        address,
        frame.value(0),
        ValueType(int(row["type"])),
        bool(int(row["flags"]) & Flag.ARRAY),
        int(row["time_ns"]),
        int(row["status"]),
        int(row["severity"]),
        frame.interned.units[int(meta["units"])],
        None if precision < 0 else precision,
        frame.choices(0),
    )
