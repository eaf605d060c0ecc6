"""Nobody passes who may not: over HTTP and WebSocket, whatever the headers hold."""

from __future__ import annotations

import pytest
from fastapi import FastAPI
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from starlette.requests import HTTPConnection

from backend.src.core.errors import LarderError, Unauthenticated, Unavailable
from backend.src.web.access import RECHECK_KEY, Access, recheck
from backend.src.web.routes import SOCKET
from tests.unit.web.conftest import client_of, make_app
from tests.unit.web.sample import Sample

BODY = {"theName": "a"}


@pytest.fixture
def sample() -> Sample:
    return Sample()


@pytest.fixture
def app(sample: Sample) -> FastAPI:
    return make_app(sample)


async def test_every_route_but_the_open_ones_wants_to_know_who(sample: Sample, app: FastAPI) -> None:
    async with client_of(app, key=None) as client:
        for route in sample.routes():
            if route.method == SOCKET:
                continue
            answer = await client.request(route.method, route.path.replace("{thing_id}", "1"), content=b"{not json")
            if route.access is Access.OPEN:
                assert answer.status_code == 200
            else:
                assert answer.status_code == 401, route
                assert "Bearer" in answer.headers["WWW-Authenticate"]
    assert sample.reached == []


@pytest.mark.parametrize(
    ("key", "status"), [("read", 403), ("write", 200), ("restore", 403), ("admin", 403), ("everything", 200)]
)
async def test_each_scope_is_apart_from_the_others(app: FastAPI, key: str, status: int) -> None:
    async with client_of(app, key) as client:
        answer = await client.post("/things", json=BODY)
        assert answer.status_code == status
        if status == 403:
            assert "insufficient_scope" in answer.headers["WWW-Authenticate"]


@pytest.mark.parametrize(("key", "status"), [("read", 403), ("write", 200), ("restore", 200), ("admin", 200)])
async def test_any_of_several_scopes_may_intervene(app: FastAPI, key: str, status: int) -> None:
    async with client_of(app, key) as client:
        assert (await client.put("/things")).status_code == status


async def test_a_bearer_token_is_as_good_as_a_key(app: FastAPI) -> None:
    async with client_of(app, key=None) as client:
        answer = await client.get("/things/1", headers={"Authorization": "bearer token-read"})
        assert answer.json() == {"theName": "1", "keptBy": "read"}


async def test_a_proxys_authorization_does_not_hide_the_key(app: FastAPI) -> None:
    async with client_of(app, "read") as client:
        answer = await client.get("/things/1", headers={"Authorization": "Basic dXNlcjpwYXNz"})
        assert answer.status_code == 200


async def test_a_wrong_key_is_not_saved_by_a_good_token(app: FastAPI) -> None:
    async with client_of(app, "wrong") as client:
        answer = await client.get("/things/1", headers={"Authorization": "Bearer token-read"})
        assert answer.status_code == 401


HEADER_BYTES = st.binary(max_size=60).map(lambda raw: bytes(byte for byte in raw if byte not in b"\r\n\0"))


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(key=HEADER_BYTES, scheme=st.sampled_from([b"", b"Bearer", b"bearer ", b"Basic"]), rest=HEADER_BYTES)
async def test_no_header_makes_it_crash(app: FastAPI, key: bytes, scheme: bytes, rest: bytes) -> None:
    async with client_of(app, key=None) as client:
        for headers in ([(b"x-api-key", key)], [(b"authorization", scheme + b" " + rest)]):
            assert (await client.get("/things/1", headers=headers)).status_code == 401


async def test_nobodys_body_is_read(app: FastAPI, sample: Sample) -> None:
    """64 MB from a stranger would otherwise be taken and parsed before the 401."""
    reads = []

    async def receive() -> dict[str, object]:
        reads.append(1)
        return {"type": "http.request", "body": b"x" * 100, "more_body": True}

    sent: list[dict[str, object]] = []

    async def send(message: dict[str, object]) -> None:
        sent.append(message)

    scope = {
        "type": "http", "method": "POST", "path": "/things", "raw_path": b"/things", "query_string": b"",
        "headers": [(b"content-type", b"application/json")], "http_version": "1.1", "scheme": "http",
        "client": None, "server": None, "root_path": "",
    }  # fmt: skip
    await app(scope, receive, send)  # type: ignore[arg-type]
    assert sent[0]["status"] == 401
    assert reads == []


@pytest.mark.parametrize("error", [None, Unavailable("the database is away"), Unauthenticated("the key was revoked")])
async def test_what_is_open_ends_when_trust_does_and_not_when_nobody_can_say(error: LarderError | None) -> None:
    async def check() -> None:
        if error is not None:
            raise error

    connection = HTTPConnection({"type": "http", "headers": [], RECHECK_KEY: check})
    if isinstance(error, Unauthenticated):
        with pytest.raises(Unauthenticated):
            await recheck(connection)
    else:
        await recheck(connection)
