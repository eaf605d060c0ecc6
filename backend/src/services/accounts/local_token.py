"""Tokens of the local command line: whoever can read the data folder's secret key is its operator.

A JWT (RFC 7519) of at most a minute, made for one request. The algorithm is pinned, so a token cannot choose
its own, and the audience keeps it apart from the tokens of people.
"""

from __future__ import annotations

import time
from typing import Any

import jwt

from backend.src.config.settings import Secret
from backend.src.core.clock import Clock
from backend.src.core.errors import Unauthenticated
from backend.src.services.accounts.principal import Principal, PrincipalKind, Scope

ALGORITHM = "HS256"
ISSUER = "larder"
AUDIENCE = "larder-local"
LIFETIME_S = 60
CLOCK_SKEW_S = 5
LONGEST_USER = 100

_REQUIRED = ["iss", "aud", "sub", "iat", "exp"]


def mint_local_token(secret_key: Secret, user: str) -> str:
    """A token for one request; `user` is whose name the log and the records show."""
    now = int(time.time())
    claims = {"iss": ISSUER, "aud": AUDIENCE, "sub": user[:LONGEST_USER], "iat": now, "exp": now + LIFETIME_S}
    return jwt.encode(claims, secret_key.reveal(), ALGORITHM)


def read_local_token(secret_key: Secret, token: str, clock: Clock) -> Principal:
    """The operator, with every scope. Raises Unauthenticated for anything but a fresh token of our own."""
    claims = _claims(secret_key, token)
    now = clock.now().timestamp()
    issued, expires = claims["iat"], claims["exp"]
    if not isinstance(issued, int) or not isinstance(expires, int) or expires - issued > LIFETIME_S:
        raise Unauthenticated("the token lives longer than a local one may")
    if not issued - CLOCK_SKEW_S <= now < expires:
        raise Unauthenticated("the token has expired", remedy="make a new one; check that the clock is right")
    name = str(claims["sub"])
    return Principal(PrincipalKind.LOCAL, name, name, frozenset(Scope))


def _claims(secret_key: Secret, token: str) -> dict[str, Any]:
    # times are checked by the caller, against the injected clock
    options: Any = {"require": _REQUIRED, "verify_exp": False, "verify_iat": False, "verify_nbf": False}
    try:
        return jwt.decode(
            token, secret_key.reveal(), algorithms=[ALGORITHM], audience=AUDIENCE, issuer=ISSUER, options=options
        )
    except (jwt.PyJWTError, ValueError, RecursionError) as exc:
        # beyond PyJWTError: nested brackets break the JSON parser of some Python versions, not the check
        raise Unauthenticated("the token is not valid") from exc
