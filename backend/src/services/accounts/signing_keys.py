"""The keys that sign access tokens: made by the server, sealed at rest, replaced by and by.

A key that was replaced signs no more. What it signed is good until it expires, and the key goes after that.
"""

from __future__ import annotations

import logging
import secrets
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import Connection, delete, insert, select, update

from backend.src.config.settings import AccountSettings
from backend.src.core.clock import Clock
from backend.src.core.errors import Unavailable
from backend.src.core.seal import Seal
from backend.src.infra.sql import SQL, CacheKind
from backend.src.infra.sql.tables import signing_keys
from backend.src.services.accounts.access_tokens import SigningKey
from backend.src.services.accounts.credential_memory import CredentialMemory

log = logging.getLogger(__name__)

TABLES = ("signing_keys",)
SECRET_BYTES = 32
# another process may sign with the old key until it hears of the new one, and clocks differ
KEEP_MARGIN_S = 60.0
ALL = "signing keys"


@dataclass(frozen=True, slots=True)
class KeyRing:
    """The keys that this server can open; `newest` is the one that signs."""

    keys: dict[str, SigningKey]
    newest: SigningKey | None


class SigningKeys:
    """Finds the key that signs and those that signed."""

    def __init__(self, sql: SQL, clock: Clock, seal: Seal, settings: AccountSettings) -> None:
        self._sql = sql
        self._clock = clock
        self._seal = seal
        self._settings = settings
        self._memory = CredentialMemory[KeyRing](sql, TABLES, clock)
        self._opened: dict[tuple[str, str], SigningKey | None] = {}

    async def current(self) -> SigningKey:
        """The key to sign with; the first is made when it is asked for. Raises Unavailable (database)."""
        newest = (await self._ring()).newest
        if newest is None:
            await self._sql.write(lambda connection: self._make_first(connection, self._clock.now()), touches=TABLES)
            newest = (await self._ring()).newest
        assert newest is not None
        return newest

    async def find(self, kid: str) -> SigningKey | None:
        """The key of this name, if it may still have signed something. Raises Unavailable."""
        remembered = (await self._ring()).keys.get(kid)
        if remembered is not None:
            return remembered
        loaded = await self._memory.ask(ALL, self._load)  # another process may just have made it
        return None if loaded is None else loaded.keys.get(kid)

    async def rotate_if_due(self) -> bool:
        """Makes a new key when the newest has signed long enough, True if it did; removes those that no token needs.

        Raises Unavailable.
        """
        now = self._clock.now()
        due, expired = await self._sql.read(
            lambda connection: (self._is_due(connection, now), self._expired(connection, now))
        )
        if not due and not expired:
            return False
        return await self._sql.write(lambda connection: self._rotate(connection, now), touches=TABLES)

    async def _ring(self) -> KeyRing:
        ring = self._memory.recall(ALL) or await self._memory.ask(ALL, self._load)
        assert ring is not None
        return ring

    async def _load(self) -> KeyRing:
        rows = await self._sql.cached(CacheKind.AUTHENTICATION, ALL, TABLES, _all_rows)
        opened = [(row, self._open(row)) for row in rows]
        signing = [key for row, key in opened if key is not None and row["retired_at"] is None]
        return KeyRing({key.kid: key for _, key in opened if key is not None}, signing[-1] if signing else None)

    def _open(self, row: dict[str, Any]) -> SigningKey | None:
        """None for a key sealed under another SECRET_KEY: it is no reason to let nobody in any more."""
        name = (row["kid"], row["secret"])
        if name not in self._opened:
            try:
                self._opened[name] = SigningKey(row["kid"], self._seal.open(row["secret"].encode()))
            except Unavailable as error:
                log.error("signing key %s: %s; its access tokens are refused", row["kid"], error.message)
                self._opened[name] = None
        return self._opened[name]

    # -- inside transactions ----------------------------------------------------------------------------------

    def _ours(self, connection: Connection) -> list[dict[str, Any]]:
        """Those that sign and that this server can open, oldest first."""
        return [row for row in _all_rows(connection) if row["retired_at"] is None and self._open(row) is not None]

    def _make_first(self, connection: Connection, now: datetime) -> None:
        if not self._ours(connection):  # else another process was first
            self._insert(connection, now)

    def _is_due(self, connection: Connection, now: datetime) -> bool:
        ours = self._ours(connection)
        return bool(ours) and ours[-1]["created_at"] <= now - timedelta(seconds=self._settings.signing_key_s)

    def _expired(self, connection: Connection, now: datetime) -> list[str]:
        """Replaced so long ago that all they signed has expired."""
        before = now - timedelta(seconds=self._settings.access_token_s + KEEP_MARGIN_S)
        return list(connection.scalars(select(signing_keys.c.kid).where(signing_keys.c.retired_at < before)))

    def _rotate(self, connection: Connection, now: datetime) -> bool:
        expired = self._expired(connection, now)
        connection.execute(delete(signing_keys).where(signing_keys.c.kid.in_(expired)))
        if not self._is_due(connection, now):  # another process may have been first
            return False
        replaced = [row["kid"] for row in self._ours(connection)]
        connection.execute(update(signing_keys).where(signing_keys.c.kid.in_(replaced)).values(retired_at=now))
        self._insert(connection, now)
        return True

    def _insert(self, connection: Connection, now: datetime) -> None:
        sealed = self._seal.seal(secrets.token_bytes(SECRET_BYTES)).decode("ascii")
        connection.execute(insert(signing_keys).values(kid=secrets.token_hex(8), secret=sealed, created_at=now))


def _all_rows(connection: Connection) -> list[dict[str, Any]]:
    query = select(signing_keys).order_by(signing_keys.c.created_at, signing_keys.c.kid)
    return [dict(row) for row in connection.execute(query).mappings()]
