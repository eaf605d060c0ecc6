"""The audit trail in SQL. Each function runs inside a transaction of its caller."""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, Connection, String, and_, delete, insert, or_, select, update

from backend.src.core.log_context import REQUEST
from backend.src.infra.sql.tables import audit
from backend.src.services.audit.entry import AuditEntry, AuditFilters, AuditRecord

Position = tuple[datetime, int]

_who = re.compile(r".* \((user|key) (\d+)\)")  # as records name people and keys: Principal.name


def insert_entry(connection: Connection, entry: AuditEntry, now: datetime) -> int:
    """Notes it; exists exactly when the caller's transaction is committed. Returns its id."""
    actor = entry.actor
    row = {
        "at": now,
        "actor_kind": None if actor is None else str(actor.kind),
        "actor_id": _fitting(audit.c.actor_id, None if actor is None else actor.id),
        "actor_name": _fitting(audit.c.actor_name, None if actor is None else actor.called),
        "action": _fitting(audit.c.action, entry.action),
        "target": _fitting(audit.c.target, entry.target),
        "detail": None if entry.detail is None else dict(entry.detail),
        "address": _fitting(audit.c.address, entry.address),
        "request_id": REQUEST.get() or None,
        "status": entry.status,
    }
    inserted = connection.execute(insert(audit).values(row)).inserted_primary_key
    assert inserted is not None
    return int(inserted[0])


def end_entry(
    connection: Connection, entry_id: int, status: int, target: str | None, detail: Mapping[str, Any] | None
) -> None:
    """How it ended; only the first end counts. Without target or detail those of the beginning stay."""
    begun = update(audit).where(audit.c.id == entry_id, audit.c.status.is_(None))
    known_now = {"target": _fitting(audit.c.target, target), "detail": dict(detail or {})}
    connection.execute(begun.values(status=status, **{name: value for name, value in known_now.items() if value}))


def list_entries(
    connection: Connection, filters: AuditFilters, *, after: Position | None, limit: int
) -> list[AuditRecord]:
    """Newest first, those after the one at this time and with this id."""
    query = select(audit).where(*_conditions(filters)).order_by(audit.c.at.desc(), audit.c.id.desc()).limit(limit)
    if after is not None:
        at, entry_id = after
        query = query.where(or_(audit.c.at < at, and_(audit.c.at == at, audit.c.id < entry_id)))
    return [AuditRecord(**row) for row in connection.execute(query).mappings()]


def delete_older(connection: Connection, before: datetime, *, limit: int) -> int:
    """Removes the oldest entries from before then, at most `limit`; returns how many."""
    oldest = select(audit.c.id).where(audit.c.at < before).order_by(audit.c.at, audit.c.id).limit(limit)
    ids = connection.scalars(oldest).all()
    if ids:
        connection.execute(delete(audit).where(audit.c.id.in_(ids)))
    return len(ids)


def _conditions(filters: AuditFilters) -> list[ColumnElement[bool]]:
    exact = {
        audit.c.action: filters.action,
        audit.c.target: filters.target,
        audit.c.address: filters.address,
        audit.c.request_id: filters.request_id,
    }
    wanted: list[ColumnElement[bool]] = [column == value for column, value in exact.items() if value is not None]
    if filters.actor is not None:
        wanted.append(_by(filters.actor))
    if filters.from_ is not None:
        wanted.append(audit.c.at >= filters.from_)
    if filters.to is not None:
        wanted.append(audit.c.at < filters.to)
    return wanted


def _by(actor: str) -> ColumnElement[bool]:
    if (one := _who.fullmatch(actor)) is not None:  # whatever they were called at the time
        return and_(audit.c.actor_kind == one[1], audit.c.actor_id == one[2])
    return or_(audit.c.actor_id == actor, audit.c.actor_name == actor)


def _fitting(column: Any, text: str | None) -> str | None:
    """As much as the column holds, of what every engine can store: it may be anything a client sent."""
    if text is None:
        return None
    assert isinstance(column.type, String) and column.type.length is not None
    storable = text.replace("\x00", "\\x00").encode("utf-8", "backslashreplace").decode("utf-8")
    return storable[: column.type.length]
