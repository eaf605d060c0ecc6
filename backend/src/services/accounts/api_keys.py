"""API keys in SQL: rows in and out. Each function runs inside a transaction of its caller."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, func, insert, select, update

from backend.src.core.errors import Conflict, NotFound
from backend.src.infra.sql.tables import api_keys
from backend.src.services.accounts.principal import Scope, in_order

TABLES = ("api_keys",)


@dataclass(frozen=True, slots=True)
class ApiKey:
    """A program's key, without its token, which nobody has but the program."""

    id: int
    app_name: str
    scopes: tuple[Scope, ...]
    is_active: bool
    created_at: datetime
    updated_at: datetime
    expires_at: datetime | None
    last_used_at: datetime | None


class KeyNotFound(NotFound):
    """The id names no key."""

    def __init__(self, key_id: int) -> None:
        super().__init__(f"API key {key_id} not found")


def insert_key(
    connection: Connection,
    *,
    app_name: str,
    scopes: Iterable[Scope],
    token_hash: str,
    expires_at: datetime | None,
    now: datetime,
) -> ApiKey:
    """Raises Conflict when an active key has this name."""
    taken = select(api_keys.c.id).where(api_keys.c.active_name == app_name)
    if connection.scalar(taken) is not None:
        raise Conflict(f"an active API key named {app_name!r} exists", remedy="revoke it first, or take another name")
    row: dict[str, Any] = {
        "app_name": app_name,
        "active_name": app_name,
        "token_hash": token_hash,
        "scopes": [scope.value for scope in in_order(scopes)],
        "is_active": True,
        "created_at": now,
        "updated_at": now,
        "expires_at": expires_at,
    }
    inserted = connection.execute(insert(api_keys).values(row)).inserted_primary_key
    assert inserted is not None
    return _key({**row, "id": inserted[0], "last_used_at": None})


def deactivate_key(connection: Connection, key_id: int, now: datetime) -> ApiKey:
    """Revokes for good; the row stays, for who asks later. Raises KeyNotFound, or Conflict when it was revoked."""
    revoked = {"is_active": False, "active_name": None, "updated_at": now}
    active = update(api_keys).where(api_keys.c.id == key_id, api_keys.c.is_active)
    changed = connection.execute(active.values(revoked)).rowcount
    row = connection.execute(select(api_keys).where(api_keys.c.id == key_id)).mappings().first()
    if row is None:
        raise KeyNotFound(key_id)
    if not changed:
        raise Conflict(f"API key {key_id} is revoked already")
    return _key(row)


def list_keys(connection: Connection, *, active_only: bool) -> list[ApiKey]:
    """Every key, oldest first."""
    query = select(api_keys).order_by(api_keys.c.id)
    if active_only:
        query = query.where(api_keys.c.is_active)
    return [_key(row) for row in connection.execute(query).mappings()]


def count_keys(connection: Connection, *, active_only: bool) -> int:
    """How many there are."""
    query = select(func.count()).select_from(api_keys)
    return connection.scalar(query.where(api_keys.c.is_active) if active_only else query) or 0


def find_by_hash(connection: Connection, token_hash: str) -> dict[str, Any] | None:
    """What authentication needs of the active key with this hash, as values that a cache can keep."""
    columns = (api_keys.c.id, api_keys.c.app_name, api_keys.c.token_hash, api_keys.c.scopes, api_keys.c.expires_at)
    row = connection.execute(select(*columns).where(api_keys.c.token_hash == token_hash, api_keys.c.is_active))
    found = row.mappings().first()
    return None if found is None else dict(found)


def note_used(connection: Connection, used: Mapping[int, datetime]) -> None:
    """Writes when each key was last used."""
    for key_id, at in sorted(used.items()):
        connection.execute(update(api_keys).where(api_keys.c.id == key_id).values(last_used_at=at))


def _key(row: Mapping[Any, Any]) -> ApiKey:
    return ApiKey(
        id=row["id"],
        app_name=row["app_name"],
        scopes=tuple(Scope(scope) for scope in row["scopes"]),
        is_active=bool(row["is_active"]),
        created_at=row["created_at"],
        updated_at=row["updated_at"],
        expires_at=row["expires_at"],
        last_used_at=row["last_used_at"],
    )
