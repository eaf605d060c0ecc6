"""OpenID Connect providers, as far as a program that sends people to them needs them."""

from backend.src.infra.openid.claims import Claims
from backend.src.infra.openid.client import Asked, OpenIdClient
from backend.src.infra.openid.errors import IdTokenRefused, ProviderAway, ProviderRefused
from backend.src.infra.openid.tokens import ProviderTokens

__all__ = [
    "Asked",
    "Claims",
    "IdTokenRefused",
    "OpenIdClient",
    "ProviderAway",
    "ProviderRefused",
    "ProviderTokens",
]
