"""Who bears an access token: signature and times from the token, role and session from the database.

Asked with every request, so what was found is remembered for a second (credential_memory.py).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from backend.src.core.clock import Clock
from backend.src.core.errors import Unauthenticated
from backend.src.infra.sql import SQL, CacheKind
from backend.src.services.accounts import access_tokens, session_rows, signing_keys
from backend.src.services.accounts.access_tokens import AccessToken
from backend.src.services.accounts.credential_memory import CredentialMemory
from backend.src.services.accounts.principal import Principal, PrincipalKind, Scope
from backend.src.services.accounts.sessions import Sessions
from backend.src.services.accounts.signing_keys import SigningKeys
from backend.src.services.accounts.tokens import hash_of


@dataclass(frozen=True, slots=True)
class KnownToken:
    """A token that was good when it was looked at."""

    principal: Principal
    session_id: str
    expires_at: int


class BearerCheck:
    """Turns access tokens into principals."""

    def __init__(self, sql: SQL, keys: SigningKeys, sessions: Sessions, clock: Clock) -> None:
        self._sql = sql
        self._keys = keys
        self._sessions = sessions
        self._clock = clock
        self._memory = CredentialMemory[KnownToken](sql, (*session_rows.CHECKED, *signing_keys.TABLES), clock)

    def recall(self, token: str) -> Principal | None:
        """The person, when the token was checked within the last second: nothing but a hash and a look."""
        known = self._memory.recall(hash_of(token))
        return None if known is None else self._used(known)

    async def authenticate(self, token: str) -> Principal:
        """The person. Raises Unauthenticated for anything but a token of a session that goes on; Unavailable."""
        principal = self.recall(token)
        if principal is not None:
            return principal
        known = await self._memory.ask(hash_of(token), lambda: self._look_up(token))
        assert known is not None  # it raises instead
        return self._used(known)

    async def still_holds(self, principal: Principal) -> Principal:
        """The person as they are now, for who stays longer than a token. Raises Unauthenticated, Unavailable."""
        session_id = principal.session
        if session_id is None:
            return principal
        holder, now = await self._holder(session_id), self._clock.now()
        if holder["expires_at"] <= now:  # a refresh moves it on, and leaves what is cached
            row = await self._sql.read(lambda connection: session_rows.find_holder(connection, session_id))
            if row is None or row["expires_at"] <= now:
                raise _ended()
            holder = row
        return _principal(session_id, holder, frozenset(Scope))

    async def read(self, token: str) -> AccessToken:
        """What a token says, if one of our keys signed it. Raises Unauthenticated, Unavailable."""
        kid = access_tokens.key_id_of(token)
        key = None if kid is None else await self._keys.find(kid)
        if key is None:
            raise Unauthenticated("the token is not valid")
        return access_tokens.read(token, key, self._clock.now())

    def _used(self, known: KnownToken) -> Principal:
        now = self._clock.now()
        if now.timestamp() >= known.expires_at:
            raise Unauthenticated("the token has expired", remedy="refresh it, or log in again")
        self._sessions.last_use.note(known.session_id, now)
        return known.principal

    async def _look_up(self, token: str) -> KnownToken:
        said = await self.read(token)
        principal = _principal(said.session_id, await self._holder(said.session_id), said.scopes)
        if principal.id != str(said.user_id):
            raise Unauthenticated("the token is not valid")
        return KnownToken(principal, said.session_id, said.expires_at)

    async def _holder(self, session_id: str) -> Mapping[str, Any]:
        holder = await self._sql.cached(
            CacheKind.AUTHENTICATION,
            f"session:{session_id}",
            session_rows.CHECKED,
            lambda connection: session_rows.find_holder(connection, session_id),
        )
        if holder is None:
            raise _ended()
        return holder


def _principal(session_id: str, holder: Mapping[str, Any], scopes: frozenset[Scope]) -> Principal:
    allowed = session_rows.allowed_scopes(holder) & scopes
    return Principal(PrincipalKind.USER, str(holder["id"]), holder["name"], allowed, session_id)


def _ended() -> Unauthenticated:
    return Unauthenticated("the session has ended", remedy="log in again")
