"""A WebSocket's handler gets nobody but who may: by header or by first message, in time, or not at all."""

from __future__ import annotations

import pytest
from fastapi import FastAPI

from tests.unit.web.asgi_socket import Closed, connect
from tests.unit.web.conftest import make_app
from tests.unit.web.sample import Sample


@pytest.fixture
def sample() -> Sample:
    return Sample()


@pytest.fixture
def app(sample: Sample) -> FastAPI:
    return make_app(sample)


async def test_a_socket_is_let_in_by_its_headers(app: FastAPI) -> None:
    async with connect(app, "/live", {"X-API-Key": "read"}) as socket:
        assert await socket.receive_text() == "read"
        await socket.send_text("hello")
        assert await socket.receive_text() == "hello"


@pytest.mark.parametrize("credential", [{"apiKey": "read"}, {"token": "token-read"}])
async def test_a_browser_is_let_in_by_its_first_message(app: FastAPI, credential: dict[str, str]) -> None:
    async with connect(app, "/live") as socket:
        await socket.send_json({"type": "auth", **credential})
        assert await socket.receive_text() == "read"


@pytest.mark.parametrize(
    "first",
    [
        '{"type":"auth","apiKey":"wrong"}',
        '{"type":"auth","apiKey":"write"}',
        '{"type":"auth","apiKey":7}',
        '{"type":"auth"}',
        '{"type":"subscribe","pvNames":["A"]}',
        "[]",
        "null",
        "not json",
        "\ud800",
        "[" * 5_000,
        '{"type":"auth","apiKey":"' + "k" * 5_000 + '"}',
    ],
)
async def test_any_other_first_message_is_refused_with_1008(app: FastAPI, sample: Sample, first: str) -> None:
    async with connect(app, "/live") as socket:
        await socket.send_text(first)
        assert (await socket.receive_json())["type"] == "error"
        with pytest.raises(Closed) as closed:
            await socket.receive_text()
    assert closed.value.code == 1008
    assert sample.reached == []


async def test_a_binary_first_message_is_refused(app: FastAPI, sample: Sample) -> None:
    async with connect(app, "/live") as socket:
        await socket.send_bytes(b"\x00")
        assert (await socket.receive_json())["type"] == "error"
    assert sample.reached == []


async def test_a_wrong_key_in_the_headers_is_refused_with_1008(app: FastAPI, sample: Sample) -> None:
    async with connect(app, "/live", {"X-API-Key": "wrong"}) as socket:
        assert (await socket.receive_json())["type"] == "error"
        with pytest.raises(Closed) as closed:
            await socket.receive_text()
    assert closed.value.code == 1008
    assert sample.reached == []


async def test_who_says_nothing_is_sent_away_in_time(app: FastAPI) -> None:
    async with connect(app, "/live") as socket:
        assert await socket.receive_json() == {"type": "error", "message": "no auth message came in time"}
        with pytest.raises(Closed) as closed:
            await socket.receive_text()
    assert closed.value.code == 1008


async def test_who_leaves_before_saying_anything_harms_nobody(app: FastAPI, sample: Sample) -> None:
    async with connect(app, "/live") as socket:
        await socket.leave()
    assert sample.reached == []


async def test_every_answer_to_a_handshake_has_its_request_id(app: FastAPI) -> None:
    for path in ("/live", "/nowhere"):
        async with connect(app, path, {"X-Request-ID": "abc"}) as socket:
            assert socket.headers()["x-request-id"] == "abc"
            assert socket.headers()["x-content-type-options"] == "nosniff"


async def test_an_unknown_path_is_refused_with_a_reason(app: FastAPI) -> None:
    async with connect(app, "/nowhere", {"X-API-Key": "read"}) as socket:
        assert await socket.receive_json() == {"type": "error", "message": "no such WebSocket"}
        with pytest.raises(Closed) as closed:
            await socket.receive_text()
    assert closed.value.code == 1008


async def test_a_crash_closes_with_1011(app: FastAPI, sample: Sample, caplog: pytest.LogCaptureFixture) -> None:
    sample.error = ZeroDivisionError("secret")
    async with connect(app, "/live", {"X-API-Key": "read"}) as socket:
        await socket.receive_text()
        with pytest.raises(Closed) as closed:
            await socket.receive_text()
    assert closed.value.code == 1011
    assert "ZeroDivisionError" in caplog.text


async def test_a_client_that_leaves_in_the_middle_is_no_crash(
    app: FastAPI, sample: Sample, caplog: pytest.LogCaptureFixture
) -> None:
    async with connect(app, "/live", {"X-API-Key": "read"}) as socket:
        await socket.receive_text()
        await socket.leave()
    assert sample.reached == ["live"]
    assert "crashed" not in caplog.text
