"""Faults of other systems that only show on a whole server (the list: docs/reference/known-faults.md)."""

from __future__ import annotations

import contextlib
import json
import sqlite3
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
from websockets.sync.client import ClientConnection, connect

from backend.src.infra.sql.engine import DATABASE_FILE
from tests.servers.larder import Larder

THREADS = 1
# the least database there can be: whoever keeps a connection keeps it from all others
CONFIGURATION = f"""
[sql]
threads = {THREADS}
"""
EVERYTHING = ("read", "write", "restore", "admin")


@pytest.fixture(scope="module")
def larder(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Larder]:
    folder = tmp_path_factory.mktemp("faults")
    (folder / "config.toml").write_text(CONFIGURATION)
    with Larder(folder / "data", {}, config=folder / "config.toml") as running:
        yield running


@pytest.fixture
def client(larder: Larder) -> Iterator[httpx.Client]:
    key = larder.key(*EVERYTHING, name=f"faults {time.monotonic_ns()}")
    with httpx.Client(base_url=larder.url, headers={"X-API-Key": key}, timeout=5) as made:
        yield made


def test_a_socket_keeps_no_database_connection(larder: Larder, client: httpx.Client) -> None:
    with contextlib.ExitStack() as stack:
        for _ in range(4 * (THREADS + 1)):
            _subscribe(stack.enter_context(_connect(larder, client)))
        assert client.post("/v1/tags", json={"name": "while they listen"}).status_code == 200
        assert client.get("/v1/jobs").status_code == 200


def _connect(larder: Larder, client: httpx.Client) -> ClientConnection:
    headers = {"X-API-Key": client.headers["X-API-Key"]}
    return connect(larder.url.replace("http", "ws", 1) + "/v1/ws/pvs", additional_headers=headers, open_timeout=5)


def _subscribe(socket: ClientConnection) -> None:
    socket.send(json.dumps({"type": "subscribe", "pvNames": []}))
    assert json.loads(socket.recv(5))["type"] == "subscribed"


def test_a_database_that_waits_holds_up_nobody_else(larder: Larder, client: httpx.Client) -> None:
    answers: list[int] = []
    with _write_lock(larder.data_dir):
        waiting = threading.Thread(target=lambda: answers.append(_make_group(larder, client)))
        waiting.start()
        time.sleep(0.2)
        for _ in range(3):
            assert client.get("/health/live", timeout=4).status_code == 200
        assert not answers, "the write did not wait: this test proves nothing"
    waiting.join(10)
    assert answers == [200]


@contextlib.contextmanager
def _write_lock(data_dir: Path) -> Iterator[None]:
    with contextlib.closing(sqlite3.connect(data_dir / DATABASE_FILE, isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        yield
        other.execute("ROLLBACK")


def _make_group(larder: Larder, client: httpx.Client) -> int:
    headers = {"X-API-Key": client.headers["X-API-Key"]}
    return httpx.post(f"{larder.url}/v1/tags", json={"name": "it waited"}, headers=headers, timeout=15).status_code


@pytest.mark.parametrize("method", ["GET", "OPTIONS"])
def test_no_page_from_elsewhere_is_trusted(client: httpx.Client, method: str) -> None:
    headers = {"Origin": "https://elsewhere.example", "Access-Control-Request-Method": "GET"}
    answer = client.request(method, "/v1/pvs", headers=headers)
    assert not [name for name in answer.headers if name.lower().startswith("access-control-")]


@pytest.mark.parametrize(
    "text", ["' OR '1'='1", "lrd_00000000_' OR 1=1 --", "lrd_0' UNION SELECT id FROM api_keys --", "%"]
)
@pytest.mark.parametrize("header", ["X-API-Key", "Authorization"])
def test_a_header_is_never_a_part_of_a_query(larder: Larder, client: httpx.Client, header: str, text: str) -> None:
    assert client.get("/v1/pvs").status_code == 200, "there is a key that could be found"
    before = larder.api.call("GET", "/v1/api-keys/count")
    for value in (text, f"Bearer {text}"):
        assert httpx.get(f"{larder.url}/v1/pvs", headers={header: value}).status_code == 401
    assert larder.api.call("GET", "/v1/api-keys/count") == before
