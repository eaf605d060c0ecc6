"""The cache between real processes: two that write at once, a revocation, and what it saves while somebody browses."""

from __future__ import annotations

import asyncio
import random
import secrets
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import ExitStack, asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
import pytest

from backend.src.infra.sql.write_through import LEASE_S
from tests.servers.larder import ROOT, Larder, as_environment, clean_environment
from tests.servers.mariadb import MariaDb
from tests.servers.ports import free_port
from tests.servers.redis_server import RedisServer
from tests.servers.s3 import S3Server

SECRET = secrets.token_hex(32)
ADMINISTRATOR, PASSWORD = "operator@example.org", secrets.token_urlsafe(24)
READS, WITHIN_S = 300, 60.0
KNOWN_EVERYWHERE_S = 5.0  # a revocation, at most
PAUSE_S = 0.26  # between two pages: longer than the cache believes the database's last word
OPERATORS = 8

# quiet: what a process asks by itself would be counted with what the session asks
CONFIGURATION = """
[monitor]
follow_interval_s = 5.0
[jobs]
heartbeat_s = 5.0
[crons]
enabled = false
[epics]
read_timeout_s = 0.1
[cache]
timeout_s = 5.0
"""


class Site:
    """Two processes that answer, on one MariaDB, one redis-server and one S3 server."""

    def __init__(self, environment: dict[str, str], folder: Path, stack: ExitStack) -> None:
        self._environment, self._folder, self._stack = environment, folder, stack
        self._config = folder / "config.toml"
        self._config.write_text(CONFIGURATION)
        migrate = [sys.executable, "-m", "backend.src", "migrate"]
        subprocess.run(migrate, cwd=ROOT, env=clean_environment(folder, 0, environment), check=True, timeout=60)
        self.processes = [self.process("one"), self.process("two")]

    def process(self, name: str, **more: str) -> Larder:
        environment = {**self._environment, **more}
        return self._stack.enter_context(Larder(self._folder / name, environment, config=self._config))


@pytest.fixture(scope="module")
def site(
    mariadb: MariaDb, redis_server: RedisServer, s3_server: S3Server, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Site]:
    name = f"cache-{secrets.token_hex(4)}"
    environment = {
        **as_environment(mariadb.database(), redis_server.settings(prefix=name), s3_server.settings(name)),
        "ROLE": "api",
        "SECRET_KEY": SECRET,
        "ADMIN_EMAIL": ADMINISTRATOR,
        "ADMIN_PASSWORD": PASSWORD,
    }
    with ExitStack() as stack:
        yield Site(environment, tmp_path_factory.mktemp("cache"), stack)


# ---- two that write at once ----


@dataclass
class Row:
    """Something with a description that counts: only one client writes it, so an older number is an old row."""

    path: str
    listed: str
    id: str
    change: dict[str, Any]
    written: int = 0  # the newest number whose write has returned

    async def write(self, client: httpx.AsyncClient) -> None:
        number = self.written + 1
        answer = await client.put(self.path, json={**self.change, "description": f"{number}"})
        assert answer.status_code == 200, answer.text
        self.written = number

    async def read(self, client: httpx.AsyncClient, path: str) -> str | None:
        """What is wrong with the answer."""
        at_least, began = self.written, time.perf_counter()
        answer = (await client.get(path)).json()
        rows = answer if isinstance(answer, list) else answer.get("results", [answer])
        told = next(int(row["description"] or 0) for row in rows if row["id"] == self.id)
        return None if told >= at_least else f"{path}: {told} after {at_least}, {time.perf_counter() - began:.3f} s"


@dataclass
class Seen:
    """What the readers found."""

    reads: int = 0
    old: list[str] = field(default_factory=list)


async def _rows(client: httpx.AsyncClient) -> list[Row]:
    made = []
    for number in range(2):
        name = f"{secrets.token_hex(4)}-{number}"
        group = (await client.post("/v1/tags", json={"name": name})).json()
        pv = (await client.post("/v1/pvs", json={"setpointAddress": f"TWO:{name}"})).json()
        query, wanted = {"async": False}, {"title": name, "pvPattern": f"*{name}"}
        snapshot = (await client.post("/v1/snapshots", params=query, json=wanted)).json()
        made += [
            Row(f"/v1/tags/{group['id']}", "/v1/tags", group["id"], {"name": name}),
            Row(f"/v1/pvs/{pv['id']}", "/v1/pvs/paged?pageSize=1000", pv["id"], {}),
            Row(f"/v1/snapshots/{snapshot['id']}", "/v1/snapshots", snapshot["id"], {}),
        ]
    return made


@asynccontextmanager
async def _clients(site: Site) -> AsyncIterator[list[httpx.AsyncClient]]:
    key = site.processes[0].key("read", "write", "admin", name=secrets.token_hex(4))
    async with (
        httpx.AsyncClient(base_url=site.processes[0].url, headers={"X-API-Key": key}, timeout=30) as one,
        httpx.AsyncClient(base_url=site.processes[1].url, headers={"X-API-Key": key}, timeout=30) as two,
    ):
        yield [one, two]


async def test_two_processes_that_write_at_once_show_no_old_row(site: Site) -> None:
    async with _clients(site) as clients:
        rows, seen = await _rows(clients[0]), Seen()

        def enough() -> bool:
            return seen.reads >= READS and all(row.written > 0 for row in rows)

        writers = [_write_until(enough, rows[:3], clients[0]), _write_until(enough, rows[3:], clients[1])]
        readers = [_read_until(enough, rows, client, seen, seed) for seed, client in enumerate(clients * 3)]
        async with asyncio.timeout(WITHIN_S):
            await asyncio.gather(*writers, *readers)
    assert seen.old == []


async def _write_until(enough: Callable[[], bool], rows: list[Row], client: httpx.AsyncClient) -> None:
    while not enough():
        await asyncio.gather(*(row.write(client) for row in rows))


async def _read_until(
    enough: Callable[[], bool], rows: list[Row], client: httpx.AsyncClient, seen: Seen, seed: int
) -> None:
    chance = random.Random(seed)
    while not enough():
        row = chance.choice(rows)
        wrong = await row.read(client, chance.choice((row.path, row.listed)))
        seen.reads += 1
        if wrong is not None:
            seen.old.append(wrong)


# ---- revocations ----


async def test_what_is_revoked_in_one_process_is_refused_by_the_other(site: Site) -> None:
    one, two = site.processes
    key = one.api.call("POST", "/v1/api-keys", json={"appName": "revoked", "scopes": ["read"]})
    tokens = _log_in(one)
    credentials = [{"X-API-Key": key["token"]}, {"Authorization": f"Bearer {tokens['access_token']}"}]
    async with httpx.AsyncClient(base_url=two.url, timeout=30) as client:
        for headers in credentials:
            assert (await client.get("/v1/tags", headers=headers)).status_code == 200
        one.api.call("DELETE", f"/v1/api-keys/{key['id']}")
        await client.post(f"{one.url}/oauth/revoke", data={"token": tokens["refresh_token"]})
        ended, waiting = time.monotonic(), list(credentials)
        while waiting:
            assert time.monotonic() - ended < KNOWN_EVERYWHERE_S
            answers = [(await client.get("/v1/tags", headers=headers)).status_code for headers in waiting]
            waiting = [headers for headers, status in zip(waiting, answers, strict=True) if status == 200]


def _log_in(larder: Larder) -> Any:
    form = {"grant_type": "password", "username": ADMINISTRATOR, "password": PASSWORD}
    answer = httpx.post(f"{larder.url}/oauth/token", data=form, timeout=30)
    assert answer.status_code == 200, answer.text
    return answer.json()


# ---- what it saves ----


def _session(larder: Larder) -> list[list[str]]:
    """What a browser asks for while an operator looks around, page by page.

    Pages with a list of PVs show the tags to choose from: the groups, and then each of them (the v1 contract).
    """
    groups = [group["id"] for group in larder.api.call("GET", "/v1/tags")][:4]
    pvs = [pv["id"] for pv in larder.api.call("GET", "/v1/pvs")][:4]
    first, second = [snapshot["id"] for snapshot in larder.api.call("GET", "/v1/snapshots")][:2]
    frame = ["/v1/health/heartbeat", "/v1/health/summary"]
    choice = ["/v1/tags", *(f"/v1/tags/{group}" for group in groups), "/v1/pvs/devices"]
    overview = ["/v1/users/me", "/v1/snapshots", "/v1/snapshots?golden=true", "/v1/jobs?pageSize=10"]
    machine = ["/v1/pvs/paged?pageSize=50", "/v1/pvs/cache/status"]
    search = ["/v1/pvs/search?q=TWO&include_live_values=true", "/v1/pvs/paged?pvName=two"]
    single = [*(f"/v1/pvs/{pv}" for pv in pvs)]
    saved = ["/v1/snapshots", f"/v1/snapshots/{first}"]
    compared = [f"/v1/snapshots/{first}/compare/{second}", f"/v1/snapshots/{first}/compare/live"]
    pages = [overview, machine + choice, search + choice, single + choice, saved + choice, compared + saved]
    return [frame + page for page in pages]


async def _statements_of(larder: Larder, session: list[list[str]], pause_s: float) -> tuple[int, float]:
    """What the database is asked while somebody looks around, and then several at the same time; seconds it took."""
    token = _log_in(larder)["access_token"]
    async with httpx.AsyncClient(base_url=larder.url, timeout=30) as client:
        client.headers["X-API-Key"] = larder.key("read", name=secrets.token_hex(4))
        before, began = await _counted(client), time.monotonic()
        await _replay(larder, token, session, pause_s)
        await asyncio.gather(*(_replay(larder, token, session, pause_s) for _ in range(OPERATORS)))
        return await _counted(client) - before, time.monotonic() - began


async def _replay(larder: Larder, token: str, session: list[list[str]], pause_s: float) -> None:
    headers = {"Authorization": f"Bearer {token}"}
    async with httpx.AsyncClient(base_url=larder.url, headers=headers, timeout=30) as client:
        for page in session:
            answers = await asyncio.gather(*(client.get(path) for path in page))
            assert [answer.status_code for answer in answers] == [200] * len(page)
            await asyncio.sleep(pause_s)


async def _counted(client: httpx.AsyncClient) -> int:
    lines = (await client.get("/metrics")).text.splitlines()
    return int(next(float(line.split()[1]) for line in lines if line.startswith("larder_sql_statements_total ")))


async def test_browsing_asks_the_database_five_times_less(site: Site) -> None:
    without_cache = site.process("three", REDIS_SOCKET="", REDIS_HOST="127.0.0.1", REDIS_PORT=str(free_port()))
    async with _clients(site) as clients:
        for _ in range(2):
            await _rows(clients[0])
    session = _session(site.processes[0])
    cached, took = await _statements_of(site.processes[0], session, PAUSE_S)
    # within a page that takes longer than the lease the database is asked for its last word again: not of browsing
    waited = (1 + 1) * len(session) * PAUSE_S
    slow = min(max(0.0, took - waited) / LEASE_S, cached / 2)
    uncached, _ = await _statements_of(without_cache, session, 0.0)
    requests = sum(map(len, session))
    print(f"{requests} requests a round: {cached} statements in {took:.1f} s with the cache, {uncached} without")
    assert uncached >= 5 * (cached - slow)
