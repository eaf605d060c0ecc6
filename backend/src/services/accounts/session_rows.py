"""Sessions in SQL: rows in and out. Each function runs inside a transaction of its caller."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, RowMapping, and_, insert, or_, select, update

from backend.src.core.errors import NotFound
from backend.src.infra.sql.tables import sessions, users
from backend.src.services.accounts.principal import Role, Scope, in_order

TABLES = ("sessions",)
CHECKED = ("sessions", "users")  # what decides whether a session holds, and for what

Position = tuple[datetime, str]


class SessionNotFound(NotFound):
    """The id names no session of this person that goes on."""

    def __init__(self, session_id: str) -> None:
        super().__init__(f"session {session_id} not found")


@dataclass(frozen=True, slots=True)
class Session:
    """One login of a person, with all the tokens that came of it. expires_at moves on with each refresh."""

    id: str
    user_id: int
    method: str
    client_id: str | None
    scopes: tuple[Scope, ...] | None  # None: whatever the role allows
    device: str | None
    address: str | None
    created_at: datetime
    last_used_at: datetime
    expires_at: datetime


def insert_session(connection: Connection, session: Session) -> None:
    """Needs no touch: a session that is not there is not cached."""
    connection.execute(
        insert(sessions).values(
            id=session.id,
            user_id=session.user_id,
            method=session.method,
            client_id=_fitting(sessions.c.client_id, session.client_id),
            scopes=None if session.scopes is None else [scope.value for scope in session.scopes],
            device=_fitting(sessions.c.device, session.device),
            address=_fitting(sessions.c.address, session.address),
            created_at=session.created_at,
            last_used_at=session.last_used_at,
            expires_at=session.expires_at,
        )
    )


def lock_person(connection: Connection, user_id: int) -> RowMapping | None:
    """id, name, role and password_changed_at of somebody who may come in, locked."""
    query = (
        select(users.c.id, users.c.name, users.c.role, users.c.password_changed_at)
        .where(users.c.id == user_id, users.c.disabled_at.is_(None), users.c.deleted_at.is_(None))
        .with_for_update()
    )
    return connection.execute(query).mappings().first()


def lock_session(connection: Connection, session_id: str) -> Session | None:
    """The session while it goes on, locked; None once it was revoked."""
    query = select(sessions).where(sessions.c.id == session_id, sessions.c.revoked_at.is_(None)).with_for_update()
    row = connection.execute(query).mappings().first()
    return None if row is None else _session(row)


def find_holder(connection: Connection, session_id: str) -> dict[str, Any] | None:
    """Whose session it is and what it allows, while it goes on and the person may come in; a cache can keep it.

    expires_at may be later by now: a refresh moves it on without touching. No access token outlives its session.
    """
    query = (
        select(users.c.id, users.c.name, users.c.email, users.c.role, sessions.c.scopes, sessions.c.expires_at)
        .join_from(sessions, users)
        .where(sessions.c.id == session_id, sessions.c.revoked_at.is_(None))
        .where(users.c.disabled_at.is_(None), users.c.deleted_at.is_(None))
    )
    row = connection.execute(query).mappings().first()
    return None if row is None else dict(row)


def list_sessions(
    connection: Connection, user_id: int, now: datetime, *, after: Position | None, limit: int
) -> list[Session]:
    """Those of a person that go on, newest first, after the one made at this time and with this id."""
    query = select(sessions).where(
        sessions.c.user_id == user_id, sessions.c.revoked_at.is_(None), sessions.c.expires_at > now
    )
    if after is not None:
        made, session_id = after
        older = and_(sessions.c.created_at == made, sessions.c.id < session_id)
        query = query.where(or_(sessions.c.created_at < made, older))
    query = query.order_by(sessions.c.created_at.desc(), sessions.c.id.desc()).limit(limit)
    return [_session(row) for row in connection.execute(query).mappings()]


def prolong(connection: Connection, session_id: str, now: datetime, expires_at: datetime) -> None:
    """It was refreshed."""
    connection.execute(
        update(sessions).where(sessions.c.id == session_id).values(last_used_at=now, expires_at=expires_at)
    )


def note_used(connection: Connection, used: Mapping[str, datetime]) -> None:
    """Writes when each session was last used."""
    for session_id, at in sorted(used.items()):
        connection.execute(update(sessions).where(sessions.c.id == session_id).values(last_used_at=at))


def revoke(connection: Connection, session_id: str, because: str, now: datetime, *, user_id: int | None = None) -> None:
    """Ends one session, of this person if one is named. The write must touch TABLES.

    Raises SessionNotFound, which rolls back: a write that ends nothing must make nobody's cached session stale.
    """
    going = update(sessions).where(sessions.c.id == session_id, sessions.c.revoked_at.is_(None))
    if user_id is not None:
        going = going.where(sessions.c.user_id == user_id)
    if not connection.execute(going.values(revoked_at=now, revoked_because=because)).rowcount:
        raise SessionNotFound(session_id)


def revoke_all(connection: Connection, user_id: int, because: str, now: datetime, keep: str | None = None) -> None:
    """Ends every session of a person, at once and for good, but the one to keep; the write must touch TABLES."""
    # the person first, as whoever opens or refreshes a session does: else a login under way could slip in behind
    connection.execute(select(users.c.id).where(users.c.id == user_id).with_for_update())
    going = update(sessions).where(sessions.c.user_id == user_id, sessions.c.revoked_at.is_(None))
    if keep is not None:
        going = going.where(sessions.c.id != keep)
    connection.execute(going.values(revoked_at=now, revoked_because=because))


def scopes_of(stored: list[str] | None) -> tuple[Scope, ...] | None:
    """The scopes that a session was narrowed to."""
    return None if stored is None else in_order(Scope(scope) for scope in stored)


def allowed_scopes(holder: Mapping[str, Any]) -> frozenset[Scope]:
    """What role and session of a holder (find_holder) allow together."""
    narrowed, allowed = scopes_of(holder["scopes"]), Role(holder["role"]).scopes
    return allowed if narrowed is None else allowed & frozenset(narrowed)


def _session(row: Mapping[Any, Any]) -> Session:
    return Session(
        id=row["id"],
        user_id=row["user_id"],
        method=row["method"],
        client_id=row["client_id"],
        scopes=scopes_of(row["scopes"]),
        device=row["device"],
        address=row["address"],
        created_at=row["created_at"],
        last_used_at=row["last_used_at"],
        expires_at=row["expires_at"],
    )


def _fitting(column: Any, text: str | None) -> str | None:
    """As much as the column holds: a browser's name for itself may be long."""
    return None if text is None else text.replace("\x00", "")[: column.type.length]
