"""What every answer carries and every request passes: headers, HEAD, hosts, proxies, other origins."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import replace
from typing import Any

import httpx
import pytest
from fastapi import FastAPI

from backend.src.config.settings import DoorSettings
from backend.src.web.app import build_app
from backend.src.web.endpoint_manager import EndpointManager
from backend.src.web.path_manager import PathManager
from backend.src.web.server_header import API, FILE, PAGE, ServerHeaders, preset_of
from tests.unit.web.asgi_socket import connect
from tests.unit.web.conftest import SETTINGS, KnownKeys
from tests.unit.web.sample import Sample

HOST = "larder.example.org"


def app_with(**door: Any) -> FastAPI:
    paths = PathManager()
    EndpointManager((Sample,)).collect(paths)
    return build_app(replace(SETTINGS, door=DoorSettings(logins_per_minute=0, **door)), paths, KnownKeys())


@asynccontextmanager
async def client_of(
    app: FastAPI, *, peer: str = "127.0.0.1", url: str = f"http://{HOST}", **headers: str
) -> AsyncIterator[httpx.AsyncClient]:
    transport = httpx.ASGITransport(app, client=(peer, 40_000))
    given = {"X-API-Key": "everything", **headers}
    async with httpx.AsyncClient(transport=transport, base_url=url, headers=given) as client:
        yield client


def carries(headers: httpx.Headers | Mapping[str, str], preset: tuple[tuple[bytes, bytes], ...]) -> bool:
    return all(headers.get(name.decode()) == value.decode() for name, value in preset)


@pytest.mark.parametrize(
    ("content_type", "preset"),
    [
        (b"application/json", API),
        (b"application/problem+json", API),
        (b"text/html; charset=utf-8", PAGE),
        (b"TEXT/HTML", PAGE),
        (b"text/csv; charset=utf-8", FILE),
        (b"image/svg+xml", FILE),
        (b"", API),
        (b"\xff;", API),
    ],
)
def test_each_kind_of_content_has_its_preset(content_type: bytes, preset: Any) -> None:
    assert preset_of(content_type) == preset


def test_no_policy_lets_anything_inline_run() -> None:
    for preset in (API, PAGE, FILE):
        policy = dict(preset)[b"content-security-policy"]
        assert b"unsafe" not in policy and b"*" not in policy and b"default-src 'none'" in policy
        assert b"frame-ancestors 'none'" in policy


def test_what_an_answer_sets_itself_stays() -> None:
    own = [(b"Content-Type", b"text/html"), (b"Cache-Control", b"max-age=60"), (b"Content-Security-Policy", b"mine")]
    found = ServerHeaders(0).complete(own, tls=False)
    assert [value for name, value in found if name.lower() == b"cache-control"] == [b"max-age=60"]
    assert [value for name, value in found if name.lower() == b"content-security-policy"] == [b"mine"]
    assert (b"x-frame-options", b"DENY") in found


async def test_browsers_keep_to_tls_only_once_they_came_by_it() -> None:
    name = "Strict-Transport-Security"
    async with client_of(app_with(hsts_s=60), url=f"https://{HOST}") as client:
        for path in ("/open", "/nowhere", "/csv"):
            assert (await client.get(path)).headers[name] == "max-age=60"
    async with client_of(app_with(hsts_s=60)) as client:
        assert name not in (await client.get("/open")).headers
    async with client_of(app_with(hsts_s=0), url=f"https://{HOST}") as client:
        assert name not in (await client.get("/open")).headers


async def test_files_and_refusals_carry_them_too() -> None:
    async with client_of(app_with(trusted_hosts=HOST)) as client:
        assert carries((await client.get("/csv")).headers, FILE)
        for answer in (
            await client.get("/open", headers={"Host": "elsewhere"}),
            await client.get("/large", headers={"X-API-Key": "wrong"}),
            await client.post("/open"),
            await client.request("OPTIONS", "/open"),
        ):
            assert answer.is_client_error and carries(answer.headers, API), answer
            assert answer.headers["X-Request-ID"] == answer.json()["requestId"]
    async with connect(app_with(), "/live", {"X-API-Key": "wrong"}) as socket:
        assert carries(socket.headers(), API)


# -- HEAD -----------------------------------------------------------------------------------------------------------


async def test_head_is_get_without_the_content() -> None:
    async with client_of(app_with()) as client:
        for path in ("/open", "/things/newest", "/v1/kept/things/newest", "/large", "/csv", "/openapi.json"):
            with_content, without = await client.get(path), await client.head(path)
            assert without.status_code == with_content.status_code == 200
            assert without.content == b""
            for name in ("Content-Length", "Content-Type"):
                assert without.headers[name] == with_content.headers[name]


async def test_no_content_leaves_for_head() -> None:
    """Asked as a server does: the client above leaves contents out by itself."""
    sent: list[Any] = []
    scope: dict[str, Any] = {
        "type": "http", "method": "HEAD", "path": "/open", "raw_path": b"/open", "query_string": b"", "headers": [],
        "http_version": "1.1", "scheme": "http", "client": None, "server": None, "root_path": "",
    }  # fmt: skip

    async def receive() -> dict[str, Any]:
        return {"type": "http.request", "body": b"", "more_body": False}

    async def send(message: Any) -> None:
        sent.append(message)

    await app_with()(scope, receive, send)
    assert b"".join(message.get("body", b"") for message in sent) == b""
    assert dict(sent[0]["headers"])[b"content-length"] == b"14" and scope["method"] == "HEAD"


async def test_head_asks_for_the_same_rights() -> None:
    async with client_of(app_with()) as client:
        assert (await client.head("/things/newest", headers={"X-API-Key": "write"})).status_code == 403
        assert (await client.head("/nowhere")).status_code == 404
        refused = await client.head("/import")
        assert refused.status_code == 405 and refused.headers["Allow"] == "POST"
        assert (await client.post("/open")).headers["Allow"] == "GET, HEAD"


# -- hosts ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("host", "answered"),
    [
        (HOST, True),
        (HOST.upper() + ":5000", True),
        ("a.lab.example.org", True),
        ("lab.example.org", False),
        ("evil.org", False),
        (f"{HOST}.evil.org", False),
        (f"evil.org:{HOST}", False),
        (f"{HOST}@evil.org", False),
        ("localhost:5000", True),
        ("127.0.0.1", True),
        ("[::1]:5000", True),
        ("[", False),
        ("", False),
    ],
)
async def test_only_trusted_hosts_are_answered(host: str, *, answered: bool) -> None:
    async with client_of(app_with(trusted_hosts=f"{HOST},*.lab.example.org")) as client:
        answer = await client.get("/open", headers={"Host": host})
        assert answer.status_code == (200 if answered else 400)


async def test_any_host_is_answered_when_none_is_named() -> None:
    async with client_of(app_with()) as client:
        for host in ("evil.org", "[", "[::1", "a b", ""):
            assert (await client.get("/open", headers={"Host": host})).status_code == 200
            assert (await client.get("/nowhere", headers={"Host": host})).status_code == 404


async def test_two_hosts_are_one_too_many() -> None:
    async with client_of(app_with()) as client:
        answer = await client.get("/open", headers=[("Host", "a"), ("Host", "b")])
        assert answer.status_code == 400


# -- proxies --------------------------------------------------------------------------------------------------------

FORWARDED = {"X-Forwarded-For": "203.0.113.9, 10.0.0.2", "X-Forwarded-Proto": "https"}


@pytest.mark.parametrize(
    ("peer", "trusted"),
    [("10.0.0.1", True), ("::ffff:10.0.0.1", True), ("192.0.2.1", False), ("127.0.0.1", False)],
)
async def test_what_a_proxy_forwards_counts_only_when_it_is_trusted(peer: str, *, trusted: bool) -> None:
    seen: list[str] = []

    class Noting(KnownKeys):
        async def authenticate(self, token: str, address: str = "") -> Any:
            seen.append(address)
            return await super().authenticate(token, address)

    paths = PathManager()
    EndpointManager((Sample,)).collect(paths)
    door = DoorSettings(trusted_proxies="10.0.0.0/24")
    async with client_of(build_app(replace(SETTINGS, door=door), paths, Noting()), peer=peer) as client:
        answer = await client.get("/things/newest", headers=FORWARDED)
    assert answer.status_code == 200
    assert seen == ["203.0.113.9" if trusted else peer.removeprefix("::ffff:")]
    assert ("Strict-Transport-Security" in answer.headers) is trusted


async def test_without_proxies_nothing_forwarded_counts() -> None:
    async with client_of(app_with(), peer="127.0.0.1") as client:
        assert "Strict-Transport-Security" not in (await client.get("/open", headers=FORWARDED)).headers


# -- other origins --------------------------------------------------------------------------------------------------

ORIGIN = "https://panels.example.org"
PREFLIGHT = {"Access-Control-Request-Method": "POST", "Access-Control-Request-Headers": "x-api-key,content-type"}


async def test_pages_of_configured_origins_may_call() -> None:
    async with client_of(app_with(cors_origins=f"{ORIGIN},https://other.example.org"), Origin=ORIGIN) as client:
        asked = await client.options("/things", headers=PREFLIGHT)
        assert asked.status_code == 200 and carries(asked.headers, API)
        answers = (asked, await client.get("/open"), await client.get("/nowhere"), await client.post("/things"))
        for answer in answers:
            assert answer.headers["Access-Control-Allow-Origin"] == ORIGIN
            assert answer.headers["Access-Control-Allow-Credentials"] == "true"
            assert "Origin" in answer.headers["Vary"]
        assert "X-Request-ID" in answers[1].headers["Access-Control-Expose-Headers"]


@pytest.mark.parametrize("origin", ["https://evil.org", "null", f"{ORIGIN}.evil.org", "http://panels.example.org"])
async def test_pages_of_other_origins_may_not(origin: str) -> None:
    async with client_of(app_with(cors_origins=ORIGIN), Origin=origin) as client:
        assert (await client.options("/things", headers=PREFLIGHT)).status_code == 400
        assert "Access-Control-Allow-Origin" not in (await client.get("/open")).headers


async def test_any_origin_means_without_credentials() -> None:
    async with client_of(app_with(cors_origins="*"), Origin="https://evil.org", Cookie="a=b") as client:
        for answer in (await client.get("/open"), await client.options("/things", headers=PREFLIGHT)):
            assert answer.headers["Access-Control-Allow-Origin"] == "*"
            assert "Access-Control-Allow-Credentials" not in answer.headers


async def test_nobody_may_when_none_is_configured() -> None:
    async with client_of(app_with(), Origin=ORIGIN) as client:
        assert "Access-Control-Allow-Origin" not in (await client.get("/open")).headers
        assert (await client.options("/things", headers=PREFLIGHT)).status_code == 405
