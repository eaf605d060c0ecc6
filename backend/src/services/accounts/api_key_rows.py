"""API keys in SQL: rows in and out. Each function runs inside a transaction of its caller."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, func, insert, select, update

from backend.src.core.errors import Conflict, NotFound
from backend.src.infra.sql.tables import api_keys
from backend.src.services.accounts.principal import Scope, in_order
from backend.src.services.accounts.tokens import hash_of, prefix_of

TABLES = ("api_keys",)


@dataclass(frozen=True, slots=True)
class ApiKey:
    """A program's key, without its token, which nobody has but the program.

    addresses: networks that it may be used from, none for any. rotated_to: the key that took its place. created_by_id:
    the person who had it made, themselves or by a key of theirs, or whose key it took the place of.
    """

    id: int
    app_name: str
    scopes: tuple[Scope, ...]
    is_active: bool
    created_at: datetime
    updated_at: datetime
    expires_at: datetime | None
    last_used_at: datetime | None
    prefix: str | None = None
    created_by: str | None = None
    created_by_id: int | None = None
    addresses: tuple[str, ...] = ()
    rotated_to: int | None = None
    replaces: int | None = None

    def good_at(self, now: datetime) -> bool:
        """Whether it can be used."""
        return self.is_active and (self.expires_at is None or self.expires_at > now)


@dataclass(frozen=True, slots=True)
class KeyDraft:
    """What a key shall be."""

    app_name: str
    scopes: frozenset[Scope]
    expires_at: datetime | None = None
    addresses: tuple[str, ...] = ()


class KeyNotFound(NotFound):
    """The id names no key."""

    def __init__(self, key_id: int) -> None:
        super().__init__(f"API key {key_id} not found")


def insert_key(
    connection: Connection,
    draft: KeyDraft,
    *,
    token: str,
    created_by: str | None,
    created_by_id: int | None,
    now: datetime,
    replaces: int | None = None,
) -> ApiKey:
    """Raises Conflict when an active key has this name."""
    _refuse_taken(connection, draft.app_name)
    row: dict[str, Any] = {
        "app_name": draft.app_name,
        "active_name": draft.app_name,
        "token_hash": hash_of(token),
        "prefix": prefix_of(token),
        "scopes": [scope.value for scope in in_order(draft.scopes)],
        "is_active": True,
        "created_at": now,
        "updated_at": now,
        "expires_at": draft.expires_at,
        "created_by": created_by,
        "created_by_id": created_by_id,
        "addresses": list(draft.addresses) or None,
        "replaces": replaces,
    }
    inserted = connection.execute(insert(api_keys).values(row)).inserted_primary_key
    assert inserted is not None
    return get_key(connection, inserted[0])


def get_key(connection: Connection, key_id: int) -> ApiKey:
    """Raises KeyNotFound."""
    row = connection.execute(select(api_keys).where(api_keys.c.id == key_id)).mappings().first()
    if row is None:
        raise KeyNotFound(key_id)
    return _key(row)


def maker_of(connection: Connection, key_id: int) -> int | None:
    """The id of the person who had the key made."""
    return connection.scalar(select(api_keys.c.created_by_id).where(api_keys.c.id == key_id))


def active_key(connection: Connection, key_id: int) -> ApiKey:
    """Raises KeyNotFound, or Conflict when it was revoked."""
    key = get_key(connection, key_id)
    if not key.is_active:
        raise Conflict(f"API key {key_id} is revoked already")
    return key


def rename_key(connection: Connection, key: ApiKey, app_name: str) -> None:
    """Raises Conflict when another active key has this name."""
    if app_name == key.app_name:
        return
    _refuse_taken(connection, app_name)
    named = update(api_keys).where(api_keys.c.id == key.id)
    # one that was rotated has left its name to its successor
    connection.execute(named.values(app_name=app_name, active_name=None if key.rotated_to else app_name))


def change_key(connection: Connection, key_id: int, now: datetime, **values: Any) -> ApiKey:
    """Writes these columns."""
    connection.execute(update(api_keys).where(api_keys.c.id == key_id).values(updated_at=now, **values))
    return get_key(connection, key_id)


def deactivate_key(connection: Connection, key: ApiKey, now: datetime) -> ApiKey:
    """Revokes for good; the row stays, for who asks later. A key that it had yet to replace is as it was before."""
    ended = change_key(connection, key.id, now, is_active=False, active_name=None, replaces=None)
    if key.replaces is not None:
        still = update(api_keys).where(
            api_keys.c.id == key.replaces, api_keys.c.rotated_to == key.id, api_keys.c.is_active
        )
        connection.execute(still.values(rotated_to=None, active_name=key.app_name, app_name=key.app_name))
    return ended


def end_replaced(connection: Connection, key_id: int, replaced: int, now: datetime) -> None:
    """The key has proved that its token arrived: the one that it replaces ends. Doing it twice does nothing more."""
    old = update(api_keys).where(api_keys.c.id == replaced, api_keys.c.rotated_to == key_id, api_keys.c.is_active)
    connection.execute(old.values(is_active=False, active_name=None, updated_at=now))
    connection.execute(update(api_keys).where(api_keys.c.id == key_id).values(replaces=None))


def list_keys(connection: Connection, *, active_only: bool, created_by_id: int | None = None) -> list[ApiKey]:
    """Every key, or those of a person; oldest first."""
    query = select(api_keys).order_by(api_keys.c.id)
    if active_only:
        query = query.where(api_keys.c.is_active)
    if created_by_id is not None:
        query = query.where(api_keys.c.created_by_id == created_by_id)
    return [_key(row) for row in connection.execute(query).mappings()]


def count_keys(connection: Connection, *, active_only: bool) -> int:
    """How many there are."""
    query = select(func.count()).select_from(api_keys)
    return connection.scalar(query.where(api_keys.c.is_active) if active_only else query) or 0


def find_by_hash(connection: Connection, token_hash: str) -> dict[str, Any] | None:
    """What authentication needs of the active key with this hash, as values that a cache can keep."""
    c = api_keys.c
    columns = (c.id, c.app_name, c.token_hash, c.scopes, c.expires_at, c.addresses, c.replaces)
    row = connection.execute(select(*columns).where(c.token_hash == token_hash, c.is_active))
    found = row.mappings().first()
    return None if found is None else dict(found)


def note_used(connection: Connection, used: Mapping[int, datetime]) -> None:
    """Writes when each key was last used."""
    for key_id, at in sorted(used.items()):
        connection.execute(update(api_keys).where(api_keys.c.id == key_id).values(last_used_at=at))


def _refuse_taken(connection: Connection, app_name: str) -> None:
    if connection.scalar(select(api_keys.c.id).where(api_keys.c.active_name == app_name)) is not None:
        raise Conflict(f"an active API key named {app_name!r} exists", remedy="revoke it first, or take another name")


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
        prefix=row["prefix"],
        created_by=row["created_by"],
        created_by_id=row["created_by_id"],
        addresses=tuple(row["addresses"] or ()),
        rotated_to=row["rotated_to"],
        replaces=row["replaces"],
    )
