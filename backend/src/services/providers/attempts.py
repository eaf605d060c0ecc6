"""Logins under way: each is finished once, within ten minutes, by the browser that began it."""

from __future__ import annotations

import hmac
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from datetime import datetime, timedelta
from typing import Any, Self

import orjson
from sqlalchemy import Connection, RowMapping, delete, insert, select

from backend.src.core.clock import Clock
from backend.src.core.seal import Seal
from backend.src.infra.openid import Asked
from backend.src.infra.sql import SQL
from backend.src.infra.sql.tables import login_attempts
from backend.src.services.accounts.principal import Scope
from backend.src.services.accounts.tokens import hash_of
from backend.src.services.providers.errors import AttemptUnknown
from backend.src.services.providers.visit import Wish

LIFETIME_S = 600.0


@dataclass(frozen=True, slots=True, repr=False)
class Attempt:
    """What the end of a login needs of its beginning. browser_hash: of the cookie."""

    provider: str
    asked: Asked
    browser_hash: str
    wish: Wish

    def pack(self) -> bytes:
        """To be sealed."""
        return orjson.dumps(asdict(self), default=sorted)

    @classmethod
    def unpack(cls, packed: bytes) -> Self:
        """What pack made."""
        values = orjson.loads(packed)
        wish = values["wish"]
        scopes = None if wish["scopes"] is None else frozenset(map(Scope, wish["scopes"]))
        return cls(
            values["provider"], Asked(**values["asked"]), values["browser_hash"], Wish(**{**wish, "scopes": scopes})
        )


class Attempts:
    """Keeps them in SQL, sealed: any process may finish what another began."""

    def __init__(self, sql: SQL, seal: Seal, clock: Clock) -> None:
        self._sql = sql
        self._seal = seal
        self._clock = clock

    async def keep(self, attempt: Attempt) -> None:
        """Until it is taken, or too old."""
        now, sealed = self._clock.now(), self._seal.seal(attempt.pack()).decode()
        row = {
            "state_hash": hash_of(attempt.asked.state),
            "provider": attempt.provider,
            "data": sealed,
            "created_at": now,
            "expires_at": now + timedelta(seconds=LIFETIME_S),
        }
        await self._sql.write(lambda connection: _insert(connection, row))

    async def take(self, provider: str, state: str, browser: str | None) -> Attempt:
        """The attempt, for good: it is gone even when it is refused. Raises AttemptUnknown."""
        now, state_hash = self._clock.now(), hash_of(state)
        row = await self._sql.write(lambda connection: _take(connection, state_hash))
        if row is None or not _in_time(row, now):
            raise AttemptUnknown
        attempt = Attempt.unpack(self._seal.open(row["data"].encode()))
        same_browser = hmac.compare_digest(attempt.browser_hash, hash_of(browser or ""))
        if not same_browser or attempt.provider != provider:
            raise AttemptUnknown
        return attempt


def _insert(connection: Connection, row: Mapping[str, Any]) -> None:
    connection.execute(insert(login_attempts).values(row))


def _in_time(row: RowMapping, now: datetime) -> bool:
    return bool(now < row["expires_at"])


def _take(connection: Connection, state_hash: str) -> RowMapping | None:
    mine = login_attempts.c.state_hash == state_hash
    row = connection.execute(select(login_attempts).where(mine)).mappings().first()
    # of two at once, one removes it
    removed = connection.execute(delete(login_attempts).where(mine)).rowcount
    return row if removed else None
