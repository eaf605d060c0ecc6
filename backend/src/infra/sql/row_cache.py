"""What SQL asks of a cache; infra.cache's Redis does it. Either may raise Unavailable."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from enum import StrEnum
from typing import Protocol


class CacheKind(StrEnum):
    """A class of cached values; each has its own time to live.

    SCHEMA is what the catalogue is arranged by (tag groups, tags, devices): asked for by every page, seldom changed.
    """

    QUERY = "query"
    SCHEMA = "schema"
    AUTHENTICATION = "authentication"


class Look(Protocol):
    """One atomic look into the cache."""

    @property
    def server(self) -> str:
        """The server that answered or a newer one; a restart makes another of it."""

    @property
    def floors(self) -> Mapping[str, int]:
        """The newest generation of each table asked for; a table that it does not know is missing."""

    @property
    def value(self) -> bytes | None:
        """None when it is not there."""


class RowCache(Protocol):
    """Values, and for each table the generation below which values are too old."""

    @property
    def server(self) -> str:
        """The newest server known; never one newer than is running."""

    async def look(self, key: str, tables: Collection[str]) -> Look:
        """The value and the floors as of one moment."""

    async def keep(self, values: Mapping[str, tuple[bytes, float]], floors: Mapping[str, int]) -> None:
        """Raises each floor that lies lower and sets the values (each with its seconds to live), in one step."""
