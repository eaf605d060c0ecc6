"""The listener on a real port: TLS, and everything that is no proper request."""

from __future__ import annotations

import asyncio
import json
import os
import ssl
import subprocess
import sys
import time
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

import httpx
import pytest
from cryptography.hazmat.primitives import serialization
from starlette.responses import Response

from backend.src.config.settings import DoorSettings, ServerSettings
from backend.src.core.errors import StartFailed
from backend.src.core.runtime_control import RuntimeControl
from backend.src.core.supervisor import Supervisor
from backend.src.web import listener, strict_protocols
from backend.src.web.access import Access
from backend.src.web.endpoint_manager import Endpoint
from backend.src.web.listener import Listener
from backend.src.web.motion_jpeg import MEDIA_TYPE, LiveView
from backend.src.web.routes import Route
from backend.src.web.strict_protocols import StrictHttp
from backend.src.web.tls import Certificate
from tests.servers.certificates import Certificate as Pair
from tests.servers.certificates import make_certificate
from tests.servers.larder import ROOT, clean_environment
from tests.unit.web.conftest import SETTINGS, make_app
from tests.unit.web.sample import Sample

HEAD = b"GET /open HTTP/1.1\r\nHost: a\r\n"
POST = b"POST /import HTTP/1.1\r\nHost: a\r\nX-API-Key: everything\r\n"
SOCKET = (
    b"GET /live HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n"
    b"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"
)


@asynccontextmanager
async def listening(door: DoorSettings | None = None, endpoint: Endpoint | None = None) -> AsyncIterator[str]:
    """The URL of a server of the endpoint, else of the sample endpoints."""
    settings = replace(SETTINGS, server=ServerSettings(port=0), door=door or DoorSettings())
    served, control, supervisor = Listener(settings), RuntimeControl(), Supervisor()
    url = served.bind()
    serving = asyncio.ensure_future(served.serve(make_app(endpoint or Sample()), control, supervisor))
    try:
        await until_it_listens(url)
        assert supervisor.running() == (("certificate",) if settings.door.tls_certificate else ())
        yield url
    finally:
        control.stop("the test is over")
        await serving
        await supervisor.stop()
        served.close()


async def until_it_listens(url: str) -> None:
    async with asyncio.timeout(15):
        while True:
            try:
                _, writer = await asyncio.open_connection("127.0.0.1", httpx.URL(url).port)
            except ConnectionError:
                await asyncio.sleep(0.01)
            else:
                return await closed(writer)


async def closed(writer: asyncio.StreamWriter) -> None:
    writer.close()
    with suppress(ConnectionError):
        await writer.wait_closed()


async def answer_to(url: str, request: bytes) -> bytes:
    """All that comes back until the server closes, or has nothing more to say."""
    reader, writer = await asyncio.open_connection("127.0.0.1", httpx.URL(url).port)
    answer = b""
    try:
        writer.write(request)
        async with asyncio.timeout(15):
            while b"\r\n\r\n" not in answer and (read := await reader.read(65_536)):
                answer += read
    except ConnectionError:
        pass  # refused while it was still being sent
    finally:
        await closed(writer)
    return answer


MALFORMED: dict[str, tuple[bytes, int]] = {
    "another protocol": (b"\x16\x03\x01\x02\x00\x01\x00", 400),
    "a header with a space in its name": (HEAD + b"bad header: x\r\n\r\n", 400),
    "a header without a colon": (HEAD + b"header\r\n\r\n", 400),
    "a NUL in a header": (HEAD + b"x: a\x00b\r\n\r\n", 400),
    "a folded header": (HEAD + b"x: a\r\n b\r\n\r\n", 400),
    "two lengths": (POST + b"Content-Length: 3\r\nContent-Length: 5\r\n\r\nabcde", 400),
    "a length and chunks": (POST + b"Content-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", 400),
    "a negative length": (POST + b"Content-Length: -3\r\n\r\n", 400),
    "two hosts": (HEAD + b"Host: b\r\n\r\n", 400),
    "a path that is not ASCII": (b"GET /\xff\xfe HTTP/1.1\r\nHost: a\r\n\r\n", 400),
    "an address without an end": (b"GET http://[/open HTTP/1.1\r\nHost: a\r\n\r\n", 400),
    "CONNECT": (b"CONNECT a:443 HTTP/1.1\r\nHost: a\r\n\r\n", 400),
    "a version of the future": (b"GET /open HTTP/9.9\r\n\r\n", 400),
    "a long request line": (b"GET /" + b"a" * 9_000 + b" HTTP/1.1\r\nHost: a\r\n\r\n", 414),
    "many headers": (HEAD + b"x: y\r\n" * 40_000 + b"\r\n", 431),
    "one endless header": (HEAD + b"x: " + b"a" * 200_000, 431),
    "an endless chunk extension": (POST + b"Transfer-Encoding: chunked\r\n\r\n1;" + b"a" * 200_000, 431),
    "an endless trailer": (POST + b"Transfer-Encoding: chunked\r\n\r\n1\r\na\r\n0\r\nx: " + b"a" * 200_000, 431),
    "a handshake without a key": (SOCKET[: SOCKET.index(b"Sec-")] + b"\r\n", 400),
    "a handshake with many headers": (SOCKET + b"x: y\r\n" * 300 + b"\r\n", 400),
    "a handshake with a long header": (SOCKET + b"x: " + b"a" * 20_000 + b"\r\n\r\n", 400),
    "a handshake with a body": (SOCKET + b"Content-Length: 3\r\n\r\nabc", 400),
    "a handshake that is no GET": (SOCKET.replace(b"GET", b"POST") + b"\r\n", 405),
    "a handshake for two hosts": (SOCKET + b"Host: b\r\n\r\n", 400),
    "a handshake with a malformed subprotocol": (SOCKET + b"Sec-WebSocket-Protocol: \xff,,a\r\n\r\n", 400),
}


async def test_what_is_malformed_gets_its_4xx(caplog: pytest.LogCaptureFixture) -> None:
    async with listening() as url:
        for name, (request, status) in MALFORMED.items():
            head = (await answer_to(url, request)).split(b"\r\n\r\n")[0].lower()
            assert head.startswith(b"http/1.1 %d " % status), name
            assert b"x-content-type-options: nosniff" in head and b"x-request-id: " in head, name
        assert (await answer_to(url, HEAD + b"x: " + b"a" * 60_000 + b"\r\n\r\n")).startswith(b"HTTP/1.1 200")
        assert (await answer_to(url, SOCKET + b"X-API-Key: read\r\n\r\n")).startswith(b"HTTP/1.1 101")
    assert not [record for record in caplog.records if record.levelname == "ERROR"]


async def test_a_head_that_does_not_end_is_not_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(strict_protocols, "HEAD_TIMEOUT_S", 1.5)  # long enough to send what is begun
    async with listening() as url:
        all_begun = (b"", b"GET /open HT", HEAD, HEAD + b"\r\n" + HEAD)
        told = await asyncio.gather(*(read_all(url, begun) for begun in all_begun))
        for begun, answers in zip(all_begun, told, strict=True):
            assert answers.count(b"HTTP/1.1 200") == (1 if b"\r\n\r\n" in begun else 0), begun
            assert answers.count(b"HTTP/1.1 408") == 1, begun


async def read_all(url: str, request: bytes) -> bytes:
    reader, writer = await asyncio.open_connection("127.0.0.1", httpx.URL(url).port)
    writer.write(request)
    async with asyncio.timeout(15):
        answers = await reader.read()
    await closed(writer)
    return answers


# -- clients that do not read ---------------------------------------------------------------------------------------


class Film:
    """A live view without end, and without a camera."""

    name = "CAM"

    def routes(self) -> tuple[Route, ...]:
        return (Route("GET", "/film", self.show, access=Access.OPEN, content={MEDIA_TYPE: {"type": "string"}}),)

    async def show(self) -> Response:
        """Shows it."""
        return LiveView(self, send_timeout_s=0.2)  # type: ignore[arg-type]

    async def parts(self) -> AsyncGenerator[bytes, None]:
        while True:
            yield b"x" * 500_000


@pytest.mark.parametrize("tls", [False, True])
async def test_who_does_not_read_a_live_view_loses_the_connection(
    tls: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    lost = asyncio.Event()

    class Watched(StrictHttp):
        def connection_lost(self, exc: Exception | None) -> None:
            super().connection_lost(exc)
            if self.cycle is not None:
                lost.set()

    monkeypatch.setattr(listener, "StrictHttp", Watched)
    caplog.set_level("INFO")
    made = make_certificate(tmp_path, "127.0.0.1")
    door = DoorSettings(tls_certificate=str(made.certificate), tls_key=str(made.key)) if tls else None
    trust = ssl.create_default_context(cafile=str(made.authority)) if tls else None
    async with listening(door, Film()) as url:
        # limit: of what the client reads ahead
        _reader, writer = await asyncio.open_connection("127.0.0.1", httpx.URL(url).port, ssl=trust, limit=1)
        try:
            writer.write(b"GET /film HTTP/1.1\r\nHost: a\r\n\r\n")
            async with asyncio.timeout(20):
                await lost.wait()
        finally:
            writer.transport.abort()
    assert "live view of camera CAM ended: its client does not read" in caplog.messages
    assert "the client left" not in caplog.text
    assert not [record for record in caplog.records if record.levelname in ("WARNING", "ERROR")]


# -- TLS ------------------------------------------------------------------------------------------------------------


async def test_with_a_certificate_it_speaks_tls_and_nothing_else(tmp_path: Path) -> None:
    made = make_certificate(tmp_path, "127.0.0.1")
    door = DoorSettings(tls_certificate=str(made.certificate), tls_key=str(made.key))
    trust = ssl.create_default_context(cafile=str(made.authority))
    async with listening(door) as url:
        assert url.startswith("https://")
        async with httpx.AsyncClient(verify=trust, base_url=url) as client:
            answer = await client.get("/open")
            assert answer.status_code == 200
            assert answer.headers["Strict-Transport-Security"] == "max-age=31536000"
        async with httpx.AsyncClient(base_url=url.replace("https", "http")) as client:
            with pytest.raises(httpx.TransportError):
                await client.get("/open")
        old = ssl.create_default_context(cafile=str(made.authority))
        old.maximum_version = ssl.TLSVersion.TLSv1_2
        old.set_ciphers("AES128-SHA:@SECLEVEL=0")  # no forward secrecy
        async with httpx.AsyncClient(verify=old, base_url=url) as client:
            with pytest.raises(httpx.TransportError):
                await client.get("/open")


def make_old_certificate(folder: Path) -> Pair:
    """Written an hour ago: the clock of a file system may tick too seldom to tell two writes of a test apart."""
    made = make_certificate(folder, "127.0.0.1")
    for file in (made.certificate, made.key):
        os.utime(file, (time.time() - 3600,) * 2)
    return made


def test_a_renewed_certificate_is_offered_without_a_restart(tmp_path: Path) -> None:
    made = make_old_certificate(tmp_path)
    certificate = Certificate(DoorSettings(tls_certificate=str(made.certificate), tls_key=str(made.key)))
    assert not certificate.follow_once()
    key = made.key.read_bytes()
    made = make_certificate(tmp_path, "127.0.0.1")
    renewed = made.key.read_bytes()
    made.key.write_bytes(key)
    assert not certificate.follow_once()  # half a pair: the old one stays
    made.key.write_bytes(renewed)
    assert certificate.follow_once()


def test_a_certificate_that_goes_away_while_it_is_looked_at_is_looked_at_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What renews it replaces the file; nobody would look any more if that ended the looking."""
    made = make_old_certificate(tmp_path)
    certificate = Certificate(DoorSettings(tls_certificate=str(made.certificate), tls_key=str(made.key)))
    made.certificate.unlink()
    monkeypatch.setattr(Path, "exists", lambda _: True)  # it was there a moment ago
    assert not certificate.follow_once()
    make_certificate(tmp_path, "127.0.0.1")
    assert certificate.follow_once()


@pytest.mark.parametrize("broken", ["missing", "garbage", "no key", "passphrase"])
def test_a_certificate_that_cannot_be_used_stops_the_start(tmp_path: Path, broken: str) -> None:
    made: Any = make_certificate(tmp_path, "127.0.0.1")
    certificate, key = str(made.certificate), str(made.key)
    match broken:
        case "missing":
            certificate = str(tmp_path / "nothing.pem")
        case "garbage":
            made.certificate.write_text("garbage")
        case "no key":
            key = ""
        case "passphrase":
            made.key.write_bytes(protected(made.key.read_bytes()))
    settings = replace(SETTINGS, door=DoorSettings(tls_certificate=certificate, tls_key=key))
    with pytest.raises(StartFailed, match="certificate"):
        Listener(settings).bind()


def protected(pem: bytes) -> bytes:
    key = serialization.load_pem_private_key(pem, None)
    how = serialization.BestAvailableEncryption(b"passphrase")
    return key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, how)


def test_commands_know_their_server_by_its_certificate(tmp_path: Path) -> None:
    made = make_certificate(tmp_path, "192.0.2.1")  # not the address that they ask it by
    tls = {"TLS_CERTIFICATE": str(made.certificate), "TLS_KEY": str(made.key)}
    environment = clean_environment(tmp_path / "data", 0, tls)
    command = [sys.executable, "-m", "backend.src", "key", "list", "--json"]
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout) == []
