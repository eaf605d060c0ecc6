"""An access token was signed by the key that it names, for us, and is in its time, or it is nothing."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
from datetime import timedelta
from typing import Any

import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from hypothesis import given
from hypothesis import strategies as st

from backend.src.core.errors import Unauthenticated
from backend.src.services.accounts import Scope, access_tokens
from backend.src.services.accounts.access_tokens import AccessToken, SigningKey
from tests.manual_clock import START

KID = "00112233445566ff"
KEY = SigningKey(KID, b"k" * 32)
OTHER_KEY = SigningKey("ffeeddccbbaa0099", b"o" * 32)
NOW = int(START.timestamp())
TOKEN = AccessToken(7, "0123456789abcdef", frozenset({Scope.READ}), NOW, NOW + 600, "aaaaaaaaaaaaaaaa", "larder-docs")
STANDARD = {
    "iss": "larder", "aud": "larder", "sub": "7", "sid": "0123456789abcdef", "jti": "aaaaaaaaaaaaaaaa",
    "iat": NOW, "exp": NOW + 600, "scope": "read",
}  # fmt: skip


def read(token: str, offset_s: float = 0) -> AccessToken:
    return access_tokens.read(token, KEY, START + timedelta(seconds=offset_s))


def signed(claims: dict[str, Any], **header: Any) -> str:
    return jwt.encode(claims, KEY.secret, "HS256", headers={"kid": KID, **header})


def assembled(header: object, payload: object) -> str:
    """Rightly signed, whatever the library would have to say to its parts."""
    parts = b".".join(base64.urlsafe_b64encode(json.dumps(part).encode()).rstrip(b"=") for part in (header, payload))
    signature = hmac.digest(KEY.secret, parts, hashlib.sha256)
    return (parts + b"." + base64.urlsafe_b64encode(signature).rstrip(b"=")).decode()


def test_what_was_minted_is_read() -> None:
    text = access_tokens.mint(KEY, TOKEN)
    assert read(text) == TOKEN
    assert access_tokens.key_id_of(text) == KID
    assert jwt.get_unverified_header(text)["alg"] == "HS256"
    assert "kkk" not in repr(KEY)
    assert read(assembled({"alg": "HS256", "kid": KID}, STANDARD)).user_id == 7


@pytest.mark.parametrize("offset_s", [600, 86_400, -6])
def test_it_is_good_in_its_time_alone(offset_s: float) -> None:
    with pytest.raises(Unauthenticated):
        read(access_tokens.mint(KEY, TOKEN), offset_s)


@pytest.mark.parametrize("offset_s", [-5, 0, 599.9])
def test_clocks_may_differ_a_little(offset_s: float) -> None:
    assert read(access_tokens.mint(KEY, TOKEN), offset_s) == TOKEN


@pytest.mark.parametrize("missing", sorted(STANDARD))
def test_every_claim_is_needed(missing: str) -> None:
    with pytest.raises(Unauthenticated):
        read(signed({name: value for name, value in STANDARD.items() if name != missing}))


@pytest.mark.parametrize(
    "changes",
    [
        {"iss": "someone"}, {"iss": ["larder"]}, {"aud": "larder-local"}, {"aud": ["larder-local"]}, {"aud": None},
        {"sub": 7}, {"sub": "-7"}, {"sub": "7 OR 1=1"}, {"sub": "7" * 30}, {"sub": "٧"}, {"sub": ""},
        {"sid": "x"}, {"sid": 7}, {"sid": "0123456789ABCDEF"}, {"jti": ["a"]}, {"jti": ""},
        {"iat": NOW + 60}, {"iat": True}, {"iat": str(NOW)}, {"iat": NOW + 0.5}, {"iat": 10**400},
        {"exp": NOW}, {"exp": True}, {"exp": "never"}, {"exp": 1e300}, {"exp": None}, {"exp": [NOW + 60]},
    ],
)  # fmt: skip
def test_any_other_claim_is_refused(changes: dict[str, Any]) -> None:
    with pytest.raises(Unauthenticated):
        read(assembled({"alg": "HS256", "kid": KID}, {**STANDARD, **changes}))


@pytest.mark.parametrize("scope", ["", "root", 7, ["read"], "readwrite", "READ"])
def test_a_scope_that_is_none_grants_nothing(scope: object) -> None:
    assert read(assembled({"alg": "HS256"}, {**STANDARD, "scope": scope})).scopes == frozenset()


def test_no_algorithm_but_ours() -> None:
    unsigned = jwt.encode(STANDARD, "", "none", headers={"kid": KID})
    longer = jwt.encode(STANDARD, b"k" * 64, "HS512", headers={"kid": KID})
    private = rsa.generate_private_key(65_537, 2_048)
    by_rsa = jwt.encode(STANDARD, private, "RS256", headers={"kid": KID})
    for token in (unsigned, unsigned.rstrip(".") + ".AAAA", longer, by_rsa):
        with pytest.raises(Unauthenticated):
            read(token)
    names: tuple[object, ...] = ("none", "None", "nOnE", "HS384", "RS256", "", None, 7, {}, [])
    for name in names:
        with pytest.raises(Unauthenticated):
            read(assembled({"alg": name, "kid": KID}, STANDARD))


def test_a_public_key_signs_nothing() -> None:
    """The confusion of RS256 with HS256: what everybody may know, taken for a secret."""
    public = rsa.generate_private_key(65_537, 2_048).public_key()
    pem = public.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    parts = ".".join(access_tokens.mint(KEY, TOKEN).split(".")[:2])
    forged = base64.urlsafe_b64encode(hmac.digest(pem, parts.encode(), hashlib.sha256)).rstrip(b"=").decode()
    with pytest.raises(Unauthenticated):
        read(f"{parts}.{forged}")


def test_another_key_is_refused_whatever_the_token_names() -> None:
    for kid in (KID, OTHER_KEY.kid):
        with pytest.raises(Unauthenticated):
            read(access_tokens.mint(SigningKey(kid, OTHER_KEY.secret), TOKEN))


@pytest.mark.parametrize(
    "kid", [None, 7, "", "../../etc/passwd", "0011223344556677\n", "' OR 1=1 --", "0" * 5_000, ["a"], {"a": 1}, True]
)
def test_a_kid_that_can_be_none_of_ours_is_not_asked_for(kid: object) -> None:
    assert access_tokens.key_id_of(assembled({"alg": "HS256", "kid": kid}, STANDARD)) is None


def test_keys_that_a_token_brings_along_count_for_nothing() -> None:
    jwk = {"kty": "oct", "k": base64.urlsafe_b64encode(OTHER_KEY.secret).decode()}
    header = {"kid": KID, "jwk": jwk, "jku": "http://127.0.0.1/keys", "x5u": "http://127.0.0.1/cert"}
    with pytest.raises(Unauthenticated):
        read(jwt.encode(STANDARD, OTHER_KEY.secret, "HS256", headers=header))


@pytest.mark.parametrize("payload", ["[" * 20_000, "{" * 5_000, "null", "7", '"a"', "", "{}", '{"a":' * 3_000])
def test_a_strange_payload_that_is_rightly_signed_is_refused(payload: str) -> None:
    head = base64.urlsafe_b64encode(b'{"alg":"HS256"}').rstrip(b"=")
    parts = head + b"." + base64.urlsafe_b64encode(payload.encode()).rstrip(b"=")
    signature = base64.urlsafe_b64encode(hmac.digest(KEY.secret, parts, hashlib.sha256)).rstrip(b"=")
    with pytest.raises(Unauthenticated):
        read((parts + b"." + signature).decode())


@pytest.mark.parametrize("header", ["[" * 20_000, "null", "7", "[]", '{"alg":"HS256","crit":["x"]}', '{"kid":'])
def test_a_strange_header_is_refused_not_a_crash(header: str) -> None:
    head = base64.urlsafe_b64encode(header.encode()).rstrip(b"=").decode()
    token = f"{head}.{access_tokens.mint(KEY, TOKEN).split('.', 1)[1]}"
    assert access_tokens.key_id_of(token) is None
    with pytest.raises(Unauthenticated):
        read(token)


@given(st.text(max_size=400) | st.from_regex(r"[A-Za-z0-9_-]{0,40}\.[A-Za-z0-9_-]{0,40}\.[A-Za-z0-9_-]{0,43}"))
def test_any_text_is_refused_not_a_crash(text: str) -> None:
    assert access_tokens.key_id_of(text) is None
    with pytest.raises(Unauthenticated):
        read(text)


@given(st.integers(0, 400), st.integers(0, 255))
def test_no_character_can_be_changed(place: int, byte: int) -> None:
    good = access_tokens.mint(KEY, TOKEN).encode()
    at = place % len(good)
    changed = good[:at] + bytes([byte]) + good[at + 1 :]
    if at == len(good) - 1 or changed == good:  # the last character of base64 has bits that mean nothing
        return
    with pytest.raises(Unauthenticated):
        read(changed.decode("latin-1"))
