"""The keys of programs: made, checked, changed, rotated, revoked."""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import replace
from typing import TypeVar

from sqlalchemy import Connection

from backend.src.core.clock import Clock
from backend.src.core.errors import Invalid, Unauthenticated
from backend.src.core.supervisor import Supervisor
from backend.src.infra.sql import SQL, CacheKind
from backend.src.services.accounts import api_key_rows as rows
from backend.src.services.accounts import key_changes
from backend.src.services.accounts.address_ranges import parse_ranges, within
from backend.src.services.accounts.api_key_rows import ApiKey, KeyDraft
from backend.src.services.accounts.credential_memory import CredentialMemory
from backend.src.services.accounts.key_changes import KeyChange, Rotation
from backend.src.services.accounts.known_key import KnownKey
from backend.src.services.accounts.last_use import LastUse
from backend.src.services.accounts.principal import Principal, Scope
from backend.src.services.accounts.tokens import hash_of, looks_like_token, new_token, same_hash

log = logging.getLogger(__name__)

T = TypeVar("T")


class ApiKeys:
    """Every change is made by somebody (`by`), who can give, change and take only what they hold themselves."""

    def __init__(self, sql: SQL, clock: Clock, supervisor: Supervisor) -> None:
        self._sql = sql
        self._clock = clock
        self.last_use = LastUse[int](sql, supervisor, "keys", rows.note_used)
        self._memory = CredentialMemory[KnownKey](sql, rows.TABLES, clock)

    async def start(self) -> None:
        """Begins to note when keys are used."""
        await self.last_use.start()

    async def stop(self) -> None:
        """Writes the uses noted since the last time."""
        await self.last_use.stop()

    async def ping(self) -> None:
        """Nothing of its own can fail: SQL answers for itself."""

    async def create(self, draft: KeyDraft, *, by: Principal) -> tuple[ApiKey, str]:
        """A new key and its token, which nobody can ask for again.

        Raises Conflict for a name in use, Forbidden for more than one holds oneself, Invalid.
        """
        now, token = self._clock.now(), new_token()
        if not draft.scopes:
            raise Invalid("a key without scopes is good for nothing", remedy="name at least one scope")
        key_changes.refuse_expired(draft.expires_at, now)
        key_changes.refuse_beyond(by, draft.scopes)
        plain = replace(draft, addresses=tuple(str(network) for network in parse_ranges(draft.addresses)))

        def insert(connection: Connection) -> ApiKey:
            key_changes.refuse_beyond_own(connection, by, plain.expires_at, plain.addresses)
            person = key_changes.person_behind(connection, by)
            return rows.insert_key(connection, plain, token=token, created_by=by.name, created_by_id=person, now=now)

        return await self._change(insert), token

    async def authenticate(self, token: str, address: str = "") -> Principal:
        """The program whose key this is. Raises Unauthenticated; expiry and address are checked on every use."""
        token_hash = hash_of(token)
        key = await self._known_key(token_hash) if looks_like_token(token) else None
        if key is None or not same_hash(key.token_hash, token_hash):
            raise Unauthenticated("the API key is not known, or was revoked")
        now = self._clock.now()
        if key.expires_at is not None and key.expires_at <= now:
            raise Unauthenticated("the API key has expired", remedy="ask for a new one")
        if key.addresses and not within(address, key.addresses):
            log.warning("API key %d (%s) came from %s, where it may not be used", key.id, key.principal.name, address)
            raise Unauthenticated(f"the API key may not be used from {address or 'an unknown address'}")
        if key.replaces is not None:
            old, new = key.replaces, key.id
            await self._change(lambda connection: rows.end_replaced(connection, new, old, now))
        self.last_use.note(key.id, now)
        return key.principal

    async def keys(self, *, active_only: bool = False, created_by_id: int | None = None) -> list[ApiKey]:
        """Every key, or those of a person; oldest first."""
        return await self._sql.read(
            lambda connection: rows.list_keys(connection, active_only=active_only, created_by_id=created_by_id)
        )

    async def left_by(self, user_id: int, allowed: frozenset[Scope]) -> list[ApiKey]:
        """The keys of a person that are good for more than they are themselves allowed by now: they go on working."""
        now, made = self._clock.now(), await self.keys(active_only=True, created_by_id=user_id)
        return [key for key in made if key.good_at(now) and not allowed.issuperset(key.scopes)]

    async def get(self, key_id: int) -> ApiKey:
        """Raises NotFound."""
        return await self._sql.read(lambda connection: rows.get_key(connection, key_id))

    async def count(self, *, active_only: bool = False) -> int:
        """How many keys there are."""
        return await self._sql.read(lambda connection: rows.count_keys(connection, active_only=active_only))

    async def revoke(self, key_id: int, *, by: Principal, force: bool = False) -> ApiKey:
        """At once and for good.

        Raises NotFound, Forbidden, or Conflict: revoked; without force also one's own and the last administrator's.
        """
        now = self._clock.now()
        return await self._change(lambda connection: key_changes.revoke(connection, key_id, by, now, force=force))

    async def change(
        self, key_id: int, wanted: KeyChange, *, by: Principal, address: str = "", force: bool = False
    ) -> ApiKey:
        """`address` is where `by` asks from.

        Raises NotFound, Forbidden, Invalid, or Conflict: a name in use, a revoked key; without force also an expiry of
        the last administrator's, ranges that exclude one's own address.
        """
        now = self._clock.now()
        return await self._change(
            lambda connection: key_changes.change(connection, key_id, wanted, by, address, now, force=force)
        )

    async def rotate(
        self, key_id: int, rotation: Rotation, *, by: Principal, force: bool = False
    ) -> tuple[ApiKey, str]:
        """The key that takes its place, and its token.

        Raises NotFound, Forbidden, Invalid, or Conflict: revoked or rotated already; without force also the last
        administrator's without any overlap.
        """
        now, token = self._clock.now(), new_token()

        def rotate(connection: Connection) -> ApiKey:
            return key_changes.rotate(connection, key_id, rotation, by, token, now, force=force)

        return await self._change(rotate), token

    async def _change(self, work: Callable[[Connection], T]) -> T:
        return await self._sql.write(work, touches=rows.TABLES)

    async def _known_key(self, token_hash: str) -> KnownKey | None:
        return self._memory.recall(token_hash) or await self._memory.ask(token_hash, lambda: self._find_key(token_hash))

    async def _find_key(self, token_hash: str) -> KnownKey | None:
        record = await self._sql.cached(
            CacheKind.AUTHENTICATION,
            token_hash,
            rows.TABLES,
            lambda connection: rows.find_by_hash(connection, token_hash),
        )
        return None if record is None else KnownKey.of(record)
