"""What a token is and was (RFC 7662), and the end of it (RFC 7009): refresh tokens and access tokens alike."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection

from backend.src.core.clock import Clock
from backend.src.core.errors import Unauthenticated
from backend.src.infra.sql import SQL
from backend.src.services.accounts import access_tokens, refresh_tokens, session_rows
from backend.src.services.accounts.bearer_check import BearerCheck
from backend.src.services.accounts.principal import Scope, in_order
from backend.src.services.accounts.session_opening import actor_of
from backend.src.services.accounts.session_rows import SessionNotFound
from backend.src.services.accounts.tokens import hash_of
from backend.src.services.audit import AuditEntry, audit_rows


@dataclass(frozen=True, slots=True)
class TokenState:
    """An active token. Times are whole seconds since 1970."""

    kind: str  # access_token or refresh_token
    user_id: int
    session_id: str
    expires_at: int
    username: str
    scopes: tuple[Scope, ...]
    client_id: str | None = None
    issued_at: int | None = None
    id: str | None = None


class TokenInspection:
    """Asks the database each time: nothing here is in the path of a request."""

    def __init__(self, sql: SQL, bearer: BearerCheck, clock: Clock) -> None:
        self._sql = sql
        self._bearer = bearer
        self._clock = clock

    async def revoke(self, token: str, address: str | None = None) -> None:
        """Ends the session that the token belongs to; nothing happens for any other text. Raises Unavailable."""
        session_id, now = await self._session_of(token), self._clock.now()
        if session_id is None:
            return

        def end(connection: Connection) -> None:
            holder = session_rows.find_holder(connection, session_id)
            if holder is None:
                raise SessionNotFound(session_id)
            session_rows.revoke(connection, session_id, "logout", now)
            entry = AuditEntry("session.revoke", actor_of(holder), session_id, address=address)
            audit_rows.insert_entry(connection, entry, now)

        with suppress(SessionNotFound):
            await self._sql.write(end, touches=session_rows.TABLES)

    async def state(self, token: str) -> TokenState | None:
        """None for a token that is not good (any more). Raises Unavailable."""
        if refresh_tokens.looks_like_refresh_token(token):
            return await self._sql.read(lambda connection: self._refresh_state(connection, hash_of(token)))
        try:
            said = await self._bearer.read(token)
        except Unauthenticated:
            return None
        holder = await self._sql.read(lambda connection: session_rows.find_holder(connection, said.session_id))
        if holder is None or holder["id"] != said.user_id:
            return None
        return TokenState(
            "access_token",
            said.user_id,
            said.session_id,
            said.expires_at,
            holder["email"],
            in_order(said.scopes & session_rows.allowed_scopes(holder)),
            said.client_id,
            said.issued_at,
            said.id,
        )

    async def _session_of(self, token: str) -> str | None:
        if refresh_tokens.looks_like_refresh_token(token):
            family = await self._sql.read(lambda connection: refresh_tokens.find_family(connection, hash_of(token)))
            return None if family is None else str(family["session_id"])
        if access_tokens.key_id_of(token) is None:
            return None
        try:
            return (await self._bearer.read(token)).session_id
        except Unauthenticated:
            return None

    def _refresh_state(self, connection: Connection, token_hash: str) -> TokenState | None:
        family: Any = refresh_tokens.find_family(connection, token_hash)
        if family is None or family["used_at"] is not None or family["expires_at"] <= self._clock.now():
            return None
        holder = session_rows.find_holder(connection, family["session_id"])
        if holder is None:
            return None
        return TokenState(
            "refresh_token",
            holder["id"],
            family["session_id"],
            int(family["expires_at"].timestamp()),
            holder["email"],
            in_order(session_rows.allowed_scopes(holder)),
        )
