"""Every route against its own OpenAPI document, with whatever a generator comes up with: nothing answers 5xx."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
import schemathesis
from hypothesis import HealthCheck, settings
from schemathesis.specs.openapi.checks import response_schema_conformance

from tests.servers.larder import Larder

EXAMPLES = 25  # for each operation


@pytest.fixture(scope="module")
def larder(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Larder]:
    with Larder(tmp_path_factory.mktemp("schemathesis") / "data", {}) as running:
        yield running


@pytest.fixture(scope="module")
def document(larder: Larder) -> Any:
    return schemathesis.openapi.from_dict(larder.api.call("GET", "/openapi.json"))


schema = schemathesis.pytest.from_fixture("document")


@schema.parametrize()
@settings(max_examples=EXAMPLES, deadline=None, suppress_health_check=list(HealthCheck), derandomize=True, database=None)
def test_no_input_breaks_a_route(case: Any, larder: Larder) -> None:
    key = _key(larder)
    response = case.call(base_url=larder.url, headers={"X-API-Key": key}, timeout=20)
    assert response.status_code < 500, f"{case.as_curl_command()}\n{response.status_code} {response.text[:2000]}"
    assert response.headers["X-Request-ID"]
    if response.status_code >= 400:
        assert response.headers["Content-Type"].startswith("application/problem+json"), response.text[:500]
    case.validate_response(response, checks=[response_schema_conformance])


def _key(larder: Larder) -> str:
    """A key that works: a generated request may have revoked the last one."""
    token = getattr(larder, "schemathesis_key", "")
    check = httpx.get(f"{larder.url}/v1/api-keys/count", headers={"X-API-Key": token}) if token else None
    if check is None or check.status_code == 401:
        token = larder.key("read", "write", "restore", "admin", name=f"schemathesis-{id(check)}")
        larder.schemathesis_key = token  # type: ignore[attr-defined]
    return token


def test_every_route_is_in_the_document(larder: Larder, tmp_path: Path) -> None:
    paths = larder.api.call("GET", "/openapi.json")["paths"]
    for expected in ("/v1/pvs", "/v1/tags", "/v1/snapshots", "/v1/jobs", "/v1/api-keys", "/v1/health/summary"):
        assert expected in paths
