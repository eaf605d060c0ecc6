"""Encryption of what the database keeps but must not show: provider tokens, signing keys, mail with codes in it.

Fernet (AES-128-CBC with HMAC-SHA-256, github.com/fernet/spec) under a key that HKDF (RFC 5869) derives from the
server's secret key, another for each purpose: what was sealed for one cannot be passed off as the other.
"""

from __future__ import annotations

import base64

from cryptography.fernet import Fernet, InvalidToken
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from backend.src.core.errors import Unavailable

KEY_BYTES = 32


class Seal:
    """Seals and opens for one purpose, e.g. Seal(settings.server.secret_key.reveal(), "outbox")."""

    def __init__(self, secret_key: str, purpose: str) -> None:
        derive = HKDF(SHA256(), KEY_BYTES, salt=None, info=f"larder {purpose}".encode())
        self._fernet = Fernet(base64.urlsafe_b64encode(derive.derive(secret_key.encode())))
        self._purpose = purpose

    def seal(self, plain: bytes) -> bytes:
        """ASCII bytes, different each time."""
        return self._fernet.encrypt(plain)

    def open(self, sealed: bytes) -> bytes:
        """What was sealed. Raises Unavailable when it was sealed under another secret key, or damaged."""
        try:
            return self._fernet.decrypt(sealed)
        except InvalidToken as exc:
            raise Unavailable(
                f"a stored secret ({self._purpose}) cannot be read with this SECRET_KEY",
                remedy="give the server the SECRET_KEY that it had before",
            ) from exc
