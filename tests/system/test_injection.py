"""Every text input of every route, tried with what attackers write there.

It comes back as data, or as a clear 4xx: never 5xx, never another's row, never evaluated, never a header of its own.
The inputs are found in the OpenAPI document, which is made from the routes: none can be missing.
"""

from __future__ import annotations

import asyncio
import secrets
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import func, select

from backend.src.core.runtime_manager import RuntimeManager
from backend.src.infra.sql import SQL
from backend.src.infra.sql.tables import metadata
from backend.src.services.accounts import Role
from tests.system.credentials import log_in
from tests.system.text_inputs import Operations, Request, TextInput
from tests.system.whole_server import Answer, WholeServer, whole_server
from tests.unit.web.asgi_socket import connect

CANARY = f"canary{secrets.token_hex(8)}"  # what rows hold that no injected text names
PRODUCT = str(31337 * 31337)
SLOWEST_S = 2.5  # the texts that ask for a pause ask for three seconds

ATTACKS = (
    "' OR '1'='1",
    '" OR 1=1 -- ',
    "') UNION SELECT token_hash FROM api_keys; DROP TABLE api_keys; -- ",
    "\\' AND SLEEP(3) #$(sleep 3)`sleep 3`|sleep 3",
    "%' OR title LIKE '%",
    "text\r\nX-Injected: yes\r\n\r\n<html>",
    "text\nSet-Cookie: injected=yes",
    "../../../../../../../../etc/passwd",
    "..%2f..%2f..%2f..%2fetc%2fpasswd\0.png",
    "{{31337*31337}}${31337*31337}#{31337*31337}<%= 31337*31337 %>",
    "{0.__class__.__init__.__globals__}%(name)s%n",
    "=cmd|'/c calc'!A1<script>alert(1)</script>",
    "te\0xt",
    "",
    "\u202etxet\ufeff ﬃ ẞ İ 🏴‍☠️ 𝒳 e\u0301",
    "\ud800",
    "99999999999999999999999999",
    "NaN",
    "a" * 70_000,
)
FOR_SQL = ATTACKS[:5]
HEADERS = (
    "x-request-id", "user-agent", "accept", "accept-language", "accept-encoding", "origin", "referer", "cookie", "host",
    "x-forwarded-for", "x-forwarded-proto", "x-forwarded-host", "forwarded", "x-real-ip", "x-http-method-override",
    "content-type", "if-none-match", "range", "authorization", "x-api-key", "access-control-request-headers",
)  # fmt: skip

# what the schema alone does not say that a good request needs
BODIES: Mapping[str, Any] = {
    "POST /v1/api-keys": {"appName": "text", "scopes": ["read"]},
    "POST /v1/pvs": {"setpointAddress": "INJECTION:PV"},
    "POST /v1/snapshots": {"title": "text", "pvPattern": "*"},
    "POST /oauth/token": {"grant_type": "password", "username": "somebody@example.org", "password": "text"},
    "POST /v1/tags/bulk": {"groups": {"text": []}},
}
DEVICE_AWAY = {"PUT /v1/pvs/{id}/value"}  # 503 and 504 are the truth about a machine that is not there


@pytest.fixture
async def site(tmp_path: Path) -> Any:
    async with whole_server(tmp_path) as server:
        yield server, await _furnished(server)


async def _furnished(server: WholeServer) -> Operations:
    """Something of everything, each with the canary; and what the paths may name."""
    group = await server.call("POST", "/v1/tags", {"name": CANARY})
    tag = await server.call("POST", f"/v1/tags/{group['id']}/tags", {"name": CANARY})
    pv = await server.call("POST", "/v1/pvs", {"setpointAddress": f"NOWHERE:{CANARY}", "device": CANARY})
    snapshot = await server.call("POST", "/v1/snapshots?async=false", {"title": CANARY, "pvPattern": "*"})
    key = await server.call("POST", "/v1/api-keys", {"appName": CANARY, "scopes": ["read"]})
    person = await log_in(server, Role.VIEWER, name=CANARY)
    sessions = await server.call("GET", f"/v1/users/{person.user_id}/sessions")
    known = {
        "/v1/tags/{gid}": group["id"],
        "/v1/tags/{gid}/tags/{tid}": tag["group"]["tags"][0]["id"],
        "/v1/pvs/{id}": pv["id"],
        "/v1/snapshots/{id}": snapshot["id"],
        "/v1/snapshots/{first}": snapshot["id"],
        "/v1/snapshots/{first}/compare/{second}": "live",
        "/v1/api-keys/{key_id}": key["id"],
        "/v1/health/circuits/{name}": "NOWHERE",
        "/v1/users/{id}": person.user_id,
        "/v1/users/me/sessions/{session_id}": sessions[0]["id"],
    }
    return Operations(await server.call("GET", "/openapi.json"), known, BODIES)


async def test_no_text_is_more_than_text(site: tuple[WholeServer, Operations]) -> None:
    server, operations = site
    before, wrong, taken = await _row_counts(), [], set()
    inputs = sorted(operations.inputs(), key=lambda one: one.method == "DELETE")  # which ends what the paths name
    assert len(inputs) > 100
    for where in inputs:
        answers = await asyncio.gather(*(_ask(server, operations.request(where, text)) for text in ATTACKS))
        for text, (answer, seconds) in zip(ATTACKS, answers, strict=True):
            if seconds > SLOWEST_S:  # a busy machine is not slow twice, a text that is obeyed is
                seconds = (await _ask(server, operations.request(where, text)))[1]
            wrong += [f"{where} of {text[:60]!r}: {fault}" for fault in _faults(where, text, answer, seconds)]
            if answer.status < 300:
                taken.add(where)
    assert wrong == []
    assert len(taken) > len(inputs) / 4, "most were refused before the text meant anything"
    after = await _row_counts()
    assert {table for table in before if after[table] < before[table]} <= {"sessions", "refresh_tokens"}


async def _ask(server: WholeServer, request: Request) -> tuple[Answer, float]:
    began = time.perf_counter()
    answer = await server.ask(request.method, request.target, {**server.operator(), **request.headers}, request.body)
    return answer, time.perf_counter() - began


def _faults(where: TextInput, text: str, answer: Answer, seconds: float) -> list[str]:
    """What is wrong with an answer, in words."""
    found = []
    away = answer.status in (503, 504) and f"{where.method} {where.path}" in DEVICE_AWAY
    if answer.status >= 500 and not away:
        found.append(f"{answer.status} {answer.text[:300]}")
    if 400 <= answer.status < 500 and not _is_clear(answer):
        found.append(f"not a clear refusal: {answer.status} {answer.headers} {answer.text[:200]}")
    if PRODUCT in answer.text or "root:x:" in answer.text:
        found.append(f"evaluated: {answer.text[:300]}")
    if seconds > SLOWEST_S:
        found.append(f"took {seconds:.1f} s")
    if where.method == "GET" and where.kind == "query" and text in FOR_SQL and CANARY in answer.text:
        found.append(f"somebody else's row: {answer.text[:300]}")
    if where.method == "GET" and where.kind == "path" and CANARY in answer.text:
        found.append(f"another's thing: {answer.text[:300]}")
    return [*found, *_faults_of_headers(answer), *_faults_of_echo(where, text, answer)]


def _is_clear(answer: Answer) -> bool:
    if answer.headers["content-type"].startswith("application/problem+json"):
        return bool(answer.json["title"]) and answer.json["status"] == answer.status
    return "error" in answer.json  # RFC 6749


def _faults_of_headers(answer: Answer) -> list[str]:
    broken = [name for name, value in answer.headers.items() if any(ord(char) < 32 for char in name + value)]
    injected = {"x-injected", "set-cookie"} & set(answer.headers)
    return [f"headers: {broken} {injected}"] if broken or injected else []


def _faults_of_echo(where: TextInput, text: str, answer: Answer) -> list[str]:
    """What was stored comes back as it was sent, when the answer has fields of its name."""
    if where.kind != "body" or len(where.place) != 1 or answer.status >= 300 or not text.strip():
        return []
    told = list(_values_of(answer.json, str(where.place[0])))
    return [f"came back as {told[:3]!r}"] if told and not {text, text.strip()} & set(told) else []


def _values_of(value: Any, name: str) -> Iterator[str]:
    """The texts that fields of this name hold, however deep."""
    if isinstance(value, dict):
        yield from (one for key, one in value.items() if key == name and isinstance(one, str))
        value = list(value.values())
    if isinstance(value, list):
        for one in value:
            yield from _values_of(one, name)


async def _row_counts() -> dict[str, int]:
    def count(connection: Any) -> dict[str, int]:
        return {
            table.name: connection.scalar(select(func.count()).select_from(table)) for table in metadata.sorted_tables
        }

    return await RuntimeManager.get(SQL).read(count)


async def test_no_header_is_more_than_a_header(site: tuple[WholeServer, Operations]) -> None:
    server, _ = site
    wrong = []
    for target in ("/v1/api-keys/count", "/nowhere"):
        for name in HEADERS:
            for text in ATTACKS:
                value = text.encode(errors="replace").decode("latin-1")
                answer = await server.ask("GET", target, {**server.operator(), name: value})
                faults = _faults(TextInput("HEAD", target, "header", (name,)), text, answer, 0.0)
                wrong += [f"{target} {name} {text[:40]!r}: {fault}" for fault in faults]
    assert wrong == []


async def test_no_message_is_more_than_a_message(site: tuple[WholeServer, Operations]) -> None:
    server, _ = site
    async with connect(server.app, "/v1/ws/pvs", server.operator()) as socket:
        for text in ATTACKS:
            for message in ({"type": text}, {"type": "subscribe", "pvNames": [text]}, {text: text}, text, [text]):
                await socket.send_json(message)
        await socket.send_json({"type": "ping"})
        while (told := await socket.receive_json())["type"] != "pong":
            assert told["type"] in ("error", "subscribed", "initial", "heartbeat", "diff"), told
            assert CANARY not in str(told)
            assert PRODUCT not in str(told)
