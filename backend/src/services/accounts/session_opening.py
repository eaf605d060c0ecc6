"""A session begins: who came, from where, and for what."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, RowMapping

from backend.src.core.errors import Unauthenticated
from backend.src.services.accounts import refresh_tokens, session_rows
from backend.src.services.accounts.oauth_refusals import Fault, OAuthRefused
from backend.src.services.accounts.principal import Principal, PrincipalKind, Role, Scope, in_order
from backend.src.services.accounts.refresh_tokens import Lifetimes
from backend.src.services.accounts.session_rows import Session
from backend.src.services.audit import AuditEntry, audit_rows

Granted = tuple[Scope, ...]


@dataclass(frozen=True, slots=True)
class Visit:
    """From where somebody comes, and what for. scopes: None for whatever their role allows."""

    client_id: str | None = None
    device: str | None = None
    address: str | None = None
    scopes: frozenset[Scope] | None = None


@dataclass(frozen=True, slots=True)
class Opening:
    """What is made before the transaction, which may run twice. since: when they began to prove who they are."""

    session_id: str
    method: str
    refresh_hash: str
    now: datetime
    since: datetime


def open_session(
    connection: Connection, user_id: int, opening: Opening, visit: Visit, lifetimes: Lifetimes
) -> tuple[Session, Granted]:
    """Writes a session, its first refresh token and the audit entry. Raises Unauthenticated, OAuthRefused."""
    holder = session_rows.lock_person(connection, user_id)
    if holder is None or _changed_since(holder, opening.since):
        raise Unauthenticated("the account was changed meanwhile", remedy="log in again")
    granted = granted_scopes(holder, None, visit.scopes)
    session = Session(
        id=opening.session_id,
        user_id=user_id,
        method=opening.method,
        client_id=visit.client_id,
        scopes=None if visit.scopes is None else granted,
        device=visit.device,
        address=visit.address,
        created_at=opening.now,
        last_used_at=opening.now,
        expires_at=lifetimes.end(opening.now, opening.now),
    )
    session_rows.insert_session(connection, session)
    refresh_tokens.insert_token(connection, session.id, opening.refresh_hash, opening.now, session.expires_at)
    detail = {"method": session.method, "client": session.client_id}
    entry = AuditEntry("login", actor_of(holder), session.id, detail, session.address)
    audit_rows.insert_entry(connection, entry, opening.now)
    return session, granted


def granted_scopes(holder: RowMapping, session: Session | None, wanted: frozenset[Scope] | None) -> Granted:
    """What of the wanted scopes role and session allow. Raises OAuthRefused (invalid_scope) for nothing at all."""
    allowed = Role(holder["role"]).scopes
    if session is not None and session.scopes is not None:
        allowed &= frozenset(session.scopes)
    granted = in_order(allowed if wanted is None else allowed & wanted)
    if wanted is not None and not granted:
        raise OAuthRefused(Fault.INVALID_SCOPE, "none of these scopes is yours")
    return granted


def _changed_since(holder: RowMapping, since: datetime) -> bool:
    """The password that was shown may be the old one, whose sessions have just been ended."""
    changed: datetime | None = holder["password_changed_at"]
    return changed is not None and changed > since


def actor_of(holder: Mapping[Any, Any]) -> Principal:
    """Whose session it is, for the audit trail."""
    return Principal(PrincipalKind.USER, str(holder["id"]), holder["name"], frozenset())
