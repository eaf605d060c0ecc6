"""Authorization codes (RFC 6749, 4.1) with PKCE (RFC 7636): handed out after a login on the server's own page.

A code is used once within a minute, by whoever holds the verifier whose SHA-256 came with the request. A second use
ends the session that the first began. SQL keeps the hash of the code. Each function runs inside a transaction.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import re
import secrets
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import Connection, RowMapping, insert, select, update

from backend.src.infra.sql.tables import authorization_codes
from backend.src.services.accounts.principal import Scope, in_order

LIFETIME_S = 60.0

_challenge = re.compile(r"[A-Za-z0-9_-]{43}")  # of S256, the only method
_verifier = re.compile(r"[A-Za-z0-9._~-]{43,128}")


@dataclass(frozen=True, slots=True)
class CodeRequest:
    """What a client asked for when it sent a person to log in."""

    client_id: str
    redirect_uri: str
    code_challenge: str
    scopes: tuple[Scope, ...] | None


def new_code() -> str:
    """A fresh code; it travels in a redirect."""
    return secrets.token_urlsafe(32)


def is_challenge(text: str) -> bool:
    """Whether it can be the SHA-256 of a verifier."""
    return _challenge.fullmatch(text) is not None


def answers(challenge: str, verifier: str) -> bool:
    """Whether this is the verifier of that challenge (RFC 7636, 4.6)."""
    if _verifier.fullmatch(verifier) is None:
        return False
    digest = base64.urlsafe_b64encode(hashlib.sha256(verifier.encode()).digest()).rstrip(b"=")
    return hmac.compare_digest(digest, challenge.encode())


def insert_code(connection: Connection, code_hash: str, user_id: int, request: CodeRequest, now: datetime) -> None:
    """For this person, who has just proved who they are."""
    connection.execute(
        insert(authorization_codes).values(
            code_hash=code_hash,
            client_id=request.client_id,
            user_id=user_id,
            redirect_uri=request.redirect_uri,
            code_challenge=request.code_challenge,
            scopes=None if request.scopes is None else _names(request.scopes),
            created_at=now,
            expires_at=now + timedelta(seconds=LIFETIME_S),
        )
    )


def lock_code(connection: Connection, code_hash: str) -> RowMapping | None:
    """The row, locked, whatever became of it."""
    query = select(authorization_codes).where(authorization_codes.c.code_hash == code_hash).with_for_update()
    return connection.execute(query).mappings().first()


def mark_used(connection: Connection, code_hash: str, session_id: str, now: datetime) -> None:
    """It was exchanged for this session."""
    used = update(authorization_codes).where(authorization_codes.c.code_hash == code_hash)
    connection.execute(used.values(used_at=now, session_id=session_id))


def _names(scopes: Iterable[Scope]) -> list[str]:
    return [scope.value for scope in in_order(scopes)]
