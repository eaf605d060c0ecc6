"""Every route with every kind of credential: who gets in is exactly who the route's access names.

The table is made from PathManager, so no route can be missing from it. Who must be refused calls the routes as they
are; who must be let in calls them with handlers that only say that they were reached.
"""

from __future__ import annotations

import re
from collections.abc import AsyncIterator, Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from fastapi import WebSocket
from starlette.responses import Response

from backend.src.services.accounts import Scope
from backend.src.web.access import Access
from backend.src.web.path_manager import PathManager
from backend.src.web.routes import SOCKET, Route
from tests.system.credentials import Credential, all_credentials, local_tokens
from tests.system.whole_server import WholeServer, whole_server
from tests.unit.web.asgi_socket import Closed, connect

ADMITTED = 299
REACHED = "reached"
UNKNOWN_ID = "0123456789abcdef"


async def _reached() -> Response:
    return Response(status_code=ADMITTED)


async def _reached_socket(socket: WebSocket) -> None:
    await socket.send_json({"type": REACHED})
    await socket.close()


def _stub_handlers(patch: pytest.MonkeyPatch) -> None:
    """Every route keeps all but its handler."""
    add = PathManager.add

    def add_stubs(self: PathManager, *routes: Route) -> None:
        add(self, *(replace(route, handler=_reached_socket if _is_socket(route) else _reached) for route in routes))

    patch.setattr(PathManager, "add", add_stubs)


def _is_socket(route: Route) -> bool:
    return route.method == SOCKET


def expected(route: Route, credential: Credential) -> int:
    """The status by which the door answers."""
    if route.access is Access.OPEN:
        return ADMITTED
    if credential.scopes is None:
        return 401
    return ADMITTED if credential.scopes & set(route.access.value) else 403


async def test_who_gets_in_is_who_the_route_names(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async with whole_server(tmp_path) as server:
        credentials = await all_credentials(server)
        refused = [entry async for entry in _table(server, credentials, admitted=False)]
    _stub_handlers(monkeypatch)
    async with whole_server(tmp_path) as server:
        admitted = [entry async for entry in _table(server, credentials, admitted=True)]
        size = len(server.server.paths.routes()) * len(credentials)
    table = [*refused, *admitted]
    assert [entry for entry in table if entry.found != entry.wanted] == []
    assert {entry.wanted for entry in table} == {ADMITTED, 401, 403}
    assert len(table) == size > 5_000


class Entry(NamedTuple):
    """One call."""

    method: str
    path: str
    credential: str
    wanted: int
    found: int


async def _table(server: WholeServer, credentials: Sequence[Credential], *, admitted: bool) -> AsyncIterator[Entry]:
    """Every route with every credential of the one kind or the other."""
    assert {scope for credential in credentials for scope in credential.scopes or ()} == set(Scope)
    for route in server.server.paths.routes():
        anew = {credential.name: credential for credential in local_tokens()}
        for credential in (anew.get(known.name, known) for known in credentials):
            wanted = expected(route, credential)
            if admitted == (wanted == ADMITTED):
                found = await _status(server, route, credential)
                yield Entry(route.method, route.path, credential.name, wanted, found)


async def _status(server: WholeServer, route: Route, credential: Credential) -> int:
    path = re.sub(r"\{[^}]*\}", UNKNOWN_ID, route.path)
    if _is_socket(route):
        return await _socket_status(server, path, credential)
    answer = await server.ask(route.method, path, credential.headers)
    if answer.status == 401:
        assert "Bearer" in answer.headers["www-authenticate"]
    return answer.status


async def _socket_status(server: WholeServer, path: str, credential: Credential) -> int:
    """As HTTP would have put it: a socket is closed with the reason in its last message."""
    async with connect(server.app, path, credential.headers) as socket:
        told = await socket.receive_json()
        with pytest.raises(Closed) as closed:
            await socket.receive_text()
    if told["type"] == REACHED:
        return ADMITTED
    assert closed.value.code == 1008
    return 403 if "has no" in told["message"] else 401


async def test_every_path_that_answers_is_in_the_table(tmp_path: Path) -> None:
    async with whole_server(tmp_path) as server:
        known = {(route.method, route.path) for route in server.server.paths.routes()}
        answering = set(_operations(server.app.routes))
        assert answering - known == {("GET", "/openapi.json"), ("HEAD", "/openapi.json")}
        document = await server.call("GET", "/openapi.json")
        declared = {(r.method, r.path): r.access.name for r in server.server.paths.routes() if r.documented}
        told = {
            (method.upper(), path): operation["x-access"]
            for path, operations in document["paths"].items()
            for method, operation in operations.items()
        }
    assert told == {key: access for key, access in declared.items() if key[0] != SOCKET}


def _operations(routes: Any) -> Iterator[tuple[str, str]]:
    for route in routes:
        for method in getattr(route, "methods", None) or (SOCKET,):
            yield method, route.path


READ_BY_POST = {("POST", "/v1/pvs/live")}
OWN_ACCOUNT = "/v1/users/me"  # everybody changes their own


async def test_whatever_changes_something_asks_for_more_than_to_read(tmp_path: Path) -> None:
    """The open ones are pinned in tests/unit/test_wiring.py."""
    async with whole_server(tmp_path) as server:
        weak = {
            (route.method, route.path)
            for route in server.server.paths.routes()
            if route.access is Access.READ and route.method not in ("GET", SOCKET)
        }
    assert {(method, path) for method, path in weak if not path.startswith(OWN_ACCOUNT)} == READ_BY_POST
