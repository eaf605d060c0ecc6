"""Four processes whose Redis is killed: what they tell who watches them, and what a snapshot taken meanwhile holds."""

from __future__ import annotations

import operator
import re
from collections.abc import Callable, Iterator

import pytest
import yaml
from prometheus_client.parser import text_string_to_metric_families

from tests.servers.larder import ROOT, Larder, as_environment
from tests.servers.mariadb import MariaDb
from tests.servers.redis_server import RedisServer, running_redis
from tests.servers.s3 import S3Server
from tests.system.four_processes import Site, four_processes, until

PVS = 50
COME_BACK_S = 30.0  # a lease, the whole table anew, and a busy machine
ALERTS = yaml.safe_load((ROOT / "docker" / "prometheus" / "alerts.yaml").read_text())["groups"][0]["rules"]
FOLDS: dict[str, Callable[[list[float]], float]] = {"min": min, "max": max, "sum": sum}
COMPARES = {"==": operator.eq, ">": operator.gt}


@pytest.fixture(scope="module")
def redis() -> Iterator[RedisServer]:
    with running_redis() as server:
        yield server


@pytest.fixture(scope="module")
def site(
    mariadb: MariaDb, redis: RedisServer, s3_server: S3Server, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Site]:
    servers = as_environment(mariadb.database(), redis.settings(), s3_server.settings("redis-away"))
    with four_processes(servers, PVS, tmp_path_factory.mktemp("redis-away")) as made:
        made.import_all()
        until(made.fresh, COME_BACK_S)
        yield made


def processes(site: Site) -> list[Larder]:
    return [*site.monitors, site.worker, site.api]


def series(larder: Larder, name: str) -> list[float]:
    families = text_string_to_metric_families(larder.api.raw("GET", "/metrics").text)
    return [sample.value for family in families for sample in family.samples if sample.name == name]


def fires(site: Site, alert: str) -> bool:
    """Whether Prometheus would find the alert's condition true, were it to ask now."""
    (expression,) = [rule["expr"] for rule in ALERTS if rule["alert"] == alert]
    parts = re.fullmatch(r"(\w+) by \(job\) \((\w+)\) (\S+) (\d+)", expression)
    assert parts, expression
    fold, name, compare, limit = parts.groups()
    found = [value for larder in processes(site) for value in series(larder, name)]
    return bool(COMPARES[compare](FOLDS[fold](found), int(limit)))


def test_all_is_well(site: Site) -> None:
    until(lambda: not fires(site, "LarderMonitorSilent"))

    def leading() -> list[float]:
        return sorted(value for monitor in site.monitors for value in series(monitor, "larder_leading"))

    until(lambda: leading() == [0, 1], COME_BACK_S)  # for a moment nobody does, when a busy machine let a lease run out
    assert not fires(site, "LarderTwoLeaders")


def test_who_shows_stale_values_alone_is_told_of_and_nobody_leads(site: Site, redis: RedisServer) -> None:
    redis.kill()
    until(lambda: not site.fresh(), COME_BACK_S)
    until(lambda: fires(site, "LarderMonitorSilent"), COME_BACK_S)
    for copy in (site.worker, site.api):  # the alert fires with the first of them; each counts from its own last beat
        until(lambda copy=copy: series(copy, "larder_monitor_alive") == [0], COME_BACK_S)
    for monitor in site.monitors:  # each watches on, for itself alone
        until(lambda monitor=monitor: series(monitor, "larder_monitor_alive") == [1], COME_BACK_S)
        until(lambda monitor=monitor: series(monitor, "larder_leading") == [0], COME_BACK_S)
    assert not fires(site, "LarderTwoLeaders")


def test_a_snapshot_taken_meanwhile_is_of_the_machine(site: Site) -> None:
    posted = site.api.api.call("POST", "/v1/snapshots", json={"title": "meanwhile", "pvPattern": "*"})
    done = list(site.api.api.follow(posted["jobId"]))[-1]
    saved = site.api.api.call("GET", f"/v1/snapshots/{done['resultId']}", params={"limit": 1})
    assert (saved["source"], saved["counts"]["captured"], saved["counts"]["stale"]) == ("read", PVS, 0)


def test_all_is_well_again_when_it_is_back(site: Site, redis: RedisServer) -> None:
    redis.start()
    until(site.fresh, COME_BACK_S)
    until(lambda: not fires(site, "LarderMonitorSilent"), COME_BACK_S)
    assert not fires(site, "LarderTwoLeaders")
