"""Captures as JSON: whole columns at a time, without pydantic. Call it off the event loop."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from backend.src.infra.epics.address import Protocol
from backend.src.infra.epics.frame import Frame, PvValue, ValueType
from backend.src.services.snapshots import Compared, HistoryPage, Snapshot
from backend.src.services.snapshots.capture import Capture, Ints, Role
from backend.src.web.epics_json import epics_values, json_text, json_value, json_values

Json = Any
MOST_INTEGER = 2**63 - 1
ROLES = tuple(role.label for role in Role)


def summary_json(snapshot: Snapshot) -> dict[str, Json]:
    """A SnapshotSummary."""
    counts = snapshot.counts
    errors = snapshot.cameras.errors if snapshot.cameras else {}
    return {
        "id": snapshot.id,
        "title": snapshot.title,
        "description": snapshot.description,
        "createdDate": snapshot.created_at,
        "createdBy": snapshot.created_by,
        "pvCount": snapshot.pv_count,
        "labels": list(snapshot.labels),
        "golden": snapshot.golden,
        "source": snapshot.source,
        "counts": {
            "captured": counts.captured,
            "stale": counts.stale,
            "disconnected": counts.disconnected,
            "alarm": counts.alarm,
        },
        "sizeBytes": snapshot.size_bytes,
        "sha256": snapshot.sha256,
        "cameras": [{"pv": pv, "error": error} for pv, error in errors.items()],
    }


def values_json(capture: Capture) -> list[dict[str, Json]]:
    """An EpicsValue for each channel."""
    ages = [None if age != age else age for age in capture.age_s.tolist()]
    values = epics_values(capture.frame, ages)
    for value, stale in zip(values, capture.stale.tolist(), strict=True):
        value["stale"] = stale
    return values


def short_address(address: str, default: Protocol) -> str:
    """A full address without its protocol where that is the default one."""
    return address.removeprefix(f"{default}://")


def comparison_json(compared: Compared, *, only_differences: bool) -> dict[str, Json]:
    """A ComparisonAnswer."""
    found = compared.comparison
    shown = np.flatnonzero(~found.within) if only_differences else np.arange(len(found.pairs))
    return {
        "snapshot1Id": compared.first_id,
        "snapshot2Id": compared.second_id,
        "differences": _differences(compared, shown),
        "matchCount": found.match_count,
        "differenceCount": found.difference_count,
        "onlyIn1": _lonely(compared.first, found.only_in_1),
        "onlyIn2": _lonely(compared.second, found.only_in_2),
        "source2": compared.second.header.source.label,
        "stale2": int(compared.second.stale.sum()),
    }


def _differences(compared: Compared, shown: Ints) -> list[dict[str, Json]]:
    first, second, pairs = compared.first, compared.second, compared.comparison.pairs
    rows1, rows2 = pairs.rows1[shown], pairs.rows2[shown]
    frame1, frame2 = first.frame.take(rows1), second.frame.take(rows2)
    columns = zip(
        *_named(first, rows1),
        json_values(frame1), json_values(frame2), labels(frame1), labels(frame2),
        frame1.connected.tolist(), frame2.connected.tolist(),
        compared.comparison.within[shown].tolist(), _deltas(frame1, frame2),
        strict=True,
    )  # fmt: skip
    return [
        {
            "pvId": pv_id, "pvName": name, "field": field, "value1": value1, "value2": value2, "label1": label1,
            "label2": label2, "connected1": connected1, "connected2": connected2, "withinTolerance": within,
            "delta": delta,
        }
        for (
            pv_id, name, field, value1, value2, label1, label2, connected1, connected2, within, delta,
        ) in columns
    ]  # fmt: skip


def _named(capture: Capture, rows: Ints) -> tuple[list[str], list[str], list[str]]:
    """Id, name and field of channel rows."""
    pv_rows = capture.pv_row[rows]
    ids = [str(pv_id) for pv_id in capture.pvs.ids[pv_rows].tolist()]
    names = [capture.pvs.names[row] for row in pv_rows.tolist()]
    return ids, names, [ROLES[role] for role in capture.roles[rows].tolist()]


def _lonely(capture: Capture, rows: Ints) -> list[dict[str, str]]:
    columns = zip(*_named(capture, rows), strict=True)
    return [{"pvId": pv_id, "pvName": name, "field": field} for pv_id, name, field in columns]


def labels(frame: Frame) -> list[str | None]:
    """The label of each scalar enum, None for all else."""
    found: list[str | None] = [None] * len(frame)
    for row in np.flatnonzero(frame.rows["type"] == ValueType.ENUM).tolist():
        label = frame.enum_label(row)
        found[row] = None if label is None else json_text(label)
    return found


def _deltas(frame1: Frame, frame2: Frame) -> list[Json]:
    numeric = ~np.isin(frame1.rows["type"], (ValueType.NONE, ValueType.ENUM, ValueType.BOOLEAN))
    comparable = numeric & (frame1.rows["type"] == frame2.rows["type"])
    return [
        _delta(frame1.value(row), frame2.value(row)) if can else None for row, can in enumerate(comparable.tolist())
    ]


def _delta(value1: PvValue, value2: PvValue) -> Json:
    if isinstance(value1, np.ndarray) and isinstance(value2, np.ndarray):
        return _array_delta(value1, value2)
    if isinstance(value1, int | float) and isinstance(value2, int | float):
        return _number(value2 - value1)
    return None


def _number(delta: int | float) -> Json:
    """JSON's integers are any size, those of its writers 64 bits: beyond them a delta is rounded."""
    return delta if isinstance(delta, int) and abs(delta) <= MOST_INTEGER else json_value(float(delta))


def _array_delta(value1: np.ndarray[Any, Any], value2: np.ndarray[Any, Any]) -> Json:
    """The difference of the element that changed most."""
    if value1.shape != value2.shape or not value1.size or value1.dtype.kind == "b":
        return None
    with np.errstate(invalid="ignore", over="ignore"):
        apart = value2.astype(np.float64) - value1.astype(np.float64)
    if np.isnan(apart).all():
        return None
    return json_value(float(apart[np.nanargmax(np.abs(apart))]))


def history_json(page: HistoryPage) -> list[dict[str, Json]]:
    """HistoryValues, newest first."""
    return [
        {
            "snapshotId": entry.snapshot.id, "title": entry.snapshot.title, "createdDate": entry.snapshot.created_at,
            "pvId": pv_id, "pvName": name, "field": field, "value": value,
        }
        for entry in page.entries
        for pv_id, name, field, value in _history_rows(entry.capture)
    ]  # fmt: skip


def _history_rows(capture: Capture) -> Sequence[tuple[str, str, str, Json]]:
    columns = (*_named(capture, np.arange(len(capture))), values_json(capture))
    return list(zip(*columns, strict=True))
