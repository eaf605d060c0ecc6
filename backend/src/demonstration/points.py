"""One line of the demonstration machine's PV list, together with what serves it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum


class Place(StrEnum):
    """Which server of the machine holds a point."""

    MAIN = "main"  # the soft IOC: Channel Access and PVAccess
    RACK = "rack"  # a second soft IOC, switched off and on again
    PVA = "pva"  # PVAccess alone


@dataclass(frozen=True, slots=True)
class Row:
    """One line of the list as an operator would keep it; an empty text means none."""

    setpoint: str
    readback: str
    device: str
    description: str
    tags: Mapping[str, str]  # tag group -> tag

    def addresses(self) -> int:
        """How many process variables the line names."""
        return bool(self.setpoint) + bool(self.readback)


@dataclass(frozen=True, slots=True)
class Point:
    """A row and the records behind it, as text of an EPICS database ("" for PVAccess alone)."""

    row: Row
    records: str
    place: Place = Place.MAIN
