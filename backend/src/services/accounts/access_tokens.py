"""Access tokens: JWT (RFC 7519) of a few minutes that name a person's session, signed by one of the server's keys.

The algorithm is pinned, so a token cannot choose its own; `kid` names the key (signing_keys.py). What its bearer may
do is not believed from the token alone: role and session are looked up (oauth_authentication.py).
"""

from __future__ import annotations

import re
import secrets
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

import jwt

from backend.src.core.errors import Unauthenticated
from backend.src.services.accounts.principal import Scope, in_order

ALGORITHM = "HS256"
ISSUER = "larder"
AUDIENCE = "larder"
CLOCK_SKEW_S = 5

_REQUIRED = ["iss", "aud", "sub", "sid", "jti", "iat", "exp", "scope"]
_person = re.compile(r"[0-9]{1,18}")
_opaque = re.compile(r"[0-9a-f]{16}")


@dataclass(frozen=True, slots=True)
class SigningKey:
    """A key and the name by which tokens refer to it."""

    kid: str
    secret: bytes = field(repr=False)


@dataclass(frozen=True, slots=True)
class AccessToken:
    """What a token says. Times are whole seconds since 1970."""

    user_id: int
    session_id: str
    scopes: frozenset[Scope]
    issued_at: int
    expires_at: int
    id: str
    client_id: str | None = None


def mint(key: SigningKey, token: AccessToken) -> str:
    """The signed text."""
    claims: dict[str, Any] = {
        "iss": ISSUER,
        "aud": AUDIENCE,
        "sub": str(token.user_id),
        "sid": token.session_id,
        "jti": token.id,
        "iat": token.issued_at,
        "exp": token.expires_at,
        "scope": " ".join(in_order(token.scopes)),
    }
    if token.client_id is not None:
        claims["client_id"] = token.client_id
    return jwt.encode(claims, key.secret, ALGORITHM, headers={"kid": key.kid})


def new_id() -> str:
    """For `jti`: tells two tokens of one second apart."""
    return secrets.token_hex(8)


def key_id_of(token: str) -> str | None:
    """Which key it says it was signed with; nothing is proven by that. None when it names none."""
    try:
        kid = jwt.get_unverified_header(token).get("kid")
    except (jwt.PyJWTError, ValueError, RecursionError):
        return None
    return kid if isinstance(kid, str) and _opaque.fullmatch(kid) else None


def read(token: str, key: SigningKey, now: datetime) -> AccessToken:
    """What it says, when this key signed it, for us, and it is in its time. Raises Unauthenticated."""
    claims = _verified(token, key)
    if not (_is(claims["sub"], _person) and _is(claims["sid"], _opaque) and _is(claims["jti"], _opaque)):
        raise Unauthenticated("the token is not valid")
    issued, expires, client = claims["iat"], claims["exp"], claims.get("client_id")
    if type(issued) is not int or type(expires) is not int:
        raise Unauthenticated("the token is not valid")
    if not issued - CLOCK_SKEW_S <= now.timestamp() < expires:
        raise Unauthenticated("the token has expired", remedy="refresh it, or log in again")
    scopes = _scopes(claims["scope"])
    return AccessToken(
        user_id=int(claims["sub"]),
        session_id=claims["sid"],
        scopes=scopes,
        issued_at=issued,
        expires_at=expires,
        id=claims["jti"],
        client_id=client if isinstance(client, str) else None,
    )


def _verified(token: str, key: SigningKey) -> dict[str, Any]:
    # times are checked by the caller, against the injected clock
    options: Any = {"require": _REQUIRED, "verify_exp": False, "verify_iat": False, "verify_nbf": False}
    try:
        return jwt.decode(token, key.secret, algorithms=[ALGORITHM], audience=AUDIENCE, issuer=ISSUER, options=options)
    except (jwt.PyJWTError, ValueError, RecursionError) as exc:
        # beyond PyJWTError: nested brackets break the JSON parser of some Python versions, not the check
        raise Unauthenticated("the token is not valid") from exc


def _is(claim: object, pattern: re.Pattern[str]) -> bool:
    return isinstance(claim, str) and pattern.fullmatch(claim) is not None


def _scopes(claim: object) -> frozenset[Scope]:
    named = claim.split() if isinstance(claim, str) else []
    # a scope that a newer version knows, and this one does not, grants nothing here
    return frozenset(scope for scope in Scope if scope.value in named)
