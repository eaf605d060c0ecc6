"""A token is random, recognisable, and kept as a hash only."""

from __future__ import annotations

from backend.src.services.accounts.tokens import hash_of, looks_like_token, new_token, same_hash


def test_a_token_holds_256_random_bits() -> None:
    tokens = {new_token() for _ in range(100)}
    assert len(tokens) == 100
    for token in tokens:
        prefix, visible, secret = token.split("_", 2)
        assert prefix == "lrd" and len(visible) == 8 and len(secret) == 43 + 6
        assert looks_like_token(token)


def test_what_is_no_token_is_not_asked_for() -> None:
    token = new_token()
    for text in ("", token[:-1], token + "a", token + "\n", token.replace("lrd", "abc"), " " + token, "é" + token):
        assert not looks_like_token(text)


def test_the_hash_is_compared_whole() -> None:
    token = new_token()
    assert same_hash(hash_of(token), hash_of(token))
    assert not same_hash(hash_of(token), hash_of(token + "a"))
    assert token.split("_", 2)[2] not in hash_of(token)
