"""Logins and what keeps them going (RFC 6749): a session for each, short access tokens, refresh tokens used once."""

from __future__ import annotations

import logging
import secrets
from contextlib import suppress
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import Connection, RowMapping

from backend.src.config.settings import AccountSettings
from backend.src.core.clock import Clock
from backend.src.core.errors import Unauthenticated
from backend.src.infra.sql import SQL
from backend.src.services.accounts import access_tokens, authorization_codes, refresh_tokens, session_rows
from backend.src.services.accounts.access_tokens import AccessToken, SigningKey
from backend.src.services.accounts.authorization_codes import CodeRequest
from backend.src.services.accounts.email_addresses import login_name
from backend.src.services.accounts.lockout import LockedOut, shown_hash
from backend.src.services.accounts.oauth_refusals import Fault, OAuthRefused
from backend.src.services.accounts.principal import Scope
from backend.src.services.accounts.refresh_tokens import Lifetimes, Rotation, Verdict
from backend.src.services.accounts.session_opening import Granted, Opening, Visit, granted_scopes, open_session
from backend.src.services.accounts.session_rows import Session, SessionNotFound
from backend.src.services.accounts.signing_keys import SigningKeys
from backend.src.services.accounts.token_pair import TokenPair
from backend.src.services.accounts.tokens import hash_of
from backend.src.services.accounts.user_rows import User
from backend.src.services.accounts.users import Users
from backend.src.services.audit import AuditEntry, audit_rows

log = logging.getLogger(__name__)


class OAuthAuthentication:
    """The grants: password, refresh_token, authorization_code."""

    def __init__(
        self,
        sql: SQL,
        users: Users,
        keys: SigningKeys,
        clock: Clock,
        settings: AccountSettings,
    ) -> None:
        self._sql = sql
        self._users = users
        self._keys = keys
        self._clock = clock
        self._lifetimes = Lifetimes(settings.refresh_token_s, settings.session_s)
        self._access_token_s = settings.access_token_s

    async def log_in(self, email: str, password: str, visit: Visit) -> TokenPair:
        """The password grant. Raises Unauthenticated, TooMany, OAuthRefused (invalid_scope)."""
        since = self._clock.now()
        user = await self._prove(email, password, visit)
        return await self.begin_session(user, "password", visit, since=since)

    async def begin_session(self, user: User, method: str, visit: Visit, *, since: datetime | None = None) -> TokenPair:
        """A session of somebody who has proved who they are, and began to at `since`, or just now.

        Raises Unauthenticated, OAuthRefused.
        """
        key, refresh = await self._keys.current(), refresh_tokens.new_refresh_token()
        now = self._clock.now()
        opening = Opening(secrets.token_hex(8), method, hash_of(refresh), now, since or now)
        session, granted = await self._sql.write(
            lambda connection: open_session(connection, user.id, opening, visit, self._lifetimes)
        )
        return self._pair(key, session, granted, refresh, now)

    async def refresh(self, token: str, visit: Visit) -> TokenPair:
        """New tokens for a refresh token, which is used up. Raises OAuthRefused (invalid_grant, invalid_scope).

        The second use of a token ends its session, but for an answer that was lost (refresh_tokens.py).
        """
        if not refresh_tokens.looks_like_refresh_token(token):
            raise _no_longer_good()
        key, now, successor = await self._keys.current(), self._clock.now(), refresh_tokens.new_refresh_token()

        def rotate(connection: Connection) -> tuple[Rotation, Granted]:
            rotation = refresh_tokens.rotate(connection, hash_of(token), hash_of(successor), now, self._lifetimes)
            if rotation.verdict is not Verdict.ROTATED:
                return rotation, ()
            return rotation, _granted_again(rotation, visit)  # raising, it takes the rotation back

        rotation, granted = await self._sql.write(rotate)
        if rotation.session is None:
            raise _no_longer_good()
        if rotation.verdict is Verdict.REUSED:
            await self._end_reused(rotation.session.id, "refresh token", visit)
            raise _no_longer_good()
        return self._pair(key, rotation.session, granted, successor, now)

    async def make_code(self, email: str, password: str, request: CodeRequest, visit: Visit) -> str:
        """A code for the client that sent this person here. Raises Unauthenticated, TooMany."""
        since = self._clock.now()
        user = await self._prove(email, password, visit)
        code = authorization_codes.new_code()
        await self._sql.write(
            lambda connection: authorization_codes.insert_code(connection, hash_of(code), user.id, request, since)
        )
        return code

    async def redeem_code(self, code: str, verifier: str, redirect_uri: str, visit: Visit) -> TokenPair:
        """The authorization code grant, with PKCE. Raises OAuthRefused (invalid_grant, invalid_scope)."""
        code_hash, key, refresh = hash_of(code), await self._keys.current(), refresh_tokens.new_refresh_token()
        now, session_id = self._clock.now(), secrets.token_hex(8)

        def redeem(connection: Connection) -> tuple[Session, Granted] | str | None:
            row = authorization_codes.lock_code(connection, code_hash)
            if row is not None and row["used_at"] is not None:
                return str(row["session_id"])
            if row is None or not _fits(row, visit.client_id, redirect_uri, verifier, now):
                return None
            authorization_codes.mark_used(connection, code_hash, session_id, now)
            opening = Opening(session_id, "code", hash_of(refresh), now, row["created_at"])
            asked = Visit(visit.client_id, visit.device, visit.address, _scopes_of(row["scopes"]))
            return open_session(connection, row["user_id"], opening, asked, self._lifetimes)

        begun = await self._sql.write(redeem)
        if isinstance(begun, str):
            await self._end_reused(begun, "authorization code", visit)
        if begun is None or isinstance(begun, str):
            raise OAuthRefused(Fault.INVALID_GRANT, "the code is not known, was used, has expired, or is another's")
        return self._pair(key, *begun, refresh, now)

    async def _prove(self, email: str, password: str, visit: Visit) -> User:
        try:
            return await self._users.authenticate(email, password)
        except LockedOut:
            raise  # noted when the lock began: whoever goes on would fill the table
        except Unauthenticated as error:
            # not what was typed: people type their password there
            detail = {"name": shown_hash(login_name(email)), "because": type(error).__name__}
            entry, now = AuditEntry("login.failed", detail=detail, address=visit.address), self._clock.now()
            await self._sql.write(lambda connection: audit_rows.insert_entry(connection, entry, now))
            raise

    def _pair(self, key: SigningKey, session: Session, granted: Granted, refresh: str, now: datetime) -> TokenPair:
        longest = session.created_at + timedelta(seconds=self._lifetimes.longest_s)
        issued = int(now.timestamp())
        expires = min(issued + int(self._access_token_s), int(longest.timestamp()))
        token = AccessToken(
            session.user_id, session.id, frozenset(granted), issued, expires, access_tokens.new_id(), session.client_id
        )
        return TokenPair(access_tokens.mint(key, token), refresh, expires - issued, granted, session.id)

    async def _end_reused(self, session_id: str, what: str, visit: Visit) -> None:
        now = self._clock.now()
        log.warning("a used %s was shown again: session %s ends", what, session_id)
        entry = AuditEntry("session.reuse", None, session_id, {"what": what}, visit.address)

        def end(connection: Connection) -> None:
            session_rows.revoke(connection, session_id, "reuse", now)
            audit_rows.insert_entry(connection, entry, now)

        with suppress(SessionNotFound):
            await self._sql.write(end, touches=session_rows.TABLES)


def _granted_again(rotation: Rotation, visit: Visit) -> Granted:
    session, holder = rotation.session, rotation.holder
    assert session is not None and holder is not None
    if session.client_id is not None and session.client_id != visit.client_id:
        raise OAuthRefused(Fault.INVALID_GRANT, "the refresh token is another client's")
    return granted_scopes(holder, session, visit.scopes)


def _fits(row: RowMapping, client_id: str | None, redirect_uri: str, verifier: str, now: datetime) -> bool:
    return (
        row["expires_at"] > now
        and row["client_id"] == client_id
        and row["redirect_uri"] == redirect_uri
        and authorization_codes.answers(row["code_challenge"], verifier)
    )


def _scopes_of(stored: Any) -> frozenset[Scope] | None:
    scopes = session_rows.scopes_of(stored)
    return None if scopes is None else frozenset(scopes)


def _no_longer_good() -> OAuthRefused:
    return OAuthRefused(Fault.INVALID_GRANT, "the refresh token is not good (any more)", remedy="log in again")
