"""What a provider says of a person, and the proof of it: the ID token (OpenID Connect Core 1.0, 2 and 3.1.3.7)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any, Self

from authlib.oidc.core import CodeIDToken
from joserfc import jwt
from joserfc.errors import InvalidKeyIdError, JoseError
from joserfc.jwk import KeySet
from joserfc.jws import JWSRegistry

# signatures by the provider's own key alone: never `none`, and no HS*, whose key this server holds too
ALGORITHMS = ("RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512", "EdDSA", "Ed25519")
CLOCK_SKEW_S = 60
LONGEST_TEXT = 255

# header fields of a provider's own are not ours to judge; `crit` is checked all the same
_registry = JWSRegistry(algorithms=list(ALGORITHMS), strict_check_header=False)


class NotProven(Exception):
    """The token is none that this provider made for this login."""


class UnknownKey(NotProven):
    """It is signed by a key that is not known, or not yet."""


@dataclass(frozen=True, slots=True)
class Expected:
    """What an ID token has to fit."""

    issuer: str
    client_id: str
    nonce: str
    access_token: str
    now: datetime


@dataclass(frozen=True, slots=True)
class Claims:
    """A person as the provider knows them. `subject` is theirs for good; an address may change, and change hands."""

    subject: str
    email: str | None
    email_verified: bool
    name: str | None

    @classmethod
    def of(cls, claims: Mapping[str, Any]) -> Self:
        """From verified claims. Raises NotProven without a usable subject."""
        subject, verified = claims.get("sub"), claims.get("email_verified")
        if not _is_text(subject):
            raise NotProven("it names no subject")
        return cls(
            subject=str(subject),
            email=_text(claims, "email"),
            email_verified=verified is True or verified == "true",  # a text at some providers
            name=_text(claims, "name") or _text(claims, "preferred_username"),
        )

    def completed(self, more: Mapping[str, Any]) -> Claims:
        """With what the userinfo endpoint says. Raises NotProven when it speaks of somebody else (Core, 5.3.2)."""
        other = Claims.of(more)
        if other.subject != self.subject:
            raise NotProven("its userinfo is of somebody else")
        if self.email is not None:
            other = replace(other, email=self.email, email_verified=self.email_verified)
        return replace(other, name=self.name or other.name)


def read_id_token(token: str, keys: KeySet, expected: Expected) -> Claims:
    """Raises NotProven, UnknownKey."""
    try:
        decoded = jwt.decode(token, keys, registry=_registry)
        options: Any = {
            "iss": {"essential": True, "value": expected.issuer},
            "aud": {"essential": True, "value": expected.client_id},
        }
        asked = {
            "nonce": expected.nonce,
            "client_id": expected.client_id,
            "access_token": expected.access_token,
        }
        verified = CodeIDToken(decoded.claims, decoded.header, options, asked)
        verified.validate(now=int(expected.now.timestamp()), leeway=CLOCK_SKEW_S)
    except InvalidKeyIdError as exc:
        raise UnknownKey(str(exc)[:LONGEST_TEXT]) from exc
    except (JoseError, ValueError, TypeError, RecursionError) as exc:
        # beyond JoseError: parsers further down say so in their own words
        raise NotProven(str(exc)[:LONGEST_TEXT]) from exc
    return Claims.of(verified)


def _text(claims: Mapping[str, Any], key: str) -> str | None:
    value = claims.get(key)
    return str(value) if _is_text(value) else None


def _is_text(value: object) -> bool:
    return isinstance(value, str) and 0 < len(value) <= LONGEST_TEXT and value.isprintable()
