"""The tokens that a provider gives for a person."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, Self

import orjson

ASSUMED_LIFETIME_S = 3_600  # when the provider does not say (RFC 6749, 5.1)
LONGEST_LIFETIME_S = 31_536_000


@dataclass(frozen=True, slots=True, repr=False)
class ProviderTokens:
    """Secrets, so it shows none of them. Kept only with a refresh token: nothing else could be renewed."""

    access_token: str
    refresh_token: str | None
    expires_at: datetime

    @classmethod
    def of(cls, answer: Mapping[str, Any], now: datetime, *, refreshed: str | None = None) -> Self:
        """From a token endpoint's answer; `refreshed` stays good when it brings no successor. Raises ValueError."""
        access, refresh, lifetime = answer.get("access_token"), answer.get("refresh_token"), answer.get("expires_in")
        if not isinstance(access, str) or not access:
            raise ValueError("there is no access token in its answer")
        known = isinstance(lifetime, int | float) and 0 < lifetime <= LONGEST_LIFETIME_S
        seconds = float(lifetime) if known and lifetime is not None else ASSUMED_LIFETIME_S
        return cls(access, refresh if isinstance(refresh, str) else refreshed, now + timedelta(seconds=seconds))

    def pack(self) -> bytes:
        """To be sealed."""
        return orjson.dumps({**asdict(self), "expires_at": self.expires_at.timestamp()})

    @classmethod
    def unpack(cls, packed: bytes) -> Self:
        """What pack made."""
        values = orjson.loads(packed)
        return cls(**{**values, "expires_at": datetime.fromtimestamp(values["expires_at"], UTC)})
