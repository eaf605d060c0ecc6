"""The credentials checked lately, in this process: a look into the cache costs more than the rest of a small request.

What is remembered was read at most LIFETIME_S ago, so a revocation in another process is known here soon after;
one in this process at once.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Generic, TypeVar

from backend.src.core.clock import Clock
from backend.src.infra.sql import SQL

T = TypeVar("T")

LIFETIME_S = 1.0
MOST = 10_000


class CredentialMemory(Generic[T]):
    """Values by the hash of a credential, read from `tables`; what is not there is not remembered."""

    def __init__(self, sql: SQL, tables: tuple[str, ...], clock: Clock) -> None:
        self._sql = sql
        self._tables = tables
        self._clock = clock
        self._known: dict[str, tuple[T, float, int]] = {}

    def recall(self, name: str) -> T | None:
        """The value, when it is as new as it has to be."""
        found = self._known.get(name)
        if found is None:
            return None
        value, read_at, written = found
        if self._clock.monotonic() - read_at < LIFETIME_S and written == self._sql.written(self._tables):
            return value
        return None

    async def ask(self, name: str, load: Callable[[], Awaitable[T | None]]) -> T | None:
        """Loads the value and remembers it. Raises what `load` raises."""
        # both before loading: whatever changes meanwhile may be missing in what is loaded
        read_at, written = self._clock.monotonic(), self._sql.written(self._tables)
        value = await load()
        if value is not None:
            if len(self._known) >= MOST:
                self._known.clear()
            self._known[name] = (value, read_at, written)
        return value
