"""What looks like a secret does not reach the log, and what does not stays readable."""

from __future__ import annotations

import json
import logging
import sys
import time

import pytest

from backend.src.core.logs import JsonFormatter
from backend.src.core.redaction import redact

KEY = "lrd_0123abcd_q1w2e3r4t5y6u7i8"
JWT = "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxIn0.c2lnbmF0dXJl"


@pytest.mark.parametrize(
    ("text", "kept"),
    [
        (f"X-API-Key: {KEY}", "X-API-Key: ***"),
        (f"the key {KEY} was used", "the key *** was used"),
        (f"Authorization: Bearer {JWT}", "Authorization: Bearer ***"),
        ("Authorization: Basic dXNlcjpwYXNz", "Authorization: Basic ***"),
        (f"[(b'authorization', b'Bearer {JWT}'), (b'host', b'a')]", "[(b'authorization', b***), (b'host', b'a')]"),
        ("[(b'cookie', b'session=abcdef; b=c')]", "[(b'cookie', b***)]"),
        (f"token {JWT}, expired", "token ***, expired"),
        ('{"password": "correct horse battery", "a": 1}', '{"password": ***, "a": 1}'),
        ("{'newPassword': 'hunter22', 'a': 1}", "{'newPassword': ***, 'a': 1}"),
        ("grant_type=password&username=a&password=hunter22&b=c", "grant_type=password&username=a&password=***&b=c"),
        ("GET /oauth/callback?code=abc&state=def HTTP/1.1", "GET /oauth/callback?code=***&state=*** HTTP/1.1"),
        ("SECRET_KEY=0123456789abcdef", "SECRET_KEY=***"),
        ("refresh_token: 0123456789", "refresh_token: ***"),
    ],
)
def test_secrets_are_blotted_out(text: str, kept: str) -> None:
    assert redact(text) == kept


@pytest.mark.parametrize(
    "text",
    [
        "status code: 1008",
        "PV SR:C01:STATE state: connected",
        "the token is not valid",
        "exit code: 139",
        "Redis at 127.0.0.1:6379 is away: Connection refused",
        "GET /v1/snapshots?title=password crashed (request 0123456789abcdef)",
        "ca://LRD:BPM_1 does not answer",
        "password must have 10 characters",
    ],
)
def test_everything_else_stays(text: str) -> None:
    assert redact(text) == text


@pytest.mark.parametrize("part", ["a-", "_-", "set-cookie", "token=", "Bearer ", "?code=", "eyJ", "x='", "token , "])
def test_nothing_takes_long_to_look_through(part: str) -> None:
    began = time.thread_time()  # of this thread alone: however busy the machine is
    redact(part * (64_000 // len(part)))
    assert time.thread_time() - began < 0.5


def test_a_traceback_is_redacted_too() -> None:
    try:
        raise ValueError(f"odd key {KEY}")
    except ValueError:
        record = logging.LogRecord("a", logging.ERROR, "", 1, "%s failed", (KEY,), sys.exc_info())
    line = JsonFormatter().format(record)
    assert KEY not in line and json.loads(line)["message"] == "*** failed"
