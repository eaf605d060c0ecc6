"""API keys: `lrd_<8 hex>_<43 characters>`.

The hexadecimal part is for people (two tokens can be told apart in a log), the rest is 256 random bits. SQL keeps
the SHA-256 of the whole. Not bcrypt: a slow hash protects what can be guessed, and 2^256 cannot; it would cost
every request a quarter of a second and need a lookup by something else than the hash.
"""

from __future__ import annotations

import hashlib
import hmac
import re
import secrets

PREFIX = "lrd"
RANDOM_BYTES = 32

_token = re.compile(rf"{PREFIX}_[0-9a-f]{{8}}_[A-Za-z0-9_-]{{43}}")


def new_token() -> str:
    """A fresh token; it is shown once."""
    return f"{PREFIX}_{secrets.token_hex(4)}_{secrets.token_urlsafe(RANDOM_BYTES)}"


def looks_like_token(text: str) -> bool:
    """Whether it is worth asking the database."""
    return _token.fullmatch(text) is not None


def hash_of(token: str) -> str:
    """What is stored: 64 hexadecimal digits."""
    return hashlib.sha256(token.encode()).hexdigest()


def same_hash(one: str, other: str) -> bool:
    """Compares in a time that tells nothing of where they differ."""
    return hmac.compare_digest(one.encode(), other.encode())
