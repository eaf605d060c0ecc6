"""/v1/health, /health and /metrics."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from backend.src.infra.sql import CacheKind, Outcome
from backend.src.services.monitoring import Leadership
from tests.unit.services.readings import lost
from tests.unit.web.served import Bench


@pytest.fixture
async def bench() -> AsyncIterator[Bench]:
    async with Bench().client() as made:
        yield made


async def test_liveness_and_heartbeat_are_open(bench: Bench) -> None:
    assert (await bench.ask("GET", "/health/live", "")).json() == {"status": "alive"}
    beat = (await bench.ask("GET", "/v1/health/heartbeat", "")).json()
    assert beat == {"timestamp": bench.clock.time_ns() / 1e9, "alive": True, "age_seconds": 0.0, "error": None}
    bench.clock.advance(3.5)
    beat = (await bench.ask("GET", "/v1/health/heartbeat", "")).json()
    assert (beat["alive"], beat["age_seconds"]) == (False, 3.5)
    assert beat["error"]


async def test_readiness_names_what_is_away(bench: Bench) -> None:
    ready = await bench.ask("GET", "/health/ready", "")
    assert (ready.status_code, ready.json()["status"], ready.json()["degraded"]) == (200, "ready", None)
    bench.cache.away = True
    ready = await bench.ask("GET", "/health/ready")
    assert (ready.status_code, ready.json()["status"], ready.json()["degraded"]) == (200, "degraded", "cache")
    cache = ready.json()["dependencies"]["cache"]
    assert (cache["state"], cache["error"], cache["remedy"]) == ("down", None, None), "an open route tells no causes"
    cache = (await bench.ask("GET", "/v1/health/dependencies")).json()["dependencies"]["cache"]
    assert (cache["state"], cache["error"], cache["remedy"]) == ("down", "it is away", "start it")
    bench.sql.away = True
    ready = await bench.ask("GET", "/health/ready")
    assert (ready.status_code, ready.json()["status"]) == (503, "unavailable")


async def test_the_summary_counts_what_never_connected(bench: Bench) -> None:
    """PVs that never connected and were counted nowhere."""
    summary = (await bench.ask("GET", "/v1/health/summary")).json()
    assert (summary["total_pvs"], summary["connected_pvs"], summary["disconnected_pvs"]) == (3, 2, 1)
    assert (summary["never_connected_pvs"], summary["status"]) == (1, "degraded")
    assert summary["epics"] == {"ingest": "made up"}
    bench.live.apply(lost(1))
    gone = (await bench.ask("GET", "/v1/health/disconnected")).json()
    assert (gone["pvs"], gone["never_connected"]) == (["A", "GONE"], ["GONE"])


async def test_the_summary_of_a_dead_monitor_is_unhealthy(bench: Bench) -> None:
    bench.clock.advance(10)
    summary = (await bench.ask("GET", "/v1/health/summary")).json()
    assert (summary["status"], summary["monitor_alive"], summary["stale_pvs"]) == ("unhealthy", False, 3)
    assert (await bench.ask("GET", "/v1/health/monitor/status")).json()["status"] == "stale"


async def test_quiet_is_not_stale(bench: Bench) -> None:
    bench.clock.advance(600)
    bench.live.beat()
    assert (await bench.ask("GET", "/v1/health/stale")).json()["pvs"] == []
    aged = (await bench.ask("GET", "/v1/health/stale?max_age_seconds=300")).json()
    assert (aged["count"], aged["threshold_seconds"]) == (2, 300.0)
    assert (await bench.ask("POST", "/v1/health/watchdog/check", "write")).json()["confirmed_count"] == 2
    assert (await bench.ask("GET", "/v1/health/stale?max_age_seconds=300")).json()["count"] == 0


async def test_what_the_watchdog_doubts_is_listed(bench: Bench) -> None:
    bench.machine.values["A"] = 9.0
    check = (await bench.ask("POST", "/v1/health/watchdog/check", "write")).json()
    assert (check["stale_count"], check["disconnected_count"], check["resubscribed_total"]) == (1, 1, 1)
    assert (await bench.ask("GET", "/v1/health/stale")).json()["pvs"] == ["A"]
    assert (await bench.ask("GET", "/v1/health/watchdog")).json()["check_count"] == 1


async def test_circuits_by_hand(bench: Bench) -> None:
    assert (await bench.ask("POST", "/v1/health/circuits/SR:Q1/close", "admin")).status_code == 404
    assert (await bench.ask("POST", "/v1/health/circuits/SR:Q1/open", "admin")).json()["success"] is True
    circuits = (await bench.ask("GET", "/v1/health/circuits")).json()
    assert (circuits["open_circuit_count"], circuits["circuits"][0]["state"]) == (1, "open")


async def test_monitor_status(bench: Bench) -> None:
    status = (await bench.ask("GET", "/v1/health/monitor/status")).json()
    assert (status["status"], status["leader"], status["state"], status["watched_pvs"]) == (
        "healthy",
        "bench",
        "leading",
        3,
    )


async def test_who_stands_by_does_not_pass_itself_off_as_the_leader(bench: Bench) -> None:
    bench.monitor._leadership = Leadership(None, bench.clock, ttl_s=5.0, instance="another", may_lead=False)
    status = (await bench.ask("GET", "/v1/health/monitor/status")).json()
    assert (status["status"], status["leader"], status["watched_pvs"]) == ("healthy", None, None)


async def test_metrics(bench: Bench) -> None:
    answer = await bench.ask("GET", "/metrics")
    assert answer.headers["content-type"].startswith("text/plain")
    lines = answer.text.splitlines()
    assert 'larder_pvs{state="connected"} 2.0' in lines
    assert 'larder_pvs{state="never_seen"} 1.0' in lines
    assert "larder_pv_updates_total 2.0" in lines
    assert "larder_stream_clients 0.0" in lines
    assert "larder_monitor_alive 1.0" in lines


async def test_metrics_of_the_cache(bench: Bench) -> None:
    for seconds in (0.0001, 0.002, 7.0):
        bench.figures.note_read(CacheKind.AUTHENTICATION, Outcome.HIT, seconds)
    bench.figures.note_read(CacheKind.QUERY, Outcome.STALE, 0.0)
    lines = (await bench.ask("GET", "/metrics")).text.splitlines()
    assert 'larder_cached_reads_total{kind="authentication",outcome="hit"} 3.0' in lines
    assert 'larder_cached_reads_total{kind="query",outcome="stale"} 1.0' in lines
    assert 'larder_cached_reads_total{kind="schema",outcome="bypassed"} 0.0' in lines
    hits = [line.split()[1] for line in lines if 'seconds_bucket{le="' in line and 'outcome="hit"' in line]
    assert hits == ["1.0", "1.0", "1.0", "1.0", "2.0", "2.0", "2.0", "2.0", "2.0", "2.0", "3.0"]
    assert 'larder_cached_read_seconds_count{outcome="hit"} 3.0' in lines
    assert 'larder_cached_read_seconds_sum{outcome="hit"} 7.0021' in lines
    assert "larder_sql_statements_total 0.0" in lines


@pytest.mark.parametrize("age", ["-1", "nan", "inf", "x", "1e300"])
async def test_an_age_that_makes_no_sense_is_refused(bench: Bench, age: str) -> None:
    assert (await bench.ask("GET", f"/v1/health/stale?max_age_seconds={age}")).status_code == 422
