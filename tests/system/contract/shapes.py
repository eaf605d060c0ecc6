"""The fields of the interface and their types, and a check of an answer against them.

A shape is a type, a tuple of types, {field: shape} (more fields are welcome), [shape] for a list, or a function that
asserts. MAYBE(shape) allows null.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from typing import Any

Shape = Any

TEXT, NUMBER, WHOLE, FLAG = str, (int, float), int, bool


def MAYBE(shape: Shape) -> Shape:
    """The shape, or null."""

    def fits(value: Any, where: str) -> None:
        if value is not None:
            check(value, shape, where)

    return fits


def MAP(shape: Shape) -> Shape:
    """An object of any names."""

    def fits(value: Any, where: str) -> None:
        assert isinstance(value, dict), where
        for name, item in value.items():
            check(item, shape, f"{where}.{name}")

    return fits


def ANY(_value: Any, _where: str) -> None:
    """Whatever there is."""


def MOMENT(value: Any, where: str) -> None:
    """A time with its zone, ISO 8601."""
    assert isinstance(value, str) and datetime.fromisoformat(value).tzinfo is not None, f"{where}: {value!r}"


def ID(value: Any, where: str) -> None:
    """Ids are strings."""
    assert isinstance(value, str) and value, f"{where}: {value!r}"


def check(value: Any, shape: Shape, where: str = "answer") -> None:
    """Raises AssertionError naming the place where the value differs from the shape."""
    if isinstance(shape, dict):
        assert isinstance(value, dict), f"{where} is {value!r}"
        for name, inner in shape.items():
            assert name in value, f"{where} has no {name}: {sorted(value)}"
            check(value[name], inner, f"{where}.{name}")
    elif isinstance(shape, list):
        assert isinstance(value, list), f"{where} is {value!r}"
        for position, item in enumerate(value):
            check(item, shape[0], f"{where}[{position}]")
    elif isinstance(shape, type | tuple):
        assert isinstance(value, shape), f"{where} is {value!r}"
        assert shape is bool or not isinstance(value, bool), f"{where} is {value!r}"
    else:
        function: Callable[[Any, str], None] = shape
        function(value, where)


TAG = {"id": ID, "name": TEXT, "description": MAYBE(TEXT)}
GROUP = {**TAG, "tags": [TAG], "createdDate": MOMENT, "lastModifiedDate": MOMENT}
GROUP_SUMMARY = {**TAG, "tagCount": WHOLE}
PV = {
    "id": ID, "setpointAddress": MAYBE(TEXT), "readbackAddress": MAYBE(TEXT), "configAddress": MAYBE(TEXT),
    "device": MAYBE(TEXT), "description": MAYBE(TEXT), "absTolerance": NUMBER, "relTolerance": NUMBER,
    "readOnly": FLAG, "tags": [TAG], "createdDate": MOMENT, "lastModifiedDate": MOMENT, "createdBy": MAYBE(TEXT),
    "lastModifiedBy": MAYBE(TEXT),
}  # fmt: skip
ENTRY = {
    "value": ANY, "connected": FLAG, "updated_at": MAYBE(NUMBER), "status": MAYBE(TEXT), "severity": MAYBE(WHOLE),
    "timestamp": MAYBE(NUMBER), "units": MAYBE(TEXT), "error": MAYBE(TEXT), "timestampNs": MAYBE(WHOLE),
    "enumLabel": MAYBE(TEXT), "precision": MAYBE(WHOLE), "stale": FLAG,
}  # fmt: skip
SUMMARY = {
    "id": ID, "title": TEXT, "description": MAYBE(TEXT), "createdDate": MOMENT, "createdBy": MAYBE(TEXT),
    "pvCount": WHOLE, "labels": [TEXT], "golden": FLAG, "source": TEXT,
    "counts": dict.fromkeys(("captured", "stale", "disconnected", "alarm"), WHOLE), "sizeBytes": WHOLE, "sha256": TEXT,
    "cameras": [{"pv": TEXT, "error": MAYBE(TEXT)}],
}  # fmt: skip
EPICS_VALUE = {
    "value": ANY, "status": MAYBE(TEXT), "severity": MAYBE(WHOLE), "timestamp": MAYBE(NUMBER), "units": MAYBE(TEXT),
    "precision": MAYBE(WHOLE), "upper_ctrl_limit": MAYBE((int, float, str)),
    "lower_ctrl_limit": MAYBE((int, float, str)), "enumLabel": MAYBE(TEXT), "type": TEXT, "connected": FLAG,
    "ageSeconds": MAYBE(NUMBER),
}  # fmt: skip
PV_VALUE = {
    "pvId": ID, "pvName": TEXT, "setpointName": MAYBE(TEXT), "readbackName": MAYBE(TEXT),
    "setpointValue": MAYBE(EPICS_VALUE), "readbackValue": MAYBE(EPICS_VALUE), "status": MAYBE(TEXT),
    "severity": MAYBE(WHOLE), "timestamp": MAYBE(NUMBER), "tags": [{"id": ID, "name": TEXT, "groupName": TEXT}],
}  # fmt: skip
LONELY = {"pvId": ID, "pvName": TEXT, "field": TEXT}
COMPARISON = {
    "snapshot1Id": ID, "snapshot2Id": ID, "matchCount": WHOLE, "differenceCount": WHOLE,
    "differences": [{**LONELY, "value1": ANY, "value2": ANY, "withinTolerance": FLAG, "delta": ANY}],
    "onlyIn1": [LONELY], "onlyIn2": [LONELY],
}  # fmt: skip
JOB_STARTED = {"jobId": ID, "message": TEXT}
PLAN = {
    "planId": ID, "expiresAt": MOMENT, "counts": MAP(WHOLE),
    "items": [{"pvId": ID, "pvName": TEXT, "verdict": TEXT, "reason": TEXT}],
}  # fmt: skip
OUTCOMES = {"jobId": ID, "outcomes": [{"pvId": ID, "pvName": TEXT, "verdict": TEXT, "result": TEXT, "message": TEXT}]}
HISTORY = {"snapshotId": ID, "createdDate": MOMENT, "value": EPICS_VALUE}
JOB = {
    "id": ID, "type": TEXT, "status": TEXT, "progress": WHOLE, "message": MAYBE(TEXT), "resultId": MAYBE(ID),
    "error": MAYBE(TEXT), "jobData": MAYBE(dict), "createdAt": MOMENT, "startedAt": MAYBE(MOMENT),
    "completedAt": MAYBE(MOMENT),
}  # fmt: skip
KEY = {
    "id": ID, "appName": TEXT, "isActive": FLAG, "readAccess": FLAG, "writeAccess": FLAG, "createdAt": MOMENT,
    "updatedAt": MOMENT, "scopes": [TEXT], "expiresAt": MAYBE(MOMENT), "lastUsedAt": MAYBE(MOMENT),
}  # fmt: skip
HEARTBEAT = {"timestamp": MAYBE(NUMBER), "alive": FLAG, "age_seconds": MAYBE(NUMBER), "error": MAYBE(TEXT)}
HEALTH_SUMMARY = {
    "status": TEXT, "monitor_alive": FLAG, "heartbeat_age_seconds": MAYBE(NUMBER), "total_pvs": WHOLE,
    "connected_pvs": WHOLE, "disconnected_pvs": WHOLE, "never_connected_pvs": WHOLE, "disconnected_percentage": NUMBER,
    "watchdog_running": FLAG, "last_watchdog_check": MAYBE(NUMBER), "issues": [TEXT],
}  # fmt: skip
WATCHDOG = {
    "last_check": MAYBE(NUMBER), "check_count": WHOLE, "disconnected_count": WHOLE, "stale_count": WHOLE,
    "running": FLAG,
}  # fmt: skip
CIRCUITS = {
    "open_circuit_count": WHOLE, "total_circuits": WHOLE, "open_circuits": [TEXT],
    "circuits": [{"name": TEXT, "state": TEXT, "failure_count": WHOLE, "success_count": WHOLE, "call_count": WHOLE}],
}  # fmt: skip
READY = {"status": TEXT, "dependencies": MAP({"state": TEXT, "latency_ms": NUMBER})}
PROBLEM = {"type": TEXT, "title": TEXT, "status": WHOLE, "detail": TEXT, "instance": TEXT, "requestId": TEXT}
INVALID = {**PROBLEM, "errors": [{"where": list, "message": TEXT}]}
IMPORT = {
    **dict.fromkeys(("created", "updated", "unchanged", "rejected"), WHOLE),
    "rows": [{"line": WHOLE, "pvName": TEXT, "outcome": TEXT, "reason": MAYBE(TEXT)}],
}
READ = {"pv": TEXT, "connected": FLAG, "value": ANY, "error": MAYBE(TEXT), "environment": MAP(TEXT)}
