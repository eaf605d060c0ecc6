"""What can go wrong with a provider."""

from __future__ import annotations

from backend.src.core.errors import Unauthenticated, Unavailable

AGAIN = "begin the login again"
AWAY = "try again later, or log in another way; administrators: run check"


class ProviderAway(Unavailable):
    """It does not answer, or not as OpenID Connect says."""

    def __init__(self, name: str, cause: str, *, remedy: str = AWAY) -> None:
        super().__init__(f"the identity provider {name} cannot be used: {cause}", remedy=remedy)


class ProviderRefused(Unauthenticated):
    """It refuses a code or a refresh token; `error` is its word for why (RFC 6749, 5.2)."""

    def __init__(self, name: str, error: str) -> None:
        super().__init__(f"the identity provider {name} refuses the login: {error}", remedy=AGAIN)
        self.error = error


class IdTokenRefused(Unauthenticated):
    """What it says of a person is not proven."""

    def __init__(self, name: str, why: str) -> None:
        super().__init__(f"the identity provider {name} did not prove who you are: {why}", remedy=AGAIN)
