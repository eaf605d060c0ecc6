"""/v1/pvs/live and its neighbours."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import pytest

from backend.src.infra.epics.outcomes import PutResult
from tests.unit.web.served import Bench


@pytest.fixture
async def bench() -> AsyncIterator[Bench]:
    async with Bench().client() as made:
        yield made


async def test_live_values_by_query_and_by_body(bench: Bench) -> None:
    by_query = await bench.ask("GET", "/v1/pvs/live?pv_names=A&pv_names=ca://B&pv_names=NOT%C3%A9&pv_names=X,Y")
    by_body = await bench.ask("POST", "/v1/pvs/live", json={"pv_names": ["A", "ca://B", "NOTé", "X,Y"]})
    assert by_query.json() == by_body.json()
    assert list(by_query.json()) == ["A", "ca://B"]
    assert by_query.json()["A"]["value"] == 1.0
    assert by_query.json()["ca://B"]["value"] == "NaN"
    assert by_query.headers["X-Unknown-PVs"] == "NOT%C3%A9,X%2CY"
    assert by_query.headers["X-Unknown-PVs-Count"] == "2"


async def test_thousands_of_unknown_names_do_not_burst_the_header(bench: Bench) -> None:
    answer = await bench.ask("POST", "/v1/pvs/live", json={"pv_names": [f"NO:{n}" for n in range(5000)]})
    assert len(answer.headers["X-Unknown-PVs"]) < 4100
    assert answer.headers["X-Unknown-PVs"].endswith(",...")
    assert answer.headers["X-Unknown-PVs-Count"] == "5000"
    assert answer.json() == {}


async def test_every_channel_is_there_even_one_never_seen(bench: Bench) -> None:
    everything = (await bench.ask("GET", "/v1/pvs/live/all")).json()
    assert everything["count"] == 3
    gone = everything["values"]["GONE"]
    assert (gone["value"], gone["connected"], gone["stale"], gone["error"]) == (None, False, True, "never connected")


async def test_values_are_stale_when_the_monitor_is_dead(bench: Bench) -> None:
    assert (await bench.ask("GET", "/v1/pvs/live?pv_names=A")).json()["A"]["stale"] is False
    assert (await bench.ask("GET", "/v1/pvs/cache/status")).json() == {
        "cachedPvCount": 2,
        "connectedPvCount": 2,
        "status": "connected",
        "error": None,
    }
    bench.clock.advance(3.1)
    assert (await bench.ask("GET", "/v1/pvs/live?pv_names=A")).json()["A"]["stale"] is True
    status = (await bench.ask("GET", "/v1/pvs/cache/status")).json()
    assert status["status"] == "stale" and status["error"]


async def test_a_pv_is_read_directly(bench: Bench) -> None:
    read = (await bench.ask("GET", "/v1/pvs/test-epics?pv=A", "write")).json()
    assert (read["pv"], read["connected"], read["value"], read["error"]) == ("A", True, 1.0, None)
    assert (read["status"], read["severity"], read["timestampNs"]) == ("HIHI", 2, 1_700_000_000_000_000_001)
    assert "EPICS_CA_ADDR_LIST" in read["environment"]


async def test_a_device_that_does_not_answer_is_left_alone(bench: Bench) -> None:
    """A circuit breaker that never opened, in one of the peers."""
    for _ in range(2):
        dead = (await bench.ask("GET", "/v1/pvs/test-epics?pv=DEAD:X", "write")).json()
        assert (dead["connected"], dead["error"]) == (False, "no answer in 2 s")
    left_alone = (await bench.ask("GET", "/v1/pvs/test-epics?pv=DEAD:Y", "write")).json()
    assert "left alone" in left_alone["error"]
    circuits = (await bench.ask("GET", "/v1/health/circuits")).json()
    assert circuits["open_circuits"] == ["DEAD"]
    assert (await bench.ask("POST", "/v1/health/circuits/DEAD/close", "admin")).status_code == 200
    again = (await bench.ask("GET", "/v1/pvs/test-epics?pv=DEAD:Y", "write")).json()
    assert "no answer" in again["error"]


async def test_a_value_is_written_and_read_back(bench: Bench) -> None:
    body = {"value": 2.5, "wait": False, "timeout": 7}
    answer = await bench.ask("PUT", "/v1/pvs/2/value", "restore", json=body)
    assert answer.status_code == 200
    written = answer.json()
    assert (written["result"], written["value"], written["completed"], written["id"]) == ("ok", 2.5, False, "2")
    assert bench.machine.written == [("B", 2.5, False, 7.0)]


@pytest.mark.parametrize(
    ("value", "sent"), [("Infinity", float("inf")), (True, True), ("text", "text"), ([1, 2], [1, 2])]
)
async def test_values_of_every_kind_reach_the_machine(bench: Bench, value: Any, sent: Any) -> None:
    await bench.ask("PUT", "/v1/pvs/2/value", "restore", json={"value": value})
    assert bench.machine.written[0][1] == sent


async def test_a_read_only_pv_is_never_written(bench: Bench) -> None:
    assert (await bench.ask("PUT", "/v1/pvs/1/value", "restore", json={"value": 1})).status_code == 409
    assert bench.machine.written == []


@pytest.mark.parametrize(
    ("result", "status"),
    [
        (PutResult.DISCONNECTED, 503),
        (PutResult.TIMED_OUT, 504),
        (PutResult.NO_ACCESS, 409),
        (PutResult.FAILED, 409),
    ],
)
async def test_a_put_that_fails_is_a_problem(bench: Bench, result: PutResult, status: int) -> None:
    bench.machine.result = result
    answer = await bench.ask("PUT", "/v1/pvs/2/value", "restore", json={"value": 1})
    assert answer.status_code == status
    assert "as told" in answer.json()["detail"]


@pytest.mark.parametrize(
    ("method", "path", "body", "status"),
    [
        ("PUT", "/v1/pvs/99/value", {"value": 1}, 404),
        ("PUT", "/v1/pvs/x/value", {"value": 1}, 422),
        ("PUT", "/v1/pvs/2/value", {}, 422),
        ("PUT", "/v1/pvs/2/value", {"value": None}, 422),
        ("PUT", "/v1/pvs/2/value", {"value": 1, "timeout": -1}, 422),
        ("POST", "/v1/pvs/live", {"pv_names": "A"}, 422),
        ("POST", "/v1/pvs/live", {"names": []}, 422),
        ("POST", "/v1/pvs/live", {"pv_names": ["\x00"]}, 422),
        ("GET", "/v1/pvs/live", None, 422),
        ("GET", "/v1/pvs/test-epics?pv=http://x", None, 422),
        ("GET", "/v1/pvs/test-epics", None, 422),
    ],
)
async def test_nonsense_is_refused(bench: Bench, method: str, path: str, body: Any, status: int) -> None:
    scope = "restore" if method == "PUT" else "write" if "test" in path else "read"
    assert (await bench.ask(method, path, scope, json=body)).status_code == status


@pytest.mark.parametrize(
    ("method", "path", "scope"),
    [
        ("GET", "/v1/pvs/live?pv_names=A", "write"),
        ("GET", "/v1/pvs/live/all", "write"),
        ("GET", "/v1/pvs/test-epics?pv=A", "read"),
        ("PUT", "/v1/pvs/2/value", "write"),
        ("POST", "/v1/health/watchdog/check", "read"),
        ("POST", "/v1/health/circuits/X/open", "restore"),
        ("GET", "/metrics", "write"),
        ("GET", "/v1/health/dependencies", "write"),
    ],
)
async def test_every_route_asks_for_its_own_right(bench: Bench, method: str, path: str, scope: str) -> None:
    assert (await bench.ask(method, path, scope, json={"value": 1})).status_code == 403
    assert (await bench.ask(method, path, "", json={"value": 1})).status_code == 401
    assert bench.machine.written == []
