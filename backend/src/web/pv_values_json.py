"""The values of a snapshot as JSON, by columns: 40,000 PVs in a fraction of a second."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from backend.src.infra.epics.address import Protocol
from backend.src.infra.epics.frame import LIMITS, Frame, ValueType
from backend.src.services.catalog import TagRef
from backend.src.services.snapshots.capture import Capture, Ints, Mask, Role
from backend.src.services.snapshots.metadata_columns import label_column
from backend.src.web import column_json
from backend.src.web.column_json import Column, at, chosen, numbers, texts
from backend.src.web.epics_json import json_text, status_name
from backend.src.web.snapshot_json import short_address

UPPER, LOWER = LIMITS.index("upper_control"), LIMITS.index("lower_control")
TYPES = tuple(kind.label for kind in ValueType)


def pv_values_json(capture: Capture, default: Protocol) -> bytes:
    """A list of PvValues, encoded."""
    pvs, rows = capture.pvs, capture.row_of_role
    names = texts([short_address(address, default) for address in capture.addresses])
    alarms, values = _alarm_columns(capture.frame), _values(capture)
    first = _first_of(rows)
    per_role = {f"{role.label}Name": at(names, rows[:, role]) for role in Role}
    per_role |= {f"{role.label}Value": at(values, rows[:, role]) for role in Role}
    fields: dict[str, Column | str] = {
        "pvId": column_json.ids(pvs.ids),
        "pvName": texts(pvs.names),
        **per_role,
        **{name: at(alarms[name], first) for name in ("status", "severity", "timestamp")},
        "tags": _tags(pvs.tags),
    }
    return column_json.array(column_json.objects(fields))


def _first_of(rows: Ints) -> Ints:
    """The channel row of each PV's setpoint, else its readback, else its config."""
    setpoint, readback, config = rows[:, Role.SETPOINT], rows[:, Role.READBACK], rows[:, Role.CONFIG]
    return np.where(setpoint >= 0, setpoint, np.where(readback >= 0, readback, config))


def _values(capture: Capture) -> Column:
    """An EpicsValue for each channel."""
    frame, meta = capture.frame, capture.frame.meta
    precision = meta["precision"]
    return column_json.objects(
        {
            "value": column_json.values(frame),
            **_alarm_columns(frame),
            "timestampNs": numbers(frame.rows["time_ns"], frame.rows["time_ns"] == 0),
            "units": chosen([json_text(text) or None for text in frame.interned.units], meta["units"]),
            "precision": numbers(precision, precision < 0),
            "upper_ctrl_limit": _limits(frame, UPPER),
            "lower_ctrl_limit": _limits(frame, LOWER),
            "enumLabel": texts(label_column(frame)),
            "type": chosen(TYPES, frame.rows["type"]),
            "connected": column_json.booleans(frame.connected),
            "ageSeconds": numbers(capture.age_s, np.isnan(capture.age_s)),
            "stale": column_json.booleans(capture.stale),
        }
    )


def _alarm_columns(frame: Frame) -> dict[str, Column]:
    never: Mask = frame.rows["type"] == ValueType.NONE
    statuses, codes = np.unique(frame.rows["status"], return_inverse=True)
    named = [*(status_name(status) for status in statuses.tolist()), None]
    return {
        "status": chosen(named, np.where(never, len(statuses), codes)),
        "severity": chosen([*range(256), None], np.where(never, 256, frame.rows["severity"].astype(np.int64))),
        "timestamp": numbers(frame.rows["time_ns"] / 1e9, frame.rows["time_ns"] == 0),
    }


def _limits(frame: Frame, which: int) -> Column:
    limits: npt.NDArray[np.float64] = np.ascontiguousarray(frame.meta["limits"][:, which])
    return numbers(limits, np.isnan(limits))


def _tags(tags: Sequence[tuple[TagRef, ...]]) -> Column:
    """Equal sets of tags, which many PVs share, are encoded once."""
    numbers_of: dict[int, int] = {}
    distinct: list[tuple[TagRef, ...]] = []
    codes = np.empty(len(tags), np.int64)
    for row, refs in enumerate(tags):
        number = numbers_of.setdefault(id(refs), len(distinct))
        if number == len(distinct):
            distinct.append(refs)
        codes[row] = number
    return chosen([[_tag(ref) for ref in refs] for refs in distinct], codes)


def _tag(ref: TagRef) -> dict[str, str]:
    return {"id": str(ref.id), "name": ref.name, "groupName": ref.group_name}
