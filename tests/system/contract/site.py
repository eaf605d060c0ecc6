"""A real server on real records, and how it is asked."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

import httpx

from tests.servers.larder import Larder
from tests.system.contract.shapes import PROBLEM, check

RECORDS = ("DOUBLE", "LONG", "ENUM", "STRING", "WF:DOUBLE", "META", "READONLY", "CLAMPED")


@dataclass(frozen=True, slots=True)
class Site:
    """A server that knows some PVs, a group, a tag, two snapshots and a restore."""

    larder: Larder
    client: httpx.Client
    known: dict[str, str]

    def ask(self, method: str, path: str, status: int = 200, **arguments: Any) -> Any:
        """The decoded answer; {names} in the path stand for what is known. JSON is as strict as a browser's."""
        response = self.raw(method, path, **arguments)
        assert response.status_code == status, f"{method} {path}: {response.status_code} {response.text[:500]}"
        return json.loads(response.text, parse_constant=refuse)

    def raw(self, method: str, path: str, **arguments: Any) -> httpx.Response:
        """The answer as it is."""
        return self.client.request(method, path.format(**self.known), **arguments)

    def pv(self, name: str) -> str:
        """A PV's full name."""
        return self.known["prefix"] + name


def refuse(constant: str) -> None:
    """For json.loads: NaN and Infinity are no JSON."""
    raise AssertionError(f"{constant} is no JSON")


def take_snapshot(site: Site, title: str, **body: Any) -> dict[str, Any]:
    """A summary."""
    made: dict[str, Any] = site.ask("POST", "/v1/snapshots?async=false", json={"title": title, **body})
    return made


def is_problem(response: httpx.Response) -> None:
    """It is a problem document, and belongs to this answer."""
    assert response.headers["Content-Type"] == "application/problem+json"
    problem = json.loads(response.text, parse_constant=refuse)
    check(problem, PROBLEM)
    assert problem["status"] == response.status_code
    assert problem["requestId"] == response.headers["X-Request-ID"]
