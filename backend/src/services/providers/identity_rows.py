"""Identities in SQL: which person a provider's subject is. Each function runs inside a transaction of its caller."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Connection, delete, func, insert, select, update

from backend.src.infra.openid import Claims
from backend.src.infra.sql.tables import identities, users
from backend.src.services.accounts.user_rows import User, get_user


@dataclass(frozen=True, slots=True)
class Identity:
    """A person at a provider. renewed_by: until when its tokens have to be renewed, None when none are kept."""

    id: int
    provider: str
    subject: str
    email: str | None
    created_at: datetime
    last_login_at: datetime | None
    renewed_by: datetime | None


@dataclass(frozen=True, slots=True, repr=False)
class KeptTokens:
    """Sealed, or None when there is nothing to be renewed."""

    sealed: str | None = None
    expires_at: datetime | None = None


@dataclass(frozen=True, slots=True, repr=False)
class DueTokens:
    """Tokens that expire soon, as they were read."""

    identity_id: int
    provider: str
    sealed: str


def find_holder(connection: Connection, provider: str, subject: str) -> User | None:
    """Who this is here."""
    query = select(identities.c.user_id).where(identities.c.provider == provider, identities.c.subject == subject)
    user_id = connection.scalar(query)
    return None if user_id is None else get_user(connection, user_id)


def insert_identity(
    connection: Connection, user_id: int, provider: str, claims: Claims, kept: KeptTokens, now: datetime
) -> int:
    """Links it; returns its id."""
    row = {
        "user_id": user_id,
        "provider": provider,
        "subject": claims.subject,
        "email": claims.email,
        "tokens": kept.sealed,
        "tokens_expire_at": kept.expires_at,
        "created_at": now,
    }
    inserted = connection.execute(insert(identities).values(row)).inserted_primary_key
    assert inserted is not None
    return int(inserted[0])


def note_login(
    connection: Connection, user_id: int, provider: str, claims: Claims, kept: KeptTokens, now: datetime
) -> None:
    """When, with which address and tokens."""
    values = {"email": claims.email, "tokens": kept.sealed, "tokens_expire_at": kept.expires_at, "last_login_at": now}
    mine = update(identities).where(identities.c.provider == provider, identities.c.subject == claims.subject)
    connection.execute(mine.values(values))
    connection.execute(update(users).where(users.c.id == user_id).values(last_login_at=now))


def list_identities(connection: Connection, user_id: int) -> list[Identity]:
    """Those of a person, oldest first."""
    query = select(
        identities.c.id,
        identities.c.provider,
        identities.c.subject,
        identities.c.email,
        identities.c.created_at,
        identities.c.last_login_at,
        identities.c.tokens_expire_at.label("renewed_by"),
    )
    rows = connection.execute(query.where(identities.c.user_id == user_id).order_by(identities.c.id)).mappings()
    return [Identity(**row) for row in rows]


def has_identity(connection: Connection, user_id: int, provider: str) -> bool:
    """Whether a person is somebody at this provider already."""
    query = select(func.count()).where(identities.c.user_id == user_id, identities.c.provider == provider)
    return bool(connection.scalar(query))


def delete_identity(connection: Connection, user_id: int, identity_id: int) -> bool:
    """False when it is none of theirs."""
    mine = delete(identities).where(identities.c.id == identity_id, identities.c.user_id == user_id)
    return bool(connection.execute(mine).rowcount)


def due_tokens(connection: Connection, providers: Collection[str], before: datetime, *, limit: int) -> list[DueTokens]:
    """Those that expire before then, the first ones first."""
    query = select(identities.c.id, identities.c.provider, identities.c.tokens).where(
        identities.c.tokens_expire_at < before, identities.c.tokens.is_not(None), identities.c.provider.in_(providers)
    )
    rows = connection.execute(query.order_by(identities.c.tokens_expire_at).limit(limit))
    return [DueTokens(*row) for row in rows]


def replace_tokens(connection: Connection, due: DueTokens, kept: KeptTokens) -> bool:
    """False when a login brought newer ones meanwhile: those stay."""
    same = update(identities).where(identities.c.id == due.identity_id, identities.c.tokens == due.sealed)
    return bool(connection.execute(same.values(tokens=kept.sealed, tokens_expire_at=kept.expires_at)).rowcount)
