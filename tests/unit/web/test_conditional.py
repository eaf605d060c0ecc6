"""Conditional requests and parts, as RFC 9110 has them."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from starlette.datastructures import Headers
from starlette.exceptions import HTTPException
from starlette.requests import HTTPConnection

from backend.src.web.byte_ranges import limits_of, part_of
from backend.src.web.conditional import Validators

MADE = datetime(2026, 3, 2, 8, 30, 0, 123_456, UTC)
STRONG = Validators.strong("abc", MADE)
WEAK = Validators('W/"abc"')
CONTENT = bytes(range(100))


def request(**headers: str) -> HTTPConnection:
    raw = [(name.replace("_", "-").encode(), value.encode("latin-1")) for name, value in headers.items()]
    return HTTPConnection({"type": "http", "path": "/a", "query_string": b"b=c", "headers": raw})


def http_date(**later: float) -> str:
    return format_datetime(MADE + timedelta(**later), usegmt=True)


@pytest.mark.parametrize(
    ("tags", "known"),
    [
        ('"abc"', True),
        ('W/"abc"', True),  # compared weakly: RFC 9110, 13.1.2
        ('"x", W/"abc"', True),
        ('"x","abc"', True),
        ('"a,b", "abc"', True),
        ("*", True),
        ('"abcd"', False),
        ("abc", False),
        ('"x, abc"', False),
        ("", False),
    ],
)
@pytest.mark.parametrize("state", [STRONG, WEAK])
def test_who_has_it_is_told_so(tags: str, known: bool, state: Validators) -> None:
    answer = state.unchanged(request(if_none_match=tags))
    assert (answer is not None) is known
    if answer is not None:
        assert answer.status_code == 304 and answer.body == b"" and "content-length" not in answer.headers
        assert answer.headers["etag"] == state.etag and answer.headers["cache-control"] == "private, no-cache"


@pytest.mark.parametrize(
    ("headers", "known"),
    [
        ({"if_modified_since": http_date()}, True),
        ({"if_modified_since": http_date(seconds=1)}, True),
        ({"if_modified_since": http_date(seconds=-1)}, False),
        ({"if_modified_since": "yesterday"}, False),
        ({"if_modified_since": "Mon, 99 Mar 99999 99:99:99 GMT"}, False),
        ({"if_modified_since": http_date(), "if_none_match": '"x"'}, False),  # the tag alone counts
        ({}, False),
    ],
)
def test_a_date_counts_where_no_tag_is_sent(headers: dict[str, str], known: bool) -> None:
    assert (STRONG.unchanged(request(**headers)) is not None) is known
    assert WEAK.unchanged(request(if_modified_since=http_date())) is None


@pytest.mark.parametrize(
    ("headers", "met"),
    [
        ({"if_match": '"abc"'}, True),
        ({"if_match": '"x", "abc"'}, True),
        ({"if_match": "*"}, True),
        ({"if_match": '"x"'}, False),
        ({"if_match": 'W/"abc"'}, False),  # compared strongly: RFC 9110, 13.1.1
        ({"if_match": ""}, False),
        ({"if_match": '"abc"', "if_unmodified_since": http_date(seconds=-1)}, True),  # the tag alone counts
        ({"if_unmodified_since": http_date()}, True),
        ({"if_unmodified_since": http_date(seconds=-1)}, False),
        ({"if_unmodified_since": "yesterday"}, True),
        ({"if_match": '"x"', "if_none_match": '"abc"'}, False),  # asked first: RFC 9110, 13.2.2
    ],
)
def test_who_wants_another_state_is_refused(headers: dict[str, str], met: bool) -> None:
    if met:
        assert STRONG.unchanged(request(**headers)) is None
        return
    with pytest.raises(HTTPException) as refused:
        STRONG.unchanged(request(**headers))
    assert refused.value.status_code == 412


def test_a_weak_tag_is_never_matched_strongly() -> None:
    with pytest.raises(HTTPException):
        WEAK.unchanged(request(if_match=WEAK.etag))
    assert WEAK.unchanged(request(if_match="*")) is None
    assert WEAK.unchanged(request(if_unmodified_since=http_date(days=-1))) is None  # no date is known


def test_several_lines_of_a_header_are_one_list() -> None:
    def asked(name: bytes) -> HTTPConnection:
        lines = [(name, b'"x"'), (name, b'"abc"')]
        return HTTPConnection({"type": "http", "path": "/a", "query_string": b"", "headers": lines})

    assert STRONG.unchanged(asked(b"if-none-match")) is not None
    assert STRONG.unchanged(asked(b"if-match")) is None


def test_a_weak_tag_is_of_one_question_and_one_state() -> None:
    def tag(path: str, query: bytes, *parts: Any) -> str:
        scope = {"type": "http", "path": path, "query_string": query, "headers": []}
        return Validators.weak(HTTPConnection(scope), *parts).etag

    assert tag("/a", b"", 1, "x") == tag("/a", b"", 1, b"x")
    others = [("/b", b"", 1, "x"), ("/a", b"q", 1, "x"), ("/a", b"", 2, "x"), ("/a", b"", "1x"), ("/a", b"", 1)]
    assert len({tag("/a", b"", 1, "x"), *(tag(*other) for other in others)}) == len(others) + 1  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("asked", "limits"),
    [
        ("bytes=0-9", (0, 10)),
        ("bytes=90-", (90, 100)),
        ("bytes=90-1000", (90, 100)),
        ("bytes=-10", (90, 100)),
        ("bytes=-1000", (0, 100)),
        ("Bytes=99-99", (99, 100)),
        ("bytes=0-1,5-6", None),  # several: the whole
        ("bytes=9-1", None),
        ("bytes=-", None),
        ("bytes=a-b", None),
        ("lines=0-1", None),
        ("bytes=0-99999999999999999999999", None),
        (None, None),
    ],
)
def test_which_part(asked: str | None, limits: tuple[int, int] | None) -> None:
    assert limits_of(asked, 100) == limits


@pytest.mark.parametrize(("asked", "size"), [("bytes=100-", 100), ("bytes=-0", 100), ("bytes=0-0", 0)])
def test_a_part_that_is_not_there_is_416(asked: str, size: int) -> None:
    with pytest.raises(HTTPException) as refused:
        limits_of(asked, size)
    assert refused.value.status_code == 416 and refused.value.headers == {"Content-Range": f"bytes */{size}"}


@given(st.text(max_size=40) | st.from_regex(r"bytes=[0-9]{0,25}-[0-9]{0,25}", fullmatch=True), st.integers(0, 200))
def test_no_range_is_a_crash(asked: str, size: int) -> None:
    try:
        limits = limits_of(asked, size)
    except HTTPException:
        return
    assert limits is None or 0 <= limits[0] < limits[1] <= size


@pytest.mark.parametrize(
    ("condition", "part"),
    [
        ('"abc"', True),
        ('W/"abc"', False),  # parts are of bytes: compared strongly
        ('"x"', False),
        (http_date(), True),
        (http_date(seconds=1), False),
        ("nonsense", False),
    ],
)
def test_a_part_is_sent_of_the_state_that_the_client_knows(condition: str, part: bool) -> None:
    found = part_of(CONTENT, Headers({"range": "bytes=10-19", "if-range": condition}), STRONG)
    assert (found.status == 206) is part and found.content == (CONTENT[10:20] if part else CONTENT)
    assert found.headers.get("Content-Range") == ("bytes 10-19/100" if part else None)
