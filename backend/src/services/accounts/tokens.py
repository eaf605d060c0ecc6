"""API keys: `lrd_<8 hex>_<43 characters><6 characters of checksum>`.

The hexadecimal part is for people (two tokens can be told apart in a log), then come 256 random bits, and at last
the CRC-32 of all before it in base 62: a scanner of logs and repositories recognises a leaked token without asking
anybody, and a mistyped one costs no look into the database. Tokens made before there were checksums end without.
SQL keeps the SHA-256 of the whole. Not bcrypt: a slow hash protects what can be guessed, and 2^256 cannot; it would
cost every request a quarter of a second and need a lookup by something else than the hash.
"""

from __future__ import annotations

import hashlib
import hmac
import re
import secrets
import string
from zlib import crc32

PREFIX = "lrd"
RANDOM_BYTES = 32
CHECKSUM_LENGTH = 6  # 62**6 > 2**32
BASE_62 = string.digits + string.ascii_uppercase + string.ascii_lowercase

_token = re.compile(rf"({PREFIX}_[0-9a-f]{{8}}_[A-Za-z0-9_-]{{43}})([0-9A-Za-z]{{{CHECKSUM_LENGTH}}})?")


def new_token() -> str:
    """A fresh token; it is shown once."""
    body = f"{PREFIX}_{secrets.token_hex(4)}_{secrets.token_urlsafe(RANDOM_BYTES)}"
    return body + checksum_of(body)


def looks_like_token(text: str) -> bool:
    """Whether it is worth asking the database."""
    found = _token.fullmatch(text)
    return found is not None and found[2] in (None, checksum_of(found[1]))


def checksum_of(body: str) -> str:
    """CRC-32 in base 62. It protects against accidents; against forgery do the random bits."""
    number, digits = crc32(body.encode()), ""
    for _ in range(CHECKSUM_LENGTH):
        number, digit = divmod(number, len(BASE_62))
        digits = BASE_62[digit] + digits
    return digits


def prefix_of(token: str) -> str:
    """How the token begins, which may be shown."""
    return token[: len(PREFIX) + 1 + 8]


def hash_of(token: str) -> str:
    """What is stored: 64 hexadecimal digits."""
    return hashlib.sha256(token.encode()).hexdigest()


def same_hash(one: str, other: str) -> bool:
    """Compares in a time that tells nothing of where they differ."""
    return hmac.compare_digest(one.encode(), other.encode())
