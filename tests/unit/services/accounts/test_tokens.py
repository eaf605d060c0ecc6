"""A token is random, recognisable, and kept as a hash only."""

from __future__ import annotations

import secrets
import string
from zlib import crc32

from hypothesis import given
from hypothesis import strategies as st

from backend.src.services.accounts.tokens import (
    checksum_of,
    hash_of,
    looks_like_token,
    new_token,
    prefix_of,
    same_hash,
)


def old_token() -> str:
    """As they were made before there were checksums."""
    return f"lrd_{secrets.token_hex(4)}_{secrets.token_urlsafe(32)}"


def test_a_token_holds_256_random_bits() -> None:
    tokens = {new_token() for _ in range(100)}
    assert len(tokens) == 100
    for token in tokens:
        prefix, visible, secret = token.split("_", 2)
        assert prefix == "lrd" and len(visible) == 8 and len(secret) == 43 + 6
        assert looks_like_token(token)
        assert prefix_of(token) == f"lrd_{visible}"


def test_a_token_without_a_checksum_stays_good() -> None:
    assert looks_like_token(old_token())


def test_what_is_no_token_is_not_asked_for() -> None:
    for token in (new_token(), old_token()):
        for text in ("", token[:-1], token + "a", token + "\n", token.replace("lrd", "abc"), " " + token, "é" + token):
            assert not looks_like_token(text)


@given(st.integers(0, 61), st.sampled_from(string.ascii_letters + string.digits))
def test_one_wrong_character_is_recognised(place: int, character: str) -> None:
    token = new_token()
    mistyped = token[:place] + character + token[place + 1 :]
    assert looks_like_token(mistyped) == (mistyped == token)


def test_the_checksum_is_the_crc_32_in_base_62() -> None:
    digits = string.digits + string.ascii_uppercase + string.ascii_lowercase
    for body in ("", "lrd_00000000_", old_token()):
        number = 0
        for digit in checksum_of(body):
            number = number * 62 + digits.index(digit)
        assert number == crc32(body.encode()) and len(checksum_of(body)) == 6


@given(st.text())
def test_any_text_is_judged(text: str) -> None:
    assert not looks_like_token(text)


def test_the_hash_is_compared_whole() -> None:
    token = new_token()
    assert same_hash(hash_of(token), hash_of(token))
    assert not same_hash(hash_of(token), hash_of(token + "a"))
    assert token.split("_", 2)[2] not in hash_of(token)
