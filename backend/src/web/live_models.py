"""What goes over the wire about live values."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import Field, StringConstraints

from backend.src.infra.epics.address import PvAddress
from backend.src.infra.epics.outcomes import ReadFailed, Reading
from backend.src.services.monitoring import Written
from backend.src.web.epics_json import json_text, json_value, status_name
from backend.src.web.inputs import NO_NUL, Finite, Seconds
from backend.src.web.models import RequestModel, ResponseModel

MOST_NAMES = 100_000
MOST_ELEMENTS = 1_000_000
LONGEST_STRING = 65_536

PvName = Annotated[str, StringConstraints(max_length=262, pattern=NO_NUL), Field(examples=["QUAD:LI21:201:BDES"])]
ShortName = Annotated[str, Field(examples=["QUAD:LI21:201:BDES"])]
"""An address as answers have it: without the default protocol."""
Value = Annotated[Any, Field(examples=[1.25])]
"""A number, a text, or a list of either: whatever the PV has."""
Integer = Annotated[int, Field(ge=-(2**63), le=2**64 - 1)]
Scalar = bool | Integer | Finite | Annotated[str, StringConstraints(max_length=LONGEST_STRING, pattern=NO_NUL)]


class PvNames(RequestModel):
    """Addresses in any spelling."""

    pv_names: Annotated[list[PvName], Field(max_length=MOST_NAMES, alias="pv_names")]


class Entry(ResponseModel):
    """One channel as the monitor last saw it; times in seconds since 1970, timestampNs exact."""

    value: Value
    connected: bool
    updated_at: Annotated[float | None, Field(alias="updated_at")]
    status: str | None = Field(examples=["NO_ALARM"])
    severity: int | None = Field(examples=[0])
    timestamp: float | None = Field(examples=[1772440200.25])
    timestamp_ns: int | None = Field(examples=[1772440200250000000])
    units: str | None = Field(examples=["kG"])
    error: str | None
    enum_label: str | None
    precision: int | None = Field(examples=[3])
    stale: bool


class AllEntries(ResponseModel):
    """Every channel of the catalogue."""

    values: dict[ShortName, Entry]
    count: int = Field(examples=[1])


class CacheStatus(ResponseModel):
    """How full and how true the live table is."""

    cached_pv_count: int = Field(examples=[39999])
    connected_pv_count: int = Field(examples=[39998])
    status: str = Field(examples=["connected"])
    error: str | None = None


class _Read(ResponseModel):
    value: Value
    connected: bool
    error: str | None
    status: str | None = None
    severity: int | None = None
    timestamp: float | None = None
    timestamp_ns: int | None = None
    units: str | None = None
    enum_label: str | None = None


class DirectReading(_Read):
    """A PV read past the live table."""

    pv: str = Field(examples=["QUAD:LI21:201:BDES"])
    environment: dict[str, str] = Field(examples=[{"EPICS_CA_ADDR_LIST": "10.1.255.255"}])


class NewValue(RequestModel):
    """A value to write; timeout: seconds for the put to complete."""

    value: Scalar | Annotated[list[Scalar], Field(max_length=MOST_ELEMENTS)] = Field(examples=[1.25])
    wait: bool = True
    timeout: Seconds | None = None


class WrittenValue(_Read):
    """A put that went well, and what was read back after it; completed: the device said that it was done."""

    id: str = Field(examples=["17"])
    pv: str = Field(examples=["QUAD:LI21:201:BDES"])
    result: str = Field(examples=["ok"])
    completed: bool


def direct_reading(pv: str, reading: Reading | ReadFailed, environment: dict[str, str]) -> DirectReading:
    """A single read and how the machine was reached for it."""
    return DirectReading(pv=pv, environment=environment, **_fields(reading))


def written_value(pv_id: int, address: PvAddress, written: Written) -> WrittenValue:
    """A single write, read back."""
    return WrittenValue(
        id=str(pv_id), pv=str(address), result="ok", completed=written.waited, **_fields(written.readback)
    )


def _fields(reading: Reading | ReadFailed) -> dict[str, Any]:
    if isinstance(reading, ReadFailed):
        return {"value": None, "connected": False, "error": json_text(reading.message)}
    return {
        "value": json_value(reading.value),
        "connected": True,
        "error": None,
        "status": status_name(reading.status),
        "severity": reading.severity,
        "timestamp": reading.time_ns / 1e9 if reading.time_ns else None,
        "timestamp_ns": reading.time_ns or None,
        "units": json_text(reading.units) or None,
        "enum_label": _label(reading),
    }


def _label(reading: Reading) -> str | None:
    index = reading.value
    if reading.array or not isinstance(index, int) or not 0 <= index < len(reading.choices):
        return None
    return json_text(reading.choices[index])
