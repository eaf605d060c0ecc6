"""The keys used lately, in this process: a look into the cache costs more than all the rest of a small request."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Self

from backend.src.services.accounts.principal import Principal, PrincipalKind, Scope

MOST_KEYS = 1_000


@dataclass(frozen=True, slots=True)
class KnownKey:
    """An active key, ready to be compared and let in."""

    id: int
    token_hash: str
    expires_at: datetime | None
    principal: Principal

    @classmethod
    def of(cls, record: Mapping[str, Any]) -> Self:
        """From what api_keys.find_by_hash found."""
        scopes = frozenset(Scope(scope) for scope in record["scopes"])
        principal = Principal(PrincipalKind.KEY, str(record["id"]), record["app_name"], scopes)
        return cls(record["id"], record["token_hash"], record["expires_at"], principal)


class KeyMemory:
    """Forgets everything at each revocation, and what was read before one but came after it is not kept."""

    def __init__(self) -> None:
        self._keys: dict[str, KnownKey] = {}
        self._moment = 0

    @property
    def moment(self) -> int:
        """To be taken before a key is read."""
        return self._moment

    def recall(self, token_hash: str) -> KnownKey | None:
        """The key, if it was used lately."""
        return self._keys.get(token_hash)

    def remember(self, token_hash: str, key: KnownKey, *, since: int) -> None:
        """Keeps a key that was read since this moment."""
        if since != self._moment:
            return
        if len(self._keys) >= MOST_KEYS:
            self._keys.clear()
        self._keys[token_hash] = key

    def forget(self) -> None:
        """A key was revoked."""
        self._moment += 1
        self._keys.clear()
