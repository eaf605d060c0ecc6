"""What SQL asks of a cache; infra.cache's Redis does it. Any of it may raise Unavailable."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Protocol


class CacheKind(StrEnum):
    """A class of cached values; each has its own time to live."""

    QUERY = "query"
    SCHEMA = "schema"
    AUTHENTICATION = "authentication"


@dataclass(frozen=True, slots=True)
class Look:
    """One atomic look into the cache."""

    server: str  # which server, since when: another after a restart
    floors: Mapping[str, int]  # the newest generation written of each table; a table unknown to it is missing
    value: bytes | None


class RowCache(Protocol):
    """Values, and for each table the generation below which they are too old."""

    async def look(self, key: str, tables: Collection[str]) -> Look:
        """The value and the floors as of one moment."""

    async def keep(self, values: Mapping[str, bytes], floors: Mapping[str, int], *, ttl_s: float) -> str:
        """Raises each floor that lies lower, and sets the values, in one step. Returns which server did."""
