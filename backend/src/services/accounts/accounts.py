"""Who is asking: API keys of programs, tokens of the local command line; people come here later."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Collection
from datetime import datetime

from sqlalchemy import Connection

from backend.src.config.settings import Secret
from backend.src.core.clock import Clock
from backend.src.core.errors import Conflict, Invalid, Unauthenticated
from backend.src.core.supervisor import Supervisor
from backend.src.infra.sql import SQL, CacheKind
from backend.src.services.accounts import api_keys
from backend.src.services.accounts.api_keys import ApiKey
from backend.src.services.accounts.credential_memory import CredentialMemory
from backend.src.services.accounts.known_key import KnownKey
from backend.src.services.accounts.local_token import read_local_token
from backend.src.services.accounts.principal import Principal, PrincipalKind, Scope
from backend.src.services.accounts.tokens import hash_of, looks_like_token, new_token, same_hash

log = logging.getLogger(__name__)

NOTE_USE_EVERY_S = 60.0
NOTE_USE = "accounts: last use of keys"


class Accounts:
    """Makes, checks and revokes what callers prove themselves with."""

    def __init__(self, sql: SQL, clock: Clock, supervisor: Supervisor, secret_key: Secret) -> None:
        self._sql = sql
        self._clock = clock
        self._supervisor = supervisor
        self._secret_key = secret_key
        self._used: dict[int, datetime] = {}
        self._memory = CredentialMemory[KnownKey](sql, api_keys.TABLES, clock)

    async def start(self) -> None:
        """Begins to note when keys are used."""
        self._supervisor.start_loop(NOTE_USE, self._note_use_for_ever)

    async def stop(self) -> None:
        """Writes the uses noted since the last time."""
        await self._supervisor.stop(NOTE_USE)
        await self.note_use_once()

    async def ping(self) -> None:
        """Nothing of its own can fail: SQL answers for itself."""

    async def create_key(
        self, app_name: str, scopes: Collection[Scope], expires_at: datetime | None = None
    ) -> tuple[ApiKey, str]:
        """A new key and its token, which nobody can ask for again. Raises Conflict for a name in use, Invalid."""
        now, token = self._clock.now(), new_token()
        if not scopes:
            raise Invalid("a key without scopes is good for nothing", remedy="name at least one scope")
        if expires_at is not None and expires_at <= now:
            raise Invalid("the key would have expired already")

        def insert(connection: Connection) -> ApiKey:
            return api_keys.insert_key(
                connection, app_name=app_name, scopes=scopes, token_hash=hash_of(token), expires_at=expires_at, now=now
            )

        return await self._sql.write(insert, touches=api_keys.TABLES), token

    async def authenticate(self, token: str, address: str = "") -> Principal:
        """The program whose key this is. Raises Unauthenticated; expiry is checked on every use."""
        token_hash = hash_of(token)
        key = await self._known_key(token_hash) if looks_like_token(token) else None
        if key is None or not same_hash(key.token_hash, token_hash):
            raise Unauthenticated("the API key is not known, or was revoked")
        now = self._clock.now()
        if key.expires_at is not None and key.expires_at <= now:
            raise Unauthenticated("the API key has expired", remedy="ask for a new one")
        self._used[key.id] = now
        return key.principal

    async def authenticate_bearer(self, token: str, address: str = "") -> Principal:
        """The operator whose local token this is. Raises Unauthenticated."""
        return read_local_token(self._secret_key, token, self._clock)

    async def keys(self, *, active_only: bool = False) -> list[ApiKey]:
        """Every key, oldest first."""
        return await self._sql.read(lambda connection: api_keys.list_keys(connection, active_only=active_only))

    async def count(self, *, active_only: bool = False) -> int:
        """How many keys there are."""
        return await self._sql.read(lambda connection: api_keys.count_keys(connection, active_only=active_only))

    async def delete_key(self, key_id: int, *, by: Principal, force: bool = False) -> ApiKey:
        """Revokes at once, for good. Raises NotFound, or Conflict: revoked already, or one's own and not forced."""
        if by.kind is PrincipalKind.KEY and by.id == str(key_id) and not force:
            raise Conflict("this is the key that you are using", remedy="add force=true if you mean it")
        now = self._clock.now()
        return await self._sql.write(
            lambda connection: api_keys.deactivate_key(connection, key_id, now), touches=api_keys.TABLES
        )

    async def note_use_once(self) -> None:
        """Writes when keys were last used, all in one transaction; the cached rows stay good."""
        used, self._used = self._used, {}
        if used:
            await self._sql.write(lambda connection: api_keys.note_used(connection, used))

    async def _note_use_for_ever(self) -> None:
        while True:
            await asyncio.sleep(NOTE_USE_EVERY_S)
            await self.note_use_once()

    async def _known_key(self, token_hash: str) -> KnownKey | None:
        return self._memory.recall(token_hash) or await self._memory.ask(token_hash, lambda: self._find_key(token_hash))

    async def _find_key(self, token_hash: str) -> KnownKey | None:
        record = await self._sql.cached(
            CacheKind.AUTHENTICATION,
            token_hash,
            api_keys.TABLES,
            lambda connection: api_keys.find_by_hash(connection, token_hash),
        )
        return None if record is None else KnownKey.of(record)
