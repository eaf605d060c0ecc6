"""How the local command line says who it is: whoever can read the data folder's secret key is its operator.

A JWT (RFC 7519) of at most a minute, made for one request; services/accounts/local_token.py reads it. It is made
down here because a command loads nothing else of the services: that would be most of its time.
"""

from __future__ import annotations

import time

import jwt

from backend.src.config.settings import Secret

ALGORITHM = "HS256"
ISSUER = "larder"
AUDIENCE = "larder-local"
LIFETIME_S = 60
LONGEST_USER = 100


def mint_local_token(secret_key: Secret, user: str) -> str:
    """A token for one request; `user` is whose name the log and the records show."""
    now = int(time.time())
    claims = {"iss": ISSUER, "aud": AUDIENCE, "sub": user[:LONGEST_USER], "iat": now, "exp": now + LIFETIME_S}
    return jwt.encode(claims, secret_key.reveal(), ALGORITHM)
