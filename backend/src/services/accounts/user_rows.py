"""People in SQL: rows in and out. Each function runs inside a transaction of its caller, which touches TABLES.

An address that is, or was, somebody's has no open registration or invitation: it would make another of them later.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, delete, exists, func, insert, or_, select, update

from backend.src.core.errors import Conflict, NotFound
from backend.src.infra.sql.tables import identities, one_time_codes, users
from backend.src.services.accounts import codes
from backend.src.services.accounts.principal import Role

TABLES = ("users",)
DELETED_NAME = "(deleted)"

_administrators = select(users.c.id).where(
    users.c.role == Role.ADMINISTRATOR.value, users.c.disabled_at.is_(None), users.c.deleted_at.is_(None)
)


@dataclass(frozen=True, slots=True)
class User:
    """A person, without the password's hash."""

    id: int
    email: str
    name: str
    role: Role
    verified: bool
    disabled: bool
    has_password: bool
    created_at: datetime
    created_by: str | None
    last_login_at: datetime | None


class UserNotFound(NotFound):
    """The id names nobody, or somebody who was deleted."""

    def __init__(self, user_id: int) -> None:
        super().__init__(f"user {user_id} not found")


class AddressTaken(Conflict):
    """Somebody has this address already."""

    def __init__(self, email: str) -> None:
        super().__init__(f"there is an account with the address {email} already")


class LastAdministrator(Conflict):
    """Nobody would be left to administer."""

    def __init__(self) -> None:
        super().__init__(
            "this is the last administrator who can log in", remedy="make somebody else an administrator first"
        )


def insert_user(
    connection: Connection,
    *,
    email: str,
    name: str,
    role: Role,
    password_hash: str | None,
    created_by: str | None,
    now: datetime,
) -> User:
    """Somebody whose address, in its one spelling, is proven or vouched for. Raises AddressTaken."""
    if connection.scalar(select(users.c.id).where(users.c.email == email)) is not None:
        raise AddressTaken(email)
    codes.withdraw_codes_to(connection, email, codes.NOT_YET)
    row: dict[str, Any] = {
        "email": email,
        "name": name,
        "role": role.value,
        "password_hash": password_hash,
        "verified_at": now,
        "password_changed_at": None if password_hash is None else now,
        "created_at": now,
        "modified_at": now,
        "created_by": created_by,
    }
    inserted = connection.execute(insert(users).values(row)).inserted_primary_key
    assert inserted is not None
    return get_user(connection, inserted[0])


def get_user(connection: Connection, user_id: int) -> User:
    """Raises UserNotFound."""
    return user_of(_row(connection, user_id))


def find_user(connection: Connection, email: str) -> User | None:
    """The person with this address, in its one spelling."""
    row = connection.execute(select(users).where(users.c.email == email)).mappings().first()
    return None if row is None else user_of(row)


def find_login(connection: Connection, email: str) -> tuple[User, str | None] | None:
    """The same with the password's hash: for a login alone."""
    row = connection.execute(select(users).where(users.c.email == email)).mappings().first()
    return None if row is None else (user_of(row), row["password_hash"])


def password_hash_of(connection: Connection, user_id: int) -> str | None:
    """Raises UserNotFound."""
    password_hash: str | None = _row(connection, user_id)["password_hash"]
    return password_hash


def still_proven(connection: Connection, user_id: int, proof: str) -> bool:
    """Whether the hash of the password that was shown is still theirs: they may have had it reset meanwhile."""
    query = select(users.c.password_hash).where(users.c.id == user_id).with_for_update()
    return connection.scalar(query) == proof


def list_users(connection: Connection, *, part: str | None, after: str | None, limit: int) -> list[User]:
    """In the order of their addresses, from the one after `after`; `part` of an address or a name, in any case."""
    query = select(users).where(users.c.email.is_not(None)).order_by(users.c.email).limit(limit)
    if after is not None:
        query = query.where(users.c.email > after)
    if part is not None:
        wanted = part.lower()
        named = func.lower(users.c.name).contains(wanted, autoescape=True)
        query = query.where(or_(users.c.email.contains(wanted, autoescape=True), named))
    return [user_of(row) for row in connection.execute(query).mappings()]


def change_user(connection: Connection, user_id: int, now: datetime, **values: Any) -> User:
    """Sets columns. Raises UserNotFound, AddressTaken."""
    email = values.get("email")
    if email is not None:
        taken = select(users.c.id).where(users.c.email == email, users.c.id != user_id)
        if connection.scalar(taken) is not None:
            raise AddressTaken(email)
        for address in (get_user(connection, user_id).email, email):
            codes.withdraw_codes_to(connection, address, codes.NOT_YET)
    living = update(users).where(users.c.id == user_id, users.c.deleted_at.is_(None))
    connection.execute(living.values(**values, modified_at=now))
    return get_user(connection, user_id)


def erase_user(connection: Connection, user_id: int, now: datetime) -> None:
    """Forgets who it was; the id stays, for the records that name it. Raises UserNotFound."""
    codes.withdraw_codes_to(connection, get_user(connection, user_id).email, codes.NOT_YET)
    gone = {"email": None, "name": DELETED_NAME, "password_hash": None, "deleted_at": now, "modified_at": now}
    connection.execute(update(users).where(users.c.id == user_id).values(gone))
    connection.execute(delete(identities).where(identities.c.user_id == user_id))
    connection.execute(delete(one_time_codes).where(one_time_codes.c.user_id == user_id))


def note_login(
    connection: Connection, user_id: int, seen_hash: str | None, now: datetime, new_hash: str | None
) -> bool:
    """False when the account, or its password, changed while the password was being checked."""
    same = update(users).where(
        users.c.id == user_id,
        users.c.password_hash == seen_hash,
        users.c.disabled_at.is_(None),
        users.c.deleted_at.is_(None),
    )
    values = {"last_login_at": now} | ({} if new_hash is None else {"password_hash": new_hash})
    return connection.execute(same.values(values)).rowcount == 1


def keep_an_administrator(connection: Connection, user: User) -> None:
    """Raises LastAdministrator when nobody but this user could administer; call it before taking that from them.

    Of two administrators who each remove the other, the second sees that the first is gone: writers that touch
    `users` follow one another.
    """
    if able_administrators(connection) == [user.id]:
        raise LastAdministrator


def able_administrators(connection: Connection) -> list[int]:
    """The ids of those who can log in: by a password, or through a provider."""
    linked = exists().where(identities.c.user_id == users.c.id)
    able = _administrators.where(users.c.verified_at.is_not(None), or_(users.c.password_hash.is_not(None), linked))
    return list(connection.scalars(able))


def has_administrator(connection: Connection) -> bool:
    """Whether there is one, though they may have yet to set a password."""
    return connection.scalar(_administrators.limit(1)) is not None


def user_of(row: Mapping[Any, Any]) -> User:
    """From a row of `users`."""
    return User(
        id=row["id"],
        email=row["email"],
        name=row["name"],
        role=Role(row["role"]),
        verified=row["verified_at"] is not None,
        disabled=row["disabled_at"] is not None,
        has_password=row["password_hash"] is not None,
        created_at=row["created_at"],
        created_by=row["created_by"],
        last_login_at=row["last_login_at"],
    )


def _row(connection: Connection, user_id: int) -> Mapping[Any, Any]:
    living = select(users).where(users.c.id == user_id, users.c.deleted_at.is_(None))
    row = connection.execute(living).mappings().first()
    if row is None:
        raise UserNotFound(user_id)
    return row
