"""An API key as authentication needs it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Self

from backend.src.services.accounts.address_ranges import Network, parse_ranges
from backend.src.services.accounts.principal import Principal, PrincipalKind, Scope


@dataclass(frozen=True, slots=True)
class KnownKey:
    """An active key, ready to be compared and let in."""

    id: int
    token_hash: str
    expires_at: datetime | None
    principal: Principal
    addresses: tuple[Network, ...] = ()
    replaces: int | None = None

    @classmethod
    def of(cls, record: Mapping[str, Any]) -> Self:
        """From what api_key_rows.find_by_hash found."""
        scopes = frozenset(Scope(scope) for scope in record["scopes"])
        principal = Principal(PrincipalKind.KEY, str(record["id"]), record["app_name"], scopes)
        ranges = parse_ranges(record["addresses"] or ())
        return cls(record["id"], record["token_hash"], record["expires_at"], principal, ranges, record["replaces"])
