"""Tokens of the local command line, read: whoever can make one (core/local_token.py) is the operator.

The algorithm is pinned, so a token cannot choose its own, and the audience keeps it apart from the tokens of people.
"""

from __future__ import annotations

from typing import Any

import jwt

from backend.src.config.settings import Secret
from backend.src.core.clock import Clock
from backend.src.core.errors import Unauthenticated
from backend.src.core.local_token import ALGORITHM, AUDIENCE, ISSUER, LIFETIME_S
from backend.src.services.accounts.principal import Principal, PrincipalKind, Scope

CLOCK_SKEW_S = 5

_REQUIRED = ["iss", "aud", "sub", "iat", "exp"]


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
