"""Logging in with an external identity provider."""

from backend.src.services.providers.identity_rows import Identity
from backend.src.services.providers.providers import LoginStarted, Provider, ProviderOptions, Providers
from backend.src.services.providers.return_address import SentBack
from backend.src.services.providers.visit import Answer, Wish

__all__ = ["Answer", "Identity", "LoginStarted", "Provider", "ProviderOptions", "Providers", "SentBack", "Wish"]
