"""What every answer has in common: its id, its headers, its size."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest
from fastapi import FastAPI

from backend.src.web.server_header import API
from tests.unit.web.conftest import client_of, make_app
from tests.unit.web.sample import Sample


@pytest.fixture
def app() -> FastAPI:
    return make_app(Sample())


async def test_every_answer_has_its_id_and_the_security_headers(app: FastAPI) -> None:
    async with client_of(app) as client:
        for path in ("/open", "/things/1", "/nowhere", "/things/x", "/open/"):
            answer = await client.get(path)
            assert len(answer.headers["X-Request-ID"]) == 16
            for name, value in API:
                assert answer.headers[name.decode()] == value.decode()


@pytest.mark.parametrize(
    ("given", "kept"),
    [("abc-123", True), ("a" * 128, True), ("a" * 129, False), ("", False), ("a b", False), ("a\tb", False)],
)
async def test_a_harmless_request_id_is_kept(app: FastAPI, given: str, kept: bool) -> None:
    async with client_of(app) as client:
        answer = await client.get("/open", headers={"X-Request-ID": given})
        assert (answer.headers["X-Request-ID"] == given) is kept


async def test_two_requests_have_two_ids(app: FastAPI) -> None:
    async with client_of(app) as client:
        assert (await client.get("/open")).headers["X-Request-ID"] != (await client.get("/open")).headers[
            "X-Request-ID"
        ]


async def test_large_json_is_compressed_for_who_wants_it(app: FastAPI) -> None:
    async with client_of(app, host="192.0.2.7") as client:
        plain = await client.get("/large", headers={"Accept-Encoding": "identity"})
        packed = await client.get("/large", headers={"Accept-Encoding": "gzip"})
        assert "Content-Encoding" not in plain.headers
        assert packed.headers["Content-Encoding"] == "gzip" and "Accept-Encoding" in packed.headers["Vary"]
        assert plain.json() == packed.json()
        assert int(packed.headers["Content-Length"]) < len(plain.content) / 5
        small = await client.get("/things/1", headers={"Accept-Encoding": "gzip"})
        assert "Content-Encoding" not in small.headers


async def test_nothing_is_compressed_for_a_client_on_the_same_machine(app: FastAPI) -> None:
    async with client_of(app) as client:
        assert "Content-Encoding" not in (await client.get("/large", headers={"Accept-Encoding": "gzip"})).headers


async def chunks(total: int) -> AsyncIterator[bytes]:
    for _ in range(total // 100):
        yield b"x" * 100


@pytest.mark.parametrize(("size", "status"), [(1_000, 422), (1_100, 413)])
async def test_a_body_may_be_as_large_as_configured(app: FastAPI, size: int, status: int) -> None:
    async with client_of(app) as client:
        assert (await client.post("/things", content=b"x" * size)).status_code == status
        assert (await client.post("/things", content=chunks(size))).status_code == status


@pytest.mark.parametrize(("size", "status"), [(5_000, 200), (5_100, 413)])
async def test_an_import_may_be_larger(app: FastAPI, size: int, status: int) -> None:
    async with client_of(app) as client:
        for content in (b"x" * size, chunks(size)):
            answer = await client.post("/import", content=content)
            assert answer.status_code == status
            assert answer.json().get("theName", answer.json().get("title")) in (str(size), "Content too large")


async def test_a_length_that_lies_is_no_crash(app: FastAPI) -> None:
    async with client_of(app) as client:
        for length in ("-1", "1e9", "9" * 400):
            answer = await client.post("/import", content=b"x", headers={"Content-Length": length})
            assert answer.status_code in (200, 413)


async def test_there_are_no_pages_that_fetch_scripts_from_elsewhere(app: FastAPI) -> None:
    async with client_of(app) as client:
        for path in ("/docs", "/redoc"):
            assert (await client.get(path)).status_code == 404


async def test_a_client_that_leaves_in_the_middle_is_no_crash(app: FastAPI, caplog: pytest.LogCaptureFixture) -> None:
    for path in ("/import", "/things"):
        messages: list[dict[str, object]] = [
            {"type": "http.request", "body": b"{", "more_body": True},
            {"type": "http.disconnect"},
        ]
        scope = {
            "type": "http", "method": "POST", "path": path, "raw_path": path.encode(), "query_string": b"",
            "headers": [(b"x-api-key", b"everything"), (b"content-type", b"application/json")],
            "http_version": "1.1", "scheme": "http", "client": None, "server": None, "root_path": "",
        }  # fmt: skip

        async def receive(left: list[dict[str, object]] = messages) -> dict[str, object]:
            return left.pop(0)

        async def send(message: dict[str, object]) -> None:
            """Nobody hears it."""

        await app(scope, receive, send)  # type: ignore[arg-type]
    assert "crashed" not in caplog.text


async def test_the_document_is_sent_once(app: FastAPI) -> None:
    async with client_of(app, key=None) as client:
        first = await client.get("/openapi.json")
        again = await client.get("/openapi.json", headers={"If-None-Match": first.headers["ETag"]})
    assert first.json()["info"]["title"] == "Larder" and (again.status_code, again.content) == (304, b"")
