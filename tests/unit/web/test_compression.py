"""What is compressed, for whom, and that it is the same when it is unpacked."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Literal

import httpx
import pyarrow as pa
import pytest
from starlette.datastructures import Headers
from starlette.requests import Request
from starlette.responses import Response

from backend.src.web.boilerplates import Boilerplates
from backend.src.web.compression import Compression, codings_of

PIECES = [b"%d:" % number * 20_000 for number in range(8)]
WHOLE = b"".join(PIECES)

Coding = Literal["gzip", "zstd"]


async def app(scope: object, receive: object, send: object) -> None:
    await made(Request(scope))(scope, receive, send)  # type: ignore[arg-type]


def made(request: Request) -> Response:
    async def pieces() -> AsyncIterator[bytes]:
        for piece in PIECES:
            yield piece

    headers = {"ETag": '"strong"'}
    match request.url.path:
        case "/stream":
            return Boilerplates.stream(pieces(), "application/json", headers=headers)
        case "/small":
            return Boilerplates.encoded_json(b"{}", headers=headers)
        case "/frames":
            return Boilerplates.stream(pieces(), "multipart/x-mixed-replace; boundary=a", headers=headers)
        case "/still":
            return Boilerplates.image(WHOLE, "image/tiff", headers=headers)
        case _:
            return Boilerplates.encoded_json(WHOLE, headers=headers)


async def ask(path: str, *accepted: str, host: str = "192.0.2.7") -> httpx.Response:
    """accepted: each on a line of its own."""
    transport = httpx.ASGITransport(Compression(app), client=(host, 40_000))
    lines = [("Accept-Encoding", line) for line in accepted]
    async with httpx.AsyncClient(transport=transport, base_url="http://larder") as client:
        client.headers.clear()
        async with client.stream("GET", path, headers=lines) as answer:
            answer._content = b"".join([piece async for piece in answer.aiter_raw()])
        return answer


@pytest.mark.parametrize("path", ["/whole", "/stream"])
@pytest.mark.parametrize(
    ("accepted", "coding"),
    [
        ("gzip, deflate, br, zstd", "zstd"),
        ("gzip", "gzip"),
        ("zstd;q=0, gzip", "gzip"),
        ("br", None),
        ("gzip;q=0", None),
    ],
)
async def test_the_best_that_the_client_takes(path: str, accepted: str, coding: Coding | None) -> None:
    answer = await ask(path, accepted)
    assert answer.headers.get("Content-Encoding") == coding
    assert "Accept-Encoding" in answer.headers["Vary"]
    assert unpacked(answer.content, coding) == WHOLE
    assert answer.headers["ETag"] == ('"strong"' if coding is None else 'W/"strong"')


def unpacked(content: bytes, coding: Coding | None) -> bytes:
    if coding is None:
        return content
    assert len(content) < len(WHOLE) / 20
    return bytes(pa.CompressedInputStream(pa.BufferReader(content), coding).read())


@pytest.mark.parametrize(
    ("path", "host"),
    [("/small", "192.0.2.7"), ("/frames", "192.0.2.7"), ("/still", "192.0.2.7"), ("/whole", "127.0.0.1")],
)
async def test_what_is_left_as_it_is(path: str, host: str) -> None:
    answer = await ask(path, "gzip, zstd", host=host)
    assert "Content-Encoding" not in answer.headers and answer.headers["ETag"] == '"strong"'


async def test_several_lines_are_one_list() -> None:
    assert (await ask("/whole", "br", "zstd")).headers["Content-Encoding"] == "zstd"


def test_accept_encoding_is_read() -> None:
    assert codings_of(Headers({"accept-encoding": "gzip;q=0.5, ZSTD ,br; q=0"})) == {"gzip", "zstd"}
    assert codings_of(Headers()) == {""}
