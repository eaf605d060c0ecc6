"""What a browser brings along: its wish at the beginning, the provider's answer at the end."""

from __future__ import annotations

from dataclasses import dataclass

from backend.src.services.accounts.principal import Scope


@dataclass(frozen=True, slots=True)
class Wish:
    """How a login shall end: with tokens, or, with return_to, there with a code for whoever has the verifier.

    state: given back to return_to as it came, for the page's own use.
    """

    return_to: str | None = None
    code_challenge: str | None = None
    state: str | None = None
    scopes: frozenset[Scope] | None = None


@dataclass(frozen=True, slots=True, repr=False)
class Answer:
    """With what the provider sent the browser back, and the cookie that the browser got at the beginning."""

    state: str
    browser: str | None
    code: str | None = None
    error: str | None = None
    issuer: str | None = None
    device: str | None = None
    address: str | None = None
