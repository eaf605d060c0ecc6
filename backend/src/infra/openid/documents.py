"""A provider's metadata and keys, kept for an hour."""

from __future__ import annotations

import asyncio
from typing import Any

from joserfc.errors import JoseError
from joserfc.jwk import KeySet

from backend.src.core.clock import Clock
from backend.src.infra.openid.asking import Asking
from backend.src.infra.openid.metadata import Metadata, Unusable, well_known

KEPT_S = 3_600.0
NEW_KEYS_EVERY_S = 10.0  # at most: anybody can make up tokens of unknown keys


class Documents:
    """Asked when first needed, so that a provider that is away stops no start."""

    def __init__(self, issuer: str, asking: Asking, clock: Clock) -> None:
        self._issuer = issuer
        self._asking = asking
        self._clock = clock
        self._metadata: Metadata | None = None
        self._metadata_at = 0.0
        self._keys: KeySet | None = None
        self._keys_at = 0.0
        self._turn = asyncio.Lock()

    async def metadata(self) -> Metadata:
        """Raises ProviderAway."""
        async with self._turn:
            if self._metadata is None or self._age(self._metadata_at) > KEPT_S:
                document = await self._asking.get(well_known(self._issuer))
                self._metadata, self._metadata_at = self._parsed(document), self._clock.monotonic()
            return self._metadata

    async def keys(self, *, newer: bool = False) -> KeySet:
        """The keys that it signs with; newer: not those of before. Raises ProviderAway."""
        metadata = await self.metadata()
        async with self._turn:
            most_s = NEW_KEYS_EVERY_S if newer else KEPT_S
            if self._keys is None or self._age(self._keys_at) > most_s:
                document = await self._asking.get(metadata.jwks_uri)
                self._keys, self._keys_at = self._imported(document), self._clock.monotonic()
            return self._keys

    def _age(self, since: float) -> float:
        return self._clock.monotonic() - since

    def _parsed(self, document: dict[str, Any]) -> Metadata:
        try:
            return Metadata.parse(document, self._issuer)
        except Unusable as exc:
            raise self._asking.away(str(exc)) from exc

    def _imported(self, document: dict[str, Any]) -> KeySet:
        try:
            return KeySet.import_key_set(document)  # type: ignore[arg-type]
        except (JoseError, ValueError, TypeError, KeyError, AttributeError) as exc:
            raise self._asking.away(f"its keys cannot be read: {exc}") from exc
