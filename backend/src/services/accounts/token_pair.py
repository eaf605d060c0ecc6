"""What a login gives."""

from __future__ import annotations

from dataclasses import dataclass, field

from backend.src.services.accounts.principal import Scope


@dataclass(frozen=True, slots=True)
class TokenPair:
    """An access token and what renews it; nobody can ask for them again."""

    access_token: str = field(repr=False)
    refresh_token: str = field(repr=False)
    expires_in_s: int
    scopes: tuple[Scope, ...]
    session_id: str
