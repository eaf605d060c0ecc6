"""The columns of a snapshot's archive as the code has them, with what each means."""

from __future__ import annotations

from typing import Any

import pyarrow as pa

from backend.src.infra.epics.frame import ValueType
from backend.src.services.snapshots import metadata_columns, pv_columns, value_columns
from backend.src.services.snapshots.archive import SCHEMA
from backend.src.services.snapshots.capture import Role, Source

_TYPES = ", ".join(f"`{kind.label}`" for kind in ValueType if kind is not ValueType.NONE)
_ROLES = ", ".join(f"`{role.label}`" for role in Role)
_SOURCES = ", ".join(f"`{source.label}`" for source in Source)
_LIMIT = "null for none"

MEANINGS = {
    "pv_id": "the PV's id in the catalogue of that time",
    "pv_name": "what the PV goes by: its setpoint's name, else its readback's, else its config's",
    "device": "null when there is none",
    "description": "null when there is none",
    "abs_tolerance": "how far two values may differ and still match",
    "rel_tolerance": "the same, as a part of the value",
    "read_only": "a restore never writes such a PV",
    "tags": "the PV's tags",
    "role": _ROLES,
    "address": "with protocol: `ca://NAME` or `pva://NAME`",
    "type": f"{_TYPES}; `{ValueType.NONE.label}` for a channel never seen",
    "is_array": "the value is an array, be it of one element or of none",
    "connected": "false: the value, if any, is the last one that was seen before",
    "writable": "the server granted write access",
    "stale": "a live value that nobody vouched for: its channel was not connected, or was read otherwise",
    "source": _SOURCES,
    "status": "alarm status, by number, as in EPICS base (menuAlarmStat)",
    "severity": "0 none, 1 minor, 2 major, 3 invalid",
    "time_ns": "the server's time stamp, ns since 1970; null for none",
    "age_s": "seconds between the arrival of the value here and the snapshot; null for none",
    "value_double": "scalars of type double and float; NaN is a value, not null",
    "value_int64": "scalars of every other number type; enums by index; booleans as 0 and 1",
    "value_uint64": "scalars of type uint64",
    "value_text": "strings and long strings",
    "value_bytes": "strings that are not UTF-8, byte for byte",
    "value_doubles": "arrays of double and float",
    "value_int64s": "arrays of every other number type",
    "value_uint64s": "arrays of uint64",
    "value_texts": "arrays of strings",
    "value_bytes_list": "arrays of strings of which at least one is not UTF-8",
    "enum_label": "the label of a scalar enum's value; null when the index has none",
    "enum_choices": "all labels",
    "units": "empty when the channel has none; null when metadata was never read",
    "precision": "digits after the point; null for none",
}

_VALUES = {name for name, _ in value_columns.FIELDS}
_METADATA = {name for name, _ in metadata_columns.FIELDS}
assert {name for name, _ in pv_columns.FIELDS} <= set(SCHEMA.names)


def of_rows() -> list[tuple[str, str, str]]:
    """The PV, and its channel without the value."""
    return [row(field) for field in SCHEMA if field.name not in _VALUES | _METADATA]


def of_values() -> list[tuple[str, str, str]]:
    """One of these is not null."""
    return [row(field) for field in SCHEMA if field.name in _VALUES]


def of_metadata() -> list[tuple[str, str, str]]:
    """What the channel says about its values."""
    return [row(field) for field in SCHEMA if field.name in _METADATA]


def row(field: pa.Field[Any]) -> tuple[str, str, str]:
    """Name, type and meaning. Raises KeyError for a column that nobody has explained."""
    meaning = _LIMIT if field.name.startswith("limit_") else MEANINGS[field.name]
    return f"`{field.name}`", type_of(field.type), meaning


def type_of(kind: pa.DataType) -> str:
    """As a reader of the file meets it: a dictionary is how it is stored, not what it is."""
    if pa.types.is_dictionary(kind):
        return type_of(kind.value_type)
    if pa.types.is_list(kind):
        return f"list of {type_of(kind.value_type)}"
    if pa.types.is_struct(kind):
        return "{" + ", ".join(f"`{kind.field(n).name}`" for n in range(kind.num_fields)) + "}"
    return {"string": "text", "bool": "boolean"}.get(str(kind), str(kind))
