"""A server as who watches it sees it: its metrics, what dashboards and alerts make of them, its log, its end."""

from __future__ import annotations

import json
import os
import re
import signal
import time
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import promql_parser
import pytest
import yaml
from prometheus_client.parser import text_string_to_metric_families

from tests.servers.larder import Larder

ROOT = Path(__file__).parents[2]
DASHBOARD = json.loads((ROOT / "docker" / "grafana" / "larder.json").read_text())
ALERTS = yaml.safe_load((ROOT / "docker" / "prometheus" / "alerts.yaml").read_text())["groups"][0]["rules"]
SAMPLE = yaml.safe_load((ROOT / "docker" / "prometheus" / "prometheus.yaml").read_text())
HOW_TO = (ROOT / "docs" / "how-to" / "monitor-larder.md").read_text()
PROMETHEUS_OWN = {"up"}
PROMETHEUS_LABELS = {"job", "instance", "le"}
GRAFANA = {"$__rate_interval": "5m", "$job": "larder", "$instance": ".*"}
DRAIN_S = 5.0
PATIENCE_S = 30.0

CRON_HAS_RUN = r"larder_cron_success_age_seconds\{"

Labels = dict[str, set[str]]


@pytest.fixture(scope="module")
def larder(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Larder]:
    environment = {"LOG_FORMAT": "json", "DEBUG": "true", "DRAIN_S": str(DRAIN_S)}
    with Larder(tmp_path_factory.mktemp("outside"), environment) as server:
        server.api.call("POST", "/v1/pvs", json={"setpointAddress": "OUTSIDE:PV"})
        yield server


@pytest.fixture(scope="module")
def scraped(larder: Larder) -> Labels:
    """Every series there is, with the labels that it has."""
    larder.api.call("POST", "/v1/admin/crons/tokens/run")
    key = larder.key("read", name="prometheus")
    deadline = time.monotonic() + PATIENCE_S
    while not re.search(CRON_HAS_RUN, (answer := _scrape(larder, key)).text):
        assert time.monotonic() < deadline, "no run of a cron is measured"
        time.sleep(0.1)
    assert answer.headers["content-type"].startswith("text/plain; version=0.0.4")
    found: Labels = defaultdict(set)
    for family in text_string_to_metric_families(answer.text):
        found[f"{family.name}_total" if family.type == "counter" else family.name] |= set()
        for sample in family.samples:
            found[sample.name] |= set(sample.labels)
    return found


def _scrape(larder: Larder, key: str) -> httpx.Response:
    return httpx.get(f"{larder.url}/metrics", headers={"X-API-Key": key}, timeout=PATIENCE_S)


def panels() -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = [panel for panel in DASHBOARD["panels"] if panel["type"] != "row"]
    return found


def dashboard_expressions() -> list[str]:
    found = [target["expr"] for panel in panels() for target in panel["targets"]]
    for variable, value in GRAFANA.items():
        found = [expression.replace(variable, value) for expression in found]
    return found


def selectors(expression: str) -> list[tuple[str, set[str]]]:
    """The series that an expression asks for, and the labels it picks them by. Raises when it is no PromQL."""
    promql_parser.parse(expression)
    found = re.findall(r"(?<![\w$])([a-z_:]+_[a-z_]+|up)\s*(?:\{([^}]*)\})?(?=[\s\[)]|$)", expression)
    keywords = {"histogram_quantile", "sum_over_time"}
    return [(name, set(re.findall(r"(\w+)\s*=", labels))) for name, labels in found if name not in keywords]


def asks_of(expression: str, route: str) -> bool:
    """Whether the expression's series count requests of this route."""
    found = re.findall(r'\broute(=~|!~|!=|=)"([^"]*)"', expression)
    assert len(set(found)) <= 1, expression
    return all((re.fullmatch(text, route) is not None) != operator.startswith("!") for operator, text in found)


def grouped(expression: str) -> set[str]:
    return {label for found in re.findall(r"\bby\s*\(([^)]*)\)", expression) for label in re.split(r"[,\s]+", found)}


@pytest.mark.parametrize("expression", [*dashboard_expressions(), *(rule["expr"] for rule in ALERTS)])
def test_what_is_drawn_or_watched_exists(scraped: Labels, expression: str) -> None:
    asked = selectors(expression)
    assert asked, expression
    for name, labels in asked:
        assert name in scraped or name in PROMETHEUS_OWN, name
        if scraped[name]:
            assert labels | grouped(expression) <= scraped[name] | PROMETHEUS_LABELS, name


def test_what_is_measured_is_drawn(scraped: Labels) -> None:
    drawn = {name for expression in dashboard_expressions() for name, _ in selectors(expression)}
    families = {re.sub(r"_(bucket|sum|count)$", "", name) for name in scraped if name.startswith("larder_")}
    left_out = {family for family in families if not any(name.startswith(family) for name in drawn)}
    assert left_out == {"larder_watched_channels", "larder_cron_paused"}


def test_how_long_somebody_watches_is_no_latency(larder: Larder) -> None:
    paths = larder.api.call("GET", "/openapi.json")["paths"]
    views = [path for path, methods in paths.items() if "multipart/x-mixed-replace" in str(methods)]
    assert views
    for expression in dashboard_expressions() + [rule["expr"] for rule in ALERTS]:
        if "larder_http_request_seconds_bucket" in expression:
            assert not any(asks_of(expression, view) for view in views), expression
            assert asks_of(expression, "/v1/pvs")


def test_a_server_that_is_not_ready_makes_no_errors() -> None:
    (expression,) = [rule["expr"] for rule in ALERTS if rule["alert"] == "LarderErrors"]
    assert not asks_of(expression, "/health/ready") and asks_of(expression, "/v1/pvs")
    assert len(re.findall(r"\broute\b", expression)) == len(selectors(expression)), "neither above nor below the line"


def test_a_device_that_two_processes_leave_alone_is_one() -> None:
    asking = [one for one in dashboard_expressions() + [rule["expr"] for rule in ALERTS] if "larder_circuits" in one]
    assert len(asking) == 2 and all(expression.startswith("max by ") for expression in asking)


def test_every_alert_says_what_it_is_and_the_guide_what_to_do() -> None:
    for rule in ALERTS:
        assert set(rule) <= {"alert", "expr", "for", "labels", "annotations"} and rule["annotations"]["summary"]
        assert rule["labels"]["severity"] in ("info", "warning", "critical")
        assert f"`{rule['alert']}`" in HOW_TO, rule["alert"]


def test_panels_are_apart_and_have_names_of_their_own() -> None:
    assert len({panel["id"] for panel in DASHBOARD["panels"]}) == len(DASHBOARD["panels"])
    taken = [
        (x, y)
        for panel in DASHBOARD["panels"]
        for x in range(panel["gridPos"]["x"], panel["gridPos"]["x"] + panel["gridPos"]["w"])
        for y in range(panel["gridPos"]["y"], panel["gridPos"]["y"] + panel["gridPos"]["h"])
    ]
    assert len(taken) == len(set(taken)) and max(x for x, _ in taken) < 24


def test_the_sample_scrapes_with_a_key(larder: Larder) -> None:
    scrape = SAMPLE["scrape_configs"][0]
    assert set(scrape["http_headers"]) == {"X-API-Key"}
    assert httpx.get(f"{larder.url}/metrics").status_code == 401
    write_only = larder.key("write", name="no reader")
    assert httpx.get(f"{larder.url}/metrics", headers={"X-API-Key": write_only}).status_code == 403


def lines(larder: Larder) -> list[dict[str, Any]]:
    """Those that are complete: the server may be writing the last."""
    return [json.loads(line) for line in larder.log.splitlines(keepends=True) if line.endswith("\n")]


def test_every_line_of_a_request_and_of_a_job_names_it(larder: Larder) -> None:
    with httpx.Client(
        base_url=larder.url, headers={"X-Request-ID": "who-asks", "X-API-Key": larder.key("read", "write")}
    ) as client:
        job = client.post("/v1/snapshots", json={"title": "of nothing", "pvPattern": "*"}).json()
    larder.wait_for(f"/v1/jobs/{job['jobId']}", lambda answer: answer["status"] in ("completed", "failed"))
    deadline = time.monotonic() + PATIENCE_S
    while not any(line.get("job") == job["jobId"] and "ended" in line["message"] for line in lines(larder)):
        assert time.monotonic() < deadline, "the log does not tell of the end of the job"
        time.sleep(0.05)
    asked = [line for line in lines(larder) if line.get("request") == "who-asks"]
    assert {"backend.src.web.http_figures", "backend.src.infra.sql.transactions"} <= {line["logger"] for line in asked}
    assert [line["message"].partition(" in ")[0] for line in asked if "POST" in line["message"]] == [
        "POST /v1/snapshots 200"
    ]
    worked = [line for line in lines(larder) if line.get("job") == job["jobId"]]
    assert [line["level"] for line in worked if "begins" in line["message"] or "ended" in line["message"]] == [
        "INFO"
    ] * 2
    assert not any("request" in line for line in worked), "a job goes on when its request is over"
    assert any("infra.sql" in line["logger"] for line in worked)


def test_debug_tells_more_than_the_log_does_otherwise(larder: Larder) -> None:
    chatty = {line["logger"] for line in lines(larder) if line["level"] == "DEBUG"}
    assert {"backend.src.web.http_figures", "backend.src.infra.sql.transactions"} <= chatty
    assert all(logger.startswith("backend.src.") for logger in chatty)


def test_who_is_about_to_end_is_alive_but_not_ready(larder: Larder) -> None:
    """The last: it ends the server."""
    with httpx.Client(base_url=larder.url) as client:
        assert client.get("/health/ready").json()["status"] == "ready"
        began = time.monotonic()
        os.kill(larder.pid, signal.SIGTERM)
        while (ready := client.get("/health/ready")).status_code == 200:
            assert time.monotonic() - began < DRAIN_S
        assert (ready.status_code, ready.json()["status"]) == (503, "stopping")
        assert client.get("/health/live").status_code == 200
        assert httpx.get(f"{larder.url}/health/live").status_code == 200, "new connections are taken as well"
    assert larder.ended() == 0
