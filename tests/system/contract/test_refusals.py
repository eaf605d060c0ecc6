"""What is refused, and that every refusal is a problem document of its status."""

from __future__ import annotations

import json
from typing import Any

import httpx
import pytest

from tests.system.contract.shapes import INVALID, check
from tests.system.contract.site import Site, is_problem


def test_who_is_asked_for_and_what_is_not_allowed(site: Site) -> None:
    reader = site.larder.key("read", name="reader")
    for headers, status in (({}, 401), ({"X-API-Key": "lrd_no"}, 401), ({"X-API-Key": reader}, 403)):
        with httpx.Client(base_url=site.larder.url, headers=headers) as client:
            refused = client.post("/v1/snapshots", json={"title": "x"})
        assert refused.status_code == status
        assert refused.headers["WWW-Authenticate"].startswith("Bearer ")
        assert ("insufficient_scope" in refused.headers["WWW-Authenticate"]) == (status == 403)
        is_problem(refused)


@pytest.mark.parametrize(
    "path", ["/v1/pvs", "/v1/pvs/nonsense", "/nowhere", "/openapi.json", "/health/live", "/metrics"]
)
def test_every_answer_has_its_request_id(site: Site, path: str) -> None:
    first, second = (site.raw("GET", path).headers["X-Request-ID"] for _ in range(2))
    assert first != second
    assert site.raw("GET", path, headers={"X-Request-ID": "mine-1"}).headers["X-Request-ID"] == "mine-1"


MALFORMED = ("nonsense", "-1", "0", "1.5", "99999999999999999999999", "%00", "%F0%9F%92%A5", "' OR 1=1 --", "..%2f..")
BY_ID: tuple[tuple[str, str, object], ...] = (
    ("GET", "/v1/pvs/{}", None),
    ("PUT", "/v1/pvs/{}", {"device": "x"}),
    ("DELETE", "/v1/pvs/{}", None),
    ("PUT", "/v1/pvs/{}/value", {"value": 1}),
    ("GET", "/v1/tags/{}", None),
    ("PUT", "/v1/tags/{}", {"name": "x"}),
    ("DELETE", "/v1/tags/{}", None),
    ("POST", "/v1/tags/{}/tags", {"name": "x"}),
    ("DELETE", "/v1/tags/1/tags/{}", None),
    ("GET", "/v1/snapshots/{}", None),
    ("PUT", "/v1/snapshots/{}", {"title": "x"}),
    ("DELETE", "/v1/snapshots/{}", None),
    ("GET", "/v1/snapshots/{}/archive", None),
    ("GET", "/v1/snapshots/{}/export?format=csv", None),
    ("GET", "/v1/snapshots/{}/compare/live", None),
    ("GET", "/v1/snapshots/{}/history?pvName=X", None),
    ("POST", "/v1/snapshots/{}/restore", {}),
    ("POST", "/v1/snapshots/{}/restore/plan", {}),
    ("GET", "/v1/jobs/{}", None),
    ("GET", "/v1/jobs/{}/outcomes", None),
    ("POST", "/v1/jobs/{}/abort", None),
    ("DELETE", "/v1/api-keys/{}", None),
)


@pytest.mark.parametrize(("method", "path", "body"), BY_ID, ids=lambda part: part if isinstance(part, str) else "")
def test_malformed_and_unknown_ids_are_404_or_422(site: Site, method: str, path: str, body: Any) -> None:
    unknown = "0123456789abcdef" if "/snapshots/" in path or "/jobs/" in path else "123456789"
    for strange in (*MALFORMED, unknown):
        refused = site.client.request(method, path.replace("{}", strange, 1), json=body)
        assert refused.status_code in (404, 405, 422), f"{strange}: {refused.status_code} {refused.text}"
        is_problem(refused)
    assert site.client.request(method, path.replace("{}", unknown), json=body).status_code == 404


@pytest.mark.parametrize(
    ("method", "path", "body", "status"),
    [
        ("POST", "/v1/pvs", {"device": "no address"}, 422),
        ("POST", "/v1/pvs", {"setpointAddress": "{prefix}DOUBLE"}, 409),
        ("POST", "/v1/pvs", {"setpointAddress": "ca://{prefix}DOUBLE"}, 409),
        ("POST", "/v1/pvs/multi", [{"setpointAddress": "N1", "tags": ["987654"]}], 422),
        ("POST", "/v1/pvs/multi", [{"setpointAddress": "N1"}, {"setpointAddress": "{prefix}LONG"}], 409),
        ("POST", "/v1/pvs/multi", [{"setpointAddress": "N1"}, {"setpointAddress": "N1"}], 409),
        ("PUT", "/v1/pvs/{LONG}", {"setpointAddress": None}, 422),
        ("PUT", "/v1/pvs/{READONLY}/value", {"value": 1}, 409),
        ("PUT", "/v1/pvs/{ABSENT}/value", {"value": 1, "timeout": 3600}, 503),
        ("GET", "/v1/pvs/paged?pageSize=0", None, 422),
        ("GET", "/v1/pvs/paged?pageSize=1001", None, 422),
        ("GET", "/v1/pvs/paged?continuationToken=rubbish", None, 422),
        ("GET", "/v1/pvs/paged?tagFilters=rubbish", None, 422),
        ("GET", "/v1/snapshots?from=0001-01-01T00:00:00%2B14:00&to=9999-12-31T23:59:59-14:00", None, 422),
        ("POST", "/v1/tags", {"name": "Area"}, 409),
        ("POST", "/v1/tags/{group}/tags", {"name": "Ring"}, 409),
        ("DELETE", "/v1/tags/{group}", None, 409),
        ("POST", "/v1/snapshots", {"title": ""}, 422),
        ("POST", "/v1/snapshots", {"title": "x", "pvIds": []}, 422),
        ("POST", "/v1/snapshots?async=false", {"title": "x", "tagFilters": {}}, 422),
        ("POST", "/v1/snapshots?async=false", {"title": "x", "pvPattern": "NOBODY*"}, 422),
        ("POST", "/v1/snapshots?async=perhaps", {"title": "x"}, 422),
        ("GET", "/v1/snapshots/{first}/compare/dead", None, 422),
        ("GET", "/v1/snapshots/{first}/export?format=nonsense", None, 422),
        ("POST", "/v1/snapshots/{first}/restore", {"pvIds": []}, 422),
        ("POST", "/v1/snapshots/{first}/restore/plan", {"pvIds": []}, 422),
        ("POST", "/v1/snapshots/{first}/restore", {"planId": "0123456789abcdef"}, 404),
        ("POST", "/v1/jobs/{job}/abort", None, 409),
        ("POST", "/v1/api-keys", {"appName": "x"}, 422),
        ("POST", "/v1/health/circuits/nobody/close", None, 404),
        ("GET", "/v1/health/stale?max_age_seconds=NaN", None, 422),
        ("PATCH", "/v1/pvs", None, 405),
    ],
)  # fmt: skip
def test_refusals_are_problems_of_their_status(site: Site, method: str, path: str, body: Any, status: int) -> None:
    filled = json.loads(json.dumps(body).replace("{prefix}", site.known["prefix"]))
    refused = site.raw(method, path, **({} if body is None else {"json": filled}))
    assert refused.status_code == status, refused.text
    is_problem(refused)
    assert not site.ask("GET", "/v1/pvs?pvName=N1"), "a refused list left something behind"


def test_validation_names_the_place(site: Site) -> None:
    refused = site.ask("POST", "/v1/pvs", 422, json={"setpointAddress": 3, "absTolerance": -1})
    check(refused, INVALID)
    assert {error["where"][-1] for error in refused["errors"]} == {"setpointAddress", "absTolerance"}
