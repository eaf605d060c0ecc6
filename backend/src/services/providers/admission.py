"""Whom a provider's word lets in.

An identity that is known is its person. One that is not is linked to the account of its address, when the provider
says that the address is verified; and without such an account it becomes one, as far as registration allows.
"""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import Connection

from backend.src.core.clock import Clock
from backend.src.core.errors import Invalid
from backend.src.core.seal import Seal
from backend.src.infra.openid import Claims, ProviderTokens
from backend.src.infra.sql import SQL
from backend.src.services.accounts import codes, user_rows
from backend.src.services.accounts.account_mail import AccountMail
from backend.src.services.accounts.email_addresses import normalised_address
from backend.src.services.accounts.principal import Principal, PrincipalKind, Role
from backend.src.services.accounts.registrations import CLOSED, OPEN
from backend.src.services.accounts.user_rows import User
from backend.src.services.audit import AuditEntry, audit_rows
from backend.src.services.providers import identity_rows
from backend.src.services.providers.errors import NotAdmitted
from backend.src.services.providers.identity_rows import KeptTokens


class Admission:
    """Decides in the transaction that links: two first logins at once make one account."""

    def __init__(self, sql: SQL, mail: AccountMail, seal: Seal, clock: Clock, registration: str) -> None:
        self._sql = sql
        self._mail = mail
        self._seal = seal
        self._clock = clock
        self._registration = registration

    async def admit(self, provider: str, claims: Claims, tokens: ProviderTokens, address: str | None) -> User:
        """The person. Raises NotAdmitted with what they can do about it."""
        now, kept = self._clock.now(), sealed_tokens(self._seal, tokens)

        def known(connection: Connection) -> User | None:
            user = identity_rows.find_holder(connection, provider, claims.subject)
            if user is not None:
                _let_in(connection, user, provider, claims, kept, now)
            return user

        def first(connection: Connection) -> User:
            user = identity_rows.find_holder(connection, provider, claims.subject)
            if user is None:
                user = self._by_address(connection, provider, claims, now)
                link = identity_rows.insert_identity(connection, user.id, provider, claims, kept, now)
                _note(connection, "identity.link", user, str(link), provider, address, now)
            _let_in(connection, user, provider, claims, kept, now)
            return user

        user = await self._sql.write(known)
        if user is None:  # only a first login touches: it costs every other person's cached authentication
            user = await self._sql.write(first, touches=user_rows.TABLES)
            self._mail.wake()
        return user

    def _by_address(self, connection: Connection, provider: str, claims: Claims, now: datetime) -> User:
        email = _proven_address(claims, provider)
        user = user_rows.find_user(connection, email)
        if user is None:
            return self._new(connection, provider, email, claims, now)
        if identity_rows.has_identity(connection, user.id, provider):
            # addresses are given to other people when somebody leaves; subjects are not
            raise NotAdmitted(
                f"the account of {email} belongs to somebody else at {provider}",
                remedy="its owner can remove that identity from the account",
            )
        self._mail.put(connection, self._mail.letters.provider_linked(user.email, user.name, provider))
        return user

    def _new(self, connection: Connection, provider: str, email: str, claims: Claims, now: datetime) -> User:
        invitation = None
        if self._registration != CLOSED:
            invitation = codes.find_invitation(connection, email, now)
        if invitation is None and self._registration != OPEN:
            raise NotAdmitted(f"there is no account for {email}", remedy="ask an administrator to invite you")
        if invitation is not None:
            codes.use_code(connection, invitation, now)
        return user_rows.insert_user(
            connection,
            email=email,
            name=claims.name or email.partition("@")[0],
            role=Role.VIEWER if invitation is None or invitation.role is None else invitation.role,
            password_hash=None,
            created_by=f"provider {provider}" if invitation is None else invitation.created_by,
            now=now,
        )


def sealed_tokens(seal: Seal, tokens: ProviderTokens) -> KeptTokens:
    """To be kept; nothing without a refresh token: nobody here uses the access token."""
    if tokens.refresh_token is None:
        return KeptTokens()
    return KeptTokens(seal.seal(tokens.pack()).decode(), tokens.expires_at)


def _proven_address(claims: Claims, provider: str) -> str:
    if claims.email is None or not claims.email_verified:
        what = "names no address of yours" if claims.email is None else "has not verified your address"
        raise NotAdmitted(
            f"{provider} {what}", remedy="have it verified there; it is what links you to an account here"
        )
    try:
        return normalised_address(claims.email)
    except Invalid as exc:
        raise NotAdmitted(f"{provider} names an address of yours that is none") from exc


def _let_in(connection: Connection, user: User, provider: str, claims: Claims, kept: KeptTokens, now: datetime) -> None:
    if user.disabled:
        raise NotAdmitted("this account is disabled", remedy="ask an administrator")
    identity_rows.note_login(connection, user.id, provider, claims, kept, now)


def _note(
    connection: Connection, action: str, user: User, target: str, provider: str, address: str | None, now: datetime
) -> None:
    actor = Principal(PrincipalKind.USER, str(user.id), user.name, frozenset())
    entry = AuditEntry(action, actor, target, {"provider": provider}, address)
    audit_rows.insert_entry(connection, entry, now)
