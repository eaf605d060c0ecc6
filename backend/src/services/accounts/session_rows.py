"""Sessions in SQL: rows in and out. Each function runs inside a transaction of its caller."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import Connection, update

from backend.src.infra.sql.tables import sessions

TABLES = ("sessions",)


def revoke_all(connection: Connection, user_id: int, because: str, now: datetime, keep: str | None = None) -> None:
    """Ends every session of a person, at once and for good, but the one to keep; the write must touch TABLES."""
    going = update(sessions).where(sessions.c.user_id == user_id, sessions.c.revoked_at.is_(None))
    if keep is not None:
        going = going.where(sessions.c.id != keep)
    connection.execute(going.values(revoked_at=now, revoked_because=because))
