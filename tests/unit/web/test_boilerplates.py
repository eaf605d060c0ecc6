"""One builder for each kind of answer; none of them lets anything be written into the headers."""

from __future__ import annotations

import ast
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st
from starlette.requests import Request
from starlette.responses import Response

from backend.src.web import boilerplates
from backend.src.web.boilerplates import CSV, HTML, JSON, PDF, TEXT, Boilerplates
from backend.src.web.http_codes import HttpCodes
from backend.src.web.server_header import (
    API,
    ASSET,
    DOCUMENT,
    FILE,
    FILM,
    LIVE,
    PAGE,
    PICTURE,
    ServerHeaders,
    preset_of,
)  # fmt: skip

ANY_TEXT = st.text(st.characters(), max_size=60)


WEB = Path(boilerplates.__file__).parent
MADE_ELSEWHERE = {"boilerplates.py"}


def test_no_handler_makes_an_answer_by_itself() -> None:
    """But for files of the disk, which the framework sends best."""
    kinds = {"Response", "JSONResponse", "ORJSONResponse", "HTMLResponse", "PlainTextResponse"}
    kinds |= {"RedirectResponse", "StreamingResponse"}
    found = [
        f"{path.relative_to(WEB)}:{node.lineno}"
        for path in WEB.rglob("*.py")
        if path.name not in MADE_ELSEWHERE
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in kinds
    ]
    assert found == []


async def chunks() -> AsyncIterator[str]:
    yield "a,"
    yield "b"


@pytest.mark.parametrize(
    ("answer", "status", "content_type"),
    [
        (Boilerplates.json({"a": 1}), 200, JSON),
        (Boilerplates.encoded_json(b'{"a":1}', status=HttpCodes.ACCEPTED), 202, JSON),
        (Boilerplates.html("<p>"), 200, f"{HTML}; charset=utf-8"),
        (Boilerplates.text("a"), 200, f"{TEXT}; charset=utf-8"),
        (Boilerplates.csv(b"a", "a.csv"), 200, f"{CSV}; charset=utf-8"),
        (Boilerplates.pdf(b"%PDF", "a.pdf"), 200, PDF),
        (Boilerplates.image(b"", "image/png"), 200, "image/png"),
        (Boilerplates.redirect("/there"), 303, None),
        (Boilerplates.empty(), 204, None),
        (Boilerplates.empty(HttpCodes.NOT_MODIFIED), 304, None),
    ],
)
def test_each_has_its_status_and_type(answer: Response, status: int, content_type: str | None) -> None:
    assert answer.status_code == status and answer.headers.get("content-type") == content_type
    if not HttpCodes(status).allows_content:
        assert answer.body == b"" and "content-length" not in answer.headers


@pytest.mark.parametrize("status", [code for code in HttpCodes if not code.allows_content])
def test_content_is_refused_where_the_rfc_allows_none(status: HttpCodes) -> None:
    refused: tuple[Callable[[], Response], ...] = (
        lambda: Boilerplates.json({}, status=status),
        lambda: Boilerplates.encoded_json(b"{}", status=status),
        lambda: Boilerplates.html("<p>", status=status),
        lambda: Boilerplates.download(b"a", "a", status=status),
        lambda: Boilerplates.download([b"a"], "a", status=status),
        lambda: Boilerplates.problem(status, title="a", detail="a", instance="/", request_id="a"),
    )
    for make in refused:
        with pytest.raises(ValueError, match="content"):
            make()


async def test_a_file_may_come_in_pieces() -> None:
    transport = httpx.ASGITransport(Boilerplates.csv(chunks(), "a.csv"))
    async with httpx.AsyncClient(transport=transport, base_url="http://larder") as client:
        answer = await client.get("/")
    assert answer.text == "a,b" and answer.headers["content-disposition"] == 'attachment; filename="a.csv"'


@given(ANY_TEXT, ANY_TEXT)
def test_no_header_holds_a_line_break(name: str, value: str) -> None:
    query = httpx.QueryParams({"q": value.encode("utf-8", "replace").decode()})
    request = Request({"type": "http", "path": "/v1/pvs", "query_string": str(query).encode(), "headers": []})
    made = (
        Boilerplates.download(b"", name),
        Boilerplates.pdf(b"", name),
        Boilerplates.redirect(f"/there?{value.encode('utf-8', 'replace').decode()}"),
        Boilerplates.json([], headers=Boilerplates.next_link(request, "token")),
    )
    for answer in made:
        for _, header in ServerHeaders(0).complete(answer.raw_headers, tls=False):
            assert not set(header) & set(b"\r\n\x00")


@given(st.tuples(ANY_TEXT, st.sampled_from(["\r\n", "\n", "\r"]), ANY_TEXT).map("".join))
def test_the_door_lets_no_line_break_through(value: str) -> None:
    header = (b"x-name", value.encode("utf-8", "replace"))
    with pytest.raises(ValueError, match="line break"):
        ServerHeaders(0).complete([header], tls=False)


@pytest.mark.parametrize(
    ("content_type", "preset"),
    [
        (b"application/json", API),
        (b"application/problem+json", API),
        (b"text/html; charset=utf-8", PAGE),
        (b"text/css", ASSET),
        (b"Text/JavaScript", ASSET),
        (b"font/woff2", ASSET),
        (b"image/png", PICTURE),
        (b"image/svg+xml", FILE),
        (b"application/pdf", DOCUMENT),
        (b"application/octet-stream", FILE),
        (b"text/csv; charset=utf-8", FILE),
        (b"video/mp4", FILM),
        (b"multipart/x-mixed-replace; boundary=frame", LIVE),
        (b"application/vnd.apache.parquet", FILE),
        (b"", API),
    ],
)
def test_each_kind_of_content_has_its_preset(content_type: bytes, preset: object) -> None:
    assert preset_of(content_type) is preset


def test_what_is_told_unchanged_keeps_its_policy() -> None:
    headers = dict(ServerHeaders(0).complete([(b"etag", b'"a"')], tls=False, unchanged=True))
    assert b"content-security-policy" not in headers and b"cache-control" not in headers
    assert headers[b"x-content-type-options"] == b"nosniff"
