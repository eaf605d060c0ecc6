"""What may happen to an API key after it was made. Each function runs inside a transaction that touches api_keys."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import Connection

from backend.src.core.errors import Conflict, Forbidden, Invalid
from backend.src.services.accounts import api_key_rows as rows
from backend.src.services.accounts.address_ranges import cover, parse_ranges, within
from backend.src.services.accounts.api_key_rows import ApiKey, KeyDraft
from backend.src.services.accounts.last_administrator import keep_an_administrator
from backend.src.services.accounts.principal import Principal, PrincipalKind, Scope

Ranges = Collection[str]


@dataclass(frozen=True, slots=True)
class KeyChange:
    """What shall be different; `fields` names what is meant, so that None can clear it."""

    fields: frozenset[str]
    app_name: str | None = None
    expires_at: datetime | None = None
    addresses: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Rotation:
    """How a key gives way to the next.

    overlap_s: seconds for which the old token stays good; None: until the new one is used for the first time, so
    that an answer which never arrived locks nobody out. expires_at: of the new key; None: as the old one.
    """

    overlap_s: float | None = None
    expires_at: datetime | None = None


def refuse_beyond(by: Principal, scopes: Collection[Scope]) -> None:
    """Raises Forbidden for scopes that `by` does not hold: a key must not be a way to more. Administrators may all."""
    beyond = [scope for scope in Scope if scope in scopes and not by.may(scope)]
    if beyond and not by.may(Scope.ADMIN):
        raise Forbidden(f"{by.name} has no {', '.join(beyond)} access to give, change or take away")


def refuse_beyond_own(connection: Connection, by: Principal, expires_at: datetime | None, ranges: Ranges) -> None:
    """Raises Forbidden for a key that would be good for longer, or from elsewhere, than the one that `by` uses."""
    if by.kind is not PrincipalKind.KEY or by.may(Scope.ADMIN):
        return
    own = rows.get_key(connection, int(by.id))
    if own.expires_at is not None and (expires_at is None or expires_at > own.expires_at):
        raise Forbidden(f"{by.name} expires at {own.expires_at.isoformat()}: it gives no key that is good for longer")
    if not cover(parse_ranges(own.addresses), parse_ranges(ranges)):
        raise Forbidden(f"{by.name} is good from {', '.join(own.addresses)} alone: it gives no key for elsewhere")


def refuse_expired(expires_at: datetime | None, now: datetime) -> None:
    """Raises Invalid."""
    if expires_at is not None and expires_at <= now:
        raise Invalid("the key would have expired already")


def revoke(connection: Connection, key_id: int, by: Principal, now: datetime, *, force: bool) -> ApiKey:
    """Raises KeyNotFound, Forbidden, Conflict."""
    key = _within_reach(connection, key_id, by)
    if not force:
        if is_own(key.id, by):
            raise Conflict("this is the key that you are using", remedy="add force=true if you mean it")
        keep_an_administrator(connection, key, now)
    return rows.deactivate_key(connection, key, now)


def change(
    connection: Connection, key_id: int, wanted: KeyChange, by: Principal, address: str, now: datetime, *, force: bool
) -> ApiKey:
    """`address` is where `by` asks from. Raises KeyNotFound, Forbidden, Invalid, Conflict."""
    key = _within_reach(connection, key_id, by)
    values: dict[str, Any] = {}
    if "expires_at" in wanted.fields:
        refuse_expired(wanted.expires_at, now)
        if wanted.expires_at is not None and not force:
            keep_an_administrator(connection, key, now)
        values["expires_at"] = wanted.expires_at
    if "addresses" in wanted.fields:
        ranges = parse_ranges(wanted.addresses)
        if ranges and is_own(key.id, by) and not within(address, ranges) and not force:
            raise Conflict(f"you are at {address}, from where this key would end", remedy="add force=true")
        values["addresses"] = [str(network) for network in ranges] or None
    if values:
        addresses = values.get("addresses", key.addresses) or ()
        refuse_beyond_own(connection, by, values.get("expires_at", key.expires_at), addresses)
    if wanted.app_name is not None:
        rows.rename_key(connection, key, wanted.app_name)
    return rows.change_key(connection, key_id, now, **values)


def rotate(
    connection: Connection, key_id: int, rotation: Rotation, by: Principal, token: str, now: datetime, *, force: bool
) -> ApiKey:
    """The key that takes its place. Raises KeyNotFound, Forbidden, Invalid, Conflict.

    A successor that was never used is dropped for another: its token may never have arrived.
    """
    key = _within_reach(connection, key_id, by)
    expires_at = rotation.expires_at or key.expires_at
    refuse_expired(expires_at, now)
    refuse_beyond_own(connection, by, expires_at, key.addresses)
    key = _without_unused_successor(connection, key, now)
    if rotation.overlap_s == 0 and not force:
        keep_an_administrator(connection, key, now)  # were the answer lost, nobody would have a token
    rows.change_key(connection, key.id, now, active_name=None)
    draft = KeyDraft(key.app_name, frozenset(key.scopes), expires_at, key.addresses)
    replaces = key.id if rotation.overlap_s is None else None
    maker = person_behind(connection, by) or key.created_by_id
    successor = rows.insert_key(
        connection, draft, token=token, created_by=by.name, created_by_id=maker, now=now, replaces=replaces
    )
    rows.change_key(connection, key.id, now, rotated_to=successor.id, **_ending(key, rotation.overlap_s, now))
    return successor


def person_behind(connection: Connection, by: Principal) -> int | None:
    """The id of the person who asks, or who had the key made that asks; None for the operator."""
    match by.kind:
        case PrincipalKind.USER:
            return int(by.id)
        case PrincipalKind.KEY:
            return rows.maker_of(connection, int(by.id))
        case PrincipalKind.LOCAL | PrincipalKind.CRON:
            return None


def is_own(key_id: int, by: Principal) -> bool:
    """Whether it is the key that `by` uses."""
    return by.kind is PrincipalKind.KEY and by.id == str(key_id)


def _within_reach(connection: Connection, key_id: int, by: Principal) -> ApiKey:
    key = rows.active_key(connection, key_id)
    refuse_beyond(by, key.scopes)
    return key


def _without_unused_successor(connection: Connection, key: ApiKey, now: datetime) -> ApiKey:
    if key.rotated_to is None:
        return key
    successor = rows.get_key(connection, key.rotated_to)
    if successor.replaces != key.id:
        raise Conflict(f"API key {key.id} was rotated already: {successor.id} took its place")
    rows.deactivate_key(connection, successor, now)
    return rows.get_key(connection, key.id)


def _ending(key: ApiKey, overlap_s: float | None, now: datetime) -> dict[str, Any]:
    if overlap_s is None:
        return {}
    if overlap_s == 0:
        return {"is_active": False}
    end = now + timedelta(seconds=overlap_s)
    return {"expires_at": end if key.expires_at is None else min(end, key.expires_at)}
