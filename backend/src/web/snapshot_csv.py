"""A snapshot as a table for a spreadsheet: one line for each channel of a PV."""

from __future__ import annotations

import csv
import io
from datetime import UTC, datetime
from typing import Any

import orjson

from backend.src.infra.epics.address import Protocol
from backend.src.infra.epics.frame import ValueType
from backend.src.services.snapshots.capture import NS_PER_S, Capture, Role, Source
from backend.src.web.snapshot_json import values_json

HEADER = (
    "PV", "field", "address", "type", "value", "label", "status", "severity", "timestamp", "units", "connected",
    "stale", "source", "age_s", "device", "description", "tags",
)  # fmt: skip


def snapshot_csv(capture: Capture, default: Protocol) -> str:
    """RFC 4180, UTF-8. An array is a JSON list in one cell; no value is an empty cell; times are UTC, in ns."""
    text = io.StringIO(newline="")
    writer = csv.writer(text)
    writer.writerow(HEADER)
    writer.writerows(_rows(capture, default))
    return text.getvalue()


def _rows(capture: Capture, default: Protocol) -> list[tuple[Any, ...]]:
    pvs, values = capture.pvs, values_json(capture)
    tags = [", ".join(f"{ref.group_name}={ref.name}" for ref in refs) for refs in pvs.tags]
    columns = zip(capture.pv_row.tolist(), capture.roles.tolist(), capture.addresses, capture.sources.tolist(), values,
                  strict=True)  # fmt: skip
    return [
        (
            pvs.names[pv], Role(role).label, address.removeprefix(f"{default}://"), _type(value), _cell(value["value"]),
            value["enumLabel"], value["status"], value["severity"], _moment(value["timestampNs"]), value["units"],
            value["connected"], value["stale"], Source(source).label, value["ageSeconds"], pvs.devices[pv],
            pvs.descriptions[pv], tags[pv],
        )
        for pv, role, address, source, value in columns
    ]  # fmt: skip


def _type(value: dict[str, Any]) -> str:
    return "" if value["type"] == ValueType.NONE.label else str(value["type"])


def _cell(value: Any) -> Any:
    return orjson.dumps(value).decode() if isinstance(value, list) else value


def _moment(time_ns: int | None) -> str:
    if time_ns is None:
        return ""
    seconds, rest = divmod(time_ns, NS_PER_S)
    return f"{datetime.fromtimestamp(seconds, UTC):%Y-%m-%dT%H:%M:%S}.{rest:09d}Z"
