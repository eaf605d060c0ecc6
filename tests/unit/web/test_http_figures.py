"""Requests by route, method and class of their answer: never by address."""

from __future__ import annotations

import logging
from collections.abc import AsyncIterator

import pytest

from backend.src.web.http_figures import HttpFigures
from tests.unit.web.served import Bench


@pytest.fixture
async def bench() -> AsyncIterator[Bench]:
    async with Bench().client() as made:
        yield made


def counted(figures: HttpFigures) -> dict[tuple[str, str, str], int]:
    return {kind: sum(histogram.counts) for kind, histogram in figures.durations.items()}


async def test_many_addresses_of_one_route_are_one_series(bench: Bench) -> None:
    for name in ("DEVICE:1", "DEVICE:2"):
        await bench.ask("POST", f"/v1/health/circuits/{name}/open", "admin")
    await bench.ask("POST", "/v1/health/circuits/DEVICE:3/close", "admin")
    await bench.ask("GET", "/v1/health/summary")
    await bench.ask("GET", "/v1/health/summary", "")
    await bench.http.head("/health/live")
    assert counted(bench.requests) == {
        ("/v1/health/circuits/{name}/open", "POST", "2xx"): 2,
        ("/v1/health/circuits/{name}/close", "POST", "4xx"): 1,
        ("/v1/health/summary", "GET", "2xx"): 1,
        ("/v1/health/summary", "GET", "4xx"): 1,
        ("/health/live", "GET", "2xx"): 1,
    }
    assert bench.requests.in_progress == 0


async def test_what_matches_no_route_is_one_series_too(bench: Bench) -> None:
    for path in ("/a", "/b/c", "/v1/nothing"):
        await bench.ask("GET", path)
    assert counted(bench.requests) == {("(unmatched)", "*", "4xx"): 3}


async def test_debug_tells_of_each_request_without_what_follows_its_path(
    bench: Bench, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG, "backend.src.web.http_figures")
    await bench.ask("GET", "/health/live?code=secret")
    assert [record.getMessage().rpartition(" in ")[0] for record in caplog.records] == ["GET /health/live 200"]
