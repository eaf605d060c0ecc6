"""A local token is ours, fresh, short-lived and for this purpose, or it is nothing."""

from __future__ import annotations

import base64
import json
import time
from datetime import timedelta
from typing import Any

import jwt
import pytest
from hypothesis import given
from hypothesis import strategies as st

from backend.src.config.settings import Secret
from backend.src.core.clock import SystemClock
from backend.src.core.errors import Unauthenticated
from backend.src.core.local_token import mint_local_token
from backend.src.services.accounts import PrincipalKind, Scope
from backend.src.services.accounts.local_token import read_local_token

KEY = Secret("k" * 32)
OTHER_KEY = Secret("o" * 32)


class ClockAt:
    """The system's clock, some seconds off."""

    def __init__(self, offset_s: float) -> None:
        self._offset_s = offset_s

    def __getattr__(self, name: str) -> Any:
        return getattr(SystemClock(), name)

    def now(self) -> Any:
        return SystemClock().now() + timedelta(seconds=self._offset_s)


def claims(**changes: Any) -> dict[str, Any]:
    now = int(time.time())
    standard = {"iss": "larder", "aud": "larder-local", "sub": "ann", "iat": now, "exp": now + 60}
    return {name: value for name, value in {**standard, **changes}.items() if value is not None}


def signed(content: dict[str, Any], key: Secret = KEY, algorithm: str | None = "HS256") -> str:
    return jwt.encode(content, key.reveal() if algorithm else "", algorithm)


def read(token: str, offset_s: float = 0) -> Any:
    return read_local_token(KEY, token, ClockAt(offset_s))


def test_the_operator_may_do_everything_under_his_name() -> None:
    principal = read(mint_local_token(KEY, "ann"))
    assert (principal.kind, principal.name, principal.scopes) == (PrincipalKind.LOCAL, "ann", frozenset(Scope))
    assert read(signed(claims())) == principal


@pytest.mark.parametrize("offset_s", [61, -30])
def test_a_token_is_good_for_a_minute(offset_s: float) -> None:
    with pytest.raises(Unauthenticated):
        read(mint_local_token(KEY, "ann"), offset_s)


@pytest.mark.parametrize(
    "changes",
    [
        {"iss": "someone"},
        {"aud": "larder-people"},
        {"exp": int(time.time()) + 3600},
        {"exp": None},
        {"iat": None},
        {"sub": None},
        {"iss": None},
        {"aud": None},
        {"exp": "soon"},
        {"iat": "now"},
        {"exp": 1e300},
        {"iat": True},
        {"sub": 7},
        {"aud": ["larder-local", 7]},
    ],
)
def test_any_other_claim_is_refused(changes: dict[str, Any]) -> None:
    with pytest.raises(Unauthenticated):
        read(signed(claims(**changes)))


def test_another_key_or_algorithm_is_refused() -> None:
    for token in (
        signed(claims(), OTHER_KEY),
        signed(claims(), algorithm=None),
        signed(claims(), Secret("k" * 64), "HS512"),
        jwt.encode(claims(), KEY.reveal() * 2, "HS384"),
    ):
        with pytest.raises(Unauthenticated):
            read(token)


def part(content: Any) -> str:
    raw = content if isinstance(content, bytes) else json.dumps(content).encode()
    return base64.urlsafe_b64encode(raw).decode().rstrip("=")


@pytest.mark.parametrize(
    "header",
    [
        b"[" * 3_000,
        b"\xff\xfe",
        [],
        None,
        {"alg": []},
        {"alg": {}},
        {"alg": None},
        {"alg": "HS256", "crit": ["x"]},
        {"alg": "HS256", "b64": False},
        {"alg": "HS256", "kid": 7},
    ],
)
def test_a_strange_header_is_refused_not_a_crash(header: Any) -> None:
    payload = mint_local_token(KEY, "ann").split(".")[1]
    with pytest.raises(Unauthenticated):
        read(f"{part(header)}.{payload}.{part(b'signature')}")


def test_a_strange_payload_that_is_rightly_signed_is_refused() -> None:
    for payload in (b"[" * 3_000, b"[]", b"7", b"\xff", b'{"exp": NaN, "iat": NaN}'):
        token = jwt.api_jws.encode(payload, KEY.reveal(), "HS256")
        with pytest.raises(Unauthenticated):
            read(token)


@given(st.text(st.characters(min_codepoint=32, max_codepoint=126), max_size=200))
def test_any_text_is_refused_not_a_crash(text: str) -> None:
    with pytest.raises(Unauthenticated):
        read(text)
