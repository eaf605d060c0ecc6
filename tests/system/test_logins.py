"""People logged in to a server process: it is killed while tokens and keys change, and nobody is logged out by that."""

from __future__ import annotations

import asyncio
import json
import random
import sqlite3
import threading
import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import httpx
import pytest
from websockets.asyncio.client import connect
from websockets.exceptions import ConnectionClosed

from backend.src.infra.sql.engine import DATABASE_FILE
from backend.src.services.accounts.refresh_tokens import GRACE_S
from tests.servers.larder import Larder

EMAIL, PASSWORD = "ann@lab.example", "plum hatch orbit vellum"
KILLS = 2
CONFIGURATION = """
[accounts]
signing_key_s = 0.2
bcrypt_rounds = 10
[crons]
signing_keys = "every 1s"
[streaming]
heartbeat_s = 0.2
[door]
logins_per_minute = 0
"""


@pytest.fixture(scope="module")
def larder(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Larder]:
    folder = tmp_path_factory.mktemp("logins")
    config = folder / "config.toml"
    config.write_text(CONFIGURATION)
    with Larder(folder / "data", {"ADMIN_EMAIL": EMAIL, "ADMIN_PASSWORD": PASSWORD}, config=config) as larder:
        yield larder


def granted(larder: Larder, **form: str) -> dict[str, Any]:
    answer = httpx.post(f"{larder.url}/oauth/token", data=form, timeout=30)
    assert answer.status_code == 200, answer.text
    found: dict[str, Any] = answer.json()
    return found


def log_in(larder: Larder) -> dict[str, Any]:
    return granted(larder, grant_type="password", username=EMAIL, password=PASSWORD)


def refreshed(larder: Larder, tokens: dict[str, Any]) -> dict[str, Any]:
    return granted(larder, grant_type="refresh_token", refresh_token=tokens["refresh_token"])


def is_let_in(larder: Larder, tokens: dict[str, Any]) -> bool:
    headers = {"Authorization": f"Bearer {tokens['access_token']}"}
    return httpx.get(f"{larder.url}/v1/users/me", headers=headers, timeout=30).status_code == 200


class Screen(threading.Thread):
    """A client that refreshes without a pause, until the server is gone; it keeps the last tokens that it heard of."""

    def __init__(self, larder: Larder, tokens: dict[str, Any]) -> None:
        super().__init__()
        self._url = larder.url
        self.tokens = tokens
        self.refreshed = 0

    def run(self) -> None:
        with httpx.Client(base_url=self._url, timeout=30) as client:
            while True:
                form = {"grant_type": "refresh_token", "refresh_token": self.tokens["refresh_token"]}
                try:
                    answer = client.post("/oauth/token", data=form)
                except httpx.TransportError:
                    return
                assert answer.status_code == 200, answer.text
                self.tokens = answer.json()
                self.refreshed += 1


def rows(larder: Larder, query: str) -> list[tuple[Any, ...]]:
    with closing(sqlite3.connect(larder.data_dir / DATABASE_FILE)) as database:
        return database.execute(query).fetchall()


def test_a_kill_while_tokens_and_keys_rotate_logs_nobody_out(larder: Larder) -> None:
    tokens = log_in(larder)
    chance = random.Random(7)
    for _ in range(KILLS):
        screen = Screen(larder, tokens)
        screen.start()
        deadline = time.monotonic() + 30
        while not screen.refreshed:
            assert time.monotonic() < deadline, "nothing is rotated: this test proves nothing"
            time.sleep(0.01)
        time.sleep(chance.uniform(0.2, 0.6))
        larder.kill()
        killed_at = time.monotonic()
        screen.join()
        larder.start()
        assert is_let_in(larder, screen.tokens), "an access token outlives the process that signed it"
        assert time.monotonic() - killed_at < GRACE_S - 1, "this machine starts too slowly for this test"
        tokens = refreshed(larder, screen.tokens)  # the answer to its last one may have been lost
    assert rows(larder, "SELECT COUNT(*) FROM sessions WHERE revoked_at IS NULL") == [(1,)]
    assert rows(larder, "SELECT COUNT(*) FROM refresh_tokens WHERE used_at IS NULL") == [(1,)]
    assert rows(larder, "SELECT COUNT(*) FROM signing_keys WHERE retired_at IS NULL") == [(1,)]


def test_keys_change_by_themselves_and_no_token_suffers(larder: Larder) -> None:
    tokens = log_in(larder)
    known = {kid for (kid,) in rows(larder, "SELECT kid FROM signing_keys")}
    deadline = time.monotonic() + 10
    while known >= {kid for (kid,) in rows(larder, "SELECT kid FROM signing_keys WHERE retired_at IS NULL")}:
        assert time.monotonic() < deadline, "no new key was made"
        time.sleep(0.1)
    assert is_let_in(larder, tokens) and is_let_in(larder, refreshed(larder, tokens))


def test_a_second_use_ends_the_session(larder: Larder) -> None:
    first = log_in(larder)
    second = refreshed(larder, first)
    third = refreshed(larder, second)
    stolen = httpx.post(
        f"{larder.url}/oauth/token", data={"grant_type": "refresh_token", "refresh_token": first["refresh_token"]}
    )
    assert stolen.status_code == 400 and stolen.json()["error"] == "invalid_grant"
    assert not is_let_in(larder, third)
    assert rows(larder, "SELECT COUNT(*) FROM audit WHERE action = 'session.reuse'") == [(1,)]


async def test_a_logout_closes_the_sockets_of_the_session(larder: Larder) -> None:
    tokens, others = log_in(larder), log_in(larder)
    address = larder.url.replace("http", "ws") + "/v1/ws/pvs"

    def headers(held: dict[str, Any]) -> dict[str, str]:
        return {"Authorization": f"Bearer {held['access_token']}"}

    async with (
        connect(address, additional_headers=headers(tokens)) as socket,
        connect(address, additional_headers=headers(others)) as other,
    ):
        assert json.loads(await socket.recv())["type"] == "heartbeat"
        async with httpx.AsyncClient(base_url=larder.url) as client:
            assert (await client.post("/oauth/logout", headers=headers(tokens))).status_code == 204
        with pytest.raises(ConnectionClosed) as closed:
            async with asyncio.timeout(10):
                while True:
                    await socket.recv()
        assert closed.value.rcvd is not None and closed.value.rcvd.code == 1008
        async with asyncio.timeout(5):
            assert json.loads(await other.recv())["type"] == "heartbeat"


def test_what_logins_leave_is_found_by_their_requests(larder: Larder) -> None:
    tokens = log_in(larder)
    wrong = {"grant_type": "password", "username": EMAIL, "password": "wrong"}
    for path, form in (("token", wrong), ("revoke", {"token": tokens["refresh_token"]})):
        httpx.post(f"{larder.url}/oauth/{path}", data=form, headers={"X-Request-ID": f"r-{path}"}, timeout=30)
    noted = rows(larder, "SELECT action, request_id, address FROM audit WHERE request_id LIKE 'r-%' ORDER BY id")
    assert noted == [("login.failed", "r-token", "127.0.0.1"), ("session.revoke", "r-revoke", "127.0.0.1")]
    (ended,) = rows(larder, "SELECT actor_id, target FROM audit WHERE action = 'session.revoke'")
    assert ended in rows(larder, "SELECT actor_id, target FROM audit WHERE action = 'login'")


def test_the_log_holds_no_token(larder: Larder) -> None:
    tokens = refreshed(larder, log_in(larder))
    assert is_let_in(larder, tokens)
    log = Path(larder.data_dir / "server.log").read_text()
    for secret in (PASSWORD, tokens["access_token"], tokens["refresh_token"]):
        assert secret not in log
