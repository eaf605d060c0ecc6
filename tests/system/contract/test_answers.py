"""Every call of the interface: that it is there, whom it lets in, and the fields of its answer.

A field that was renamed, dropped or changed its type is found here; a new one is welcome.
"""

from __future__ import annotations

import json
import re
from typing import Any

import pytest

from tests.system.contract.shapes import (
    CIRCUITS,
    COMPARISON,
    ENTRY,
    FLAG,
    GROUP,
    GROUP_SUMMARY,
    HEALTH_SUMMARY,
    HEARTBEAT,
    HISTORY,
    JOB,
    JOB_STARTED,
    KEY,
    MAP,
    MAYBE,
    NUMBER,
    OUTCOMES,
    PLAN,
    PV,
    PV_VALUE,
    READ,
    READY,
    SUMMARY,
    TEXT,
    WATCHDOG,
    WHOLE,
    check,
)
from tests.system.contract.site import Site

# every call of the interface, and what it asks of its caller
CALLS = """
read    GET /v1/pvs|GET /v1/pvs/paged|GET /v1/pvs/search|GET /v1/pvs/devices|GET /v1/pvs/{}|GET /v1/pvs/export
read    GET /v1/pvs/live|POST /v1/pvs/live|GET /v1/pvs/live/all|GET /v1/pvs/cache/status
write   POST /v1/pvs|POST /v1/pvs/multi|POST /v1/pvs/import|PUT /v1/pvs/{}|DELETE /v1/pvs/{}|GET /v1/pvs/test-epics
restore PUT /v1/pvs/{}/value|POST /v1/snapshots/{}/restore/plan|POST /v1/snapshots/{}/restore
read    GET /v1/tags|GET /v1/tags/{}
write   POST /v1/tags|PUT /v1/tags/{}|DELETE /v1/tags/{}|POST /v1/tags/{}/tags|POST /v1/tags/bulk
write   PUT /v1/tags/{}/tags/{}|DELETE /v1/tags/{}/tags/{}
read    GET /v1/snapshots|GET /v1/snapshots/{}|GET /v1/snapshots/{}/archive|GET /v1/snapshots/{}/export
read    GET /v1/snapshots/{}/compare/{}|GET /v1/snapshots/{}/history
write   POST /v1/snapshots|PUT /v1/snapshots/{}|DELETE /v1/snapshots/{}
read    GET /v1/jobs|GET /v1/jobs/{}|GET /v1/jobs/{}/outcomes
read    GET /v1/api-keys|GET /v1/api-keys/count
manage  POST /v1/api-keys|DELETE /v1/api-keys/{}
read    GET /v1/health/summary|GET /v1/health/disconnected|GET /v1/health/stale|GET /v1/health/circuits
read    GET /v1/health/monitor/status|GET /v1/health/watchdog|GET /metrics|GET /v1/ws/status
write   POST /v1/health/watchdog/check
admin   POST /v1/health/circuits/{}/close|POST /v1/health/circuits/{}/open
open    GET /v1/health/heartbeat|GET /health/live|GET /health/ready
"""


METHODS = ("GET", "POST", "PUT", "DELETE")
PAGED = {"results": [PV], "continuationToken": MAYBE(TEXT), "totalCount": WHOLE}
FOUND = {"results": [PV], "totalCount": WHOLE, "limit": WHOLE, "offset": WHOLE}
COUNTED = {"count": WHOLE, "pvs": [TEXT]}
STATUS = {"status": TEXT, "message": TEXT, "age_seconds": MAYBE((int, float)), "leader": MAYBE(TEXT)}
WRITTEN = {"value": NUMBER, "connected": FLAG, "error": MAYBE(TEXT), "result": TEXT, "completed": FLAG}
TAG_FILTERS = '{{"{group}":["{tag}"]}}'

ANSWERS: tuple[tuple[str, str, Any, Any], ...] = (
    ("GET", "/v1/pvs", None, [PV]),
    ("GET", "/v1/pvs?pvName=double", None, [PV]),
    ("GET", "/v1/pvs/paged?pageSize=2", None, PAGED),
    ("GET", f"/v1/pvs/paged?tagFilters={TAG_FILTERS}", None, PAGED),
    ("GET", "/v1/pvs/search?q=d&limit=2&offset=1", None, FOUND),
    ("GET", "/v1/pvs/search?include_live_values=true", None, {**FOUND, "liveValues": MAP(ENTRY)}),
    ("GET", "/v1/pvs/devices", None, [TEXT]),
    ("GET", "/v1/pvs/{pv}", None, PV),
    ("GET", "/v1/pvs/live?pv_names={prefix}DOUBLE&pv_names={prefix}ENUM", None, MAP(ENTRY)),
    ("GET", "/v1/pvs/live/all", None, {"values": MAP(ENTRY), "count": WHOLE}),
    ("GET", "/v1/pvs/cache/status", None, {"cachedPvCount": WHOLE, "status": TEXT, "error": MAYBE(TEXT)}),
    ("GET", "/v1/pvs/test-epics?pv={prefix}META", None, READ),
    ("GET", "/v1/pvs/test-epics?pv={prefix}NOBODY", None, READ),
    ("PUT", "/v1/pvs/{CLAMPED}/value", {"value": 0.5}, WRITTEN),
    ("GET", "/v1/tags", None, [GROUP_SUMMARY]),
    ("GET", "/v1/tags/{group}", None, [GROUP]),
    ("PUT", "/v1/tags/{group}", {"description": None}, GROUP),
    ("PUT", "/v1/tags/{group}/tags/{tag}", {"description": "all of it"}, GROUP),
    ("GET", "/v1/snapshots", None, [SUMMARY]),
    ("GET", "/v1/snapshots/{first}", None, {**SUMMARY, "pvValues": [PV_VALUE]}),
    ("PUT", "/v1/snapshots/{first}", {"labels": ["weekly"]}, SUMMARY),
    ("POST", "/v1/snapshots", {"title": "a job"}, JOB_STARTED),
    ("POST", "/v1/snapshots?async=false", {"title": "live"}, SUMMARY),
    ("POST", "/v1/snapshots?async=false&use_cache=false", {"title": "read"}, SUMMARY),
    ("GET", "/v1/snapshots/{first}/compare/{second}?onlyDifferences=false", None, COMPARISON),
    ("GET", "/v1/snapshots/{first}/compare/live?tolerance=0.5", None, COMPARISON),
    ("GET", "/v1/snapshots/{first}/history?pvName={prefix}DOUBLE", None, [HISTORY]),
    ("POST", "/v1/snapshots/{first}/restore/plan", {"pvIds": ["{pv}"]}, PLAN),
    ("GET", "/v1/jobs", None, [JOB]),
    ("GET", "/v1/jobs/{job}", None, JOB),
    ("GET", "/v1/jobs/{job}/outcomes", None, OUTCOMES),
    ("GET", "/v1/api-keys?active_only=true", None, [KEY]),
    ("GET", "/v1/api-keys/count", None, WHOLE),
    ("GET", "/v1/health/heartbeat", None, HEARTBEAT),
    ("GET", "/v1/health/summary", None, HEALTH_SUMMARY),
    ("GET", "/v1/health/disconnected", None, COUNTED),
    ("GET", "/v1/health/stale?max_age_seconds=5", None, COUNTED),
    ("GET", "/v1/health/circuits", None, CIRCUITS),
    ("GET", "/v1/health/monitor/status", None, STATUS),
    ("GET", "/v1/health/watchdog", None, WATCHDOG),
    ("POST", "/v1/health/watchdog/check", None, WATCHDOG),
    ("GET", "/v1/ws/status", None, {"active_connections": WHOLE, "total_subscriptions": WHOLE}),
    ("GET", "/health/live", None, {"status": TEXT}),
    ("GET", "/health/ready", None, READY),
)  # fmt: skip


@pytest.mark.parametrize(("method", "path", "body", "shape"), ANSWERS, ids=lambda part: part if part in METHODS else "")
def test_an_answer_has_its_fields(site: Site, method: str, path: str, body: Any, shape: Any) -> None:
    filled = json.loads(json.dumps(body).replace("{pv}", site.known["pv"]))
    check(site.ask(method, path, **({} if body is None else {"json": filled})), shape)


def test_every_call_is_there_and_asks_for_what_it_should(site: Site) -> None:
    document = site.ask("GET", "/openapi.json")["paths"]
    shown = {
        f"{method.upper()} {re.sub(r'{[^}]*}', '{}', path)}": operation["x-access"].lower()
        for path, operations in document.items()
        for method, operation in operations.items()
    }
    lines = (line.split(maxsplit=1) for line in CALLS.strip().splitlines())
    promised = {call: access for access, calls in lines for call in calls.split("|")}
    assert promised.items() <= shown.items(), promised.items() - shown.items()
    assert shown["POST /v1/jobs/{}/abort"] == "intervene"  # whoever may write, restore or administer


def test_reading_changes_nothing(site: Site) -> None:
    # the snapshot that was asked for as a job
    site.larder.wait_for("/v1/jobs", lambda jobs: all(job["completedAt"] for job in jobs))
    lists = ("/v1/pvs", "/v1/tags", "/v1/tags/{group}", "/v1/snapshots", "/v1/jobs", "/v1/api-keys/count")
    before = [site.ask("GET", path) for path in lists]
    for method, path, _, _ in ANSWERS:
        if method == "GET":
            site.ask("GET", path)
    assert before == [site.ask("GET", path) for path in lists]
