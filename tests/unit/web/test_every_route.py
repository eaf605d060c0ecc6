"""The real Server's routes, each called by a stranger: nothing is started, so whatever passes the gate would crash."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from backend.src.config.settings import Secret, ServerSettings, Settings, StreamingSettings
from backend.src.core.runtime_manager import RuntimeManager
from backend.src.server import Server
from backend.src.web.access import Access
from backend.src.web.routes import SOCKET, Route
from tests.unit.web.asgi_socket import Closed, connect
from tests.unit.web.conftest import client_of

STRANGE_CREDENTIALS: tuple[dict[str, str], ...] = (
    {},
    {"X-API-Key": "lrd_00000000"},
    {"X-API-Key": ""},
    {"Authorization": "Bearer"},
    {"Authorization": "Bearer a.b.c"},
    {"Authorization": "Basic YTpi"},
)


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Server]:
    RuntimeManager.reset()
    yield Server(
        Settings(
            server=ServerSettings(data_dir=tmp_path, secret_key=Secret("s" * 32)),
            streaming=StreamingSettings(auth_timeout_s=0.1),
        )
    )
    RuntimeManager.reset()


def closed_routes(server: Server) -> list[Route]:
    return [route for route in server.paths.routes() if route.access is not Access.OPEN]


def filled(path: str) -> str:
    return re.sub(r"\{[^}]*\}", "1", path)


async def test_a_stranger_is_told_401_whatever_he_asks(server: Server) -> None:
    async with client_of(server.app, key=None) as client:
        for route in closed_routes(server):
            if route.method == SOCKET:
                continue
            for headers in STRANGE_CREDENTIALS:
                answer = await client.request(route.method, filled(route.path), headers=headers, content=b"{")
                assert answer.status_code == 401, (route.method, route.path, headers, answer.text)
                assert answer.headers["WWW-Authenticate"]


async def test_a_strangers_socket_is_closed(server: Server) -> None:
    for route in closed_routes(server):
        if route.method == SOCKET:
            async with connect(server.app, filled(route.path)) as socket:
                assert (await socket.receive_json())["type"] == "error"
                with pytest.raises(Closed) as closed:
                    await socket.receive_text()
            assert closed.value.code == 1008


def test_every_route_is_documented(server: Server) -> None:
    for route in server.paths.routes():
        if route.method != SOCKET and route.documented:
            assert route.summary and route.tags, (route.method, route.path)


async def test_every_answer_has_a_described_type(server: Server) -> None:
    async with client_of(server.app, key=None) as client:
        document = (await client.get("/openapi.json")).json()
    for path, operations in document["paths"].items():
        for method, operation in operations.items():
            good = next(answer for status, answer in operation["responses"].items() if status[0] in "23")
            for kind, content in good.get("content", {}).items():
                assert content["schema"], (method, path, kind)
