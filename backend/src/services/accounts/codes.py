"""One-time codes in SQL: verification, reset, change of address, invitation.

A code is 256 random bits; SQL keeps its SHA-256. What using it brings about is in its row, and happens in the
transaction that marks it used: either both or neither. Each function runs inside a transaction of its caller.
"""

from __future__ import annotations

import secrets
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any

from sqlalchemy import Connection, and_, delete, func, insert, select, update

from backend.src.core.errors import Conflict, FieldError, Invalid
from backend.src.infra.sql.tables import one_time_codes as codes
from backend.src.services.accounts.principal import Role
from backend.src.services.accounts.tokens import hash_of

RANDOM_BYTES = 32
ID_LENGTH = 16  # of the hash: enough to name one, useless to who wants to use it
MOST_MAILS_AN_HOUR = 5  # to one address


class Purpose(StrEnum):
    """What a code is good for, and for nothing else."""

    REGISTRATION = "registration"  # no account yet: name and password are in the row
    INVITATION = "invitation"  # no account yet: whoever uses it brings name and password
    RESET = "reset"
    ADDRESS = "address"  # the new one is in the row


NOT_YET = (Purpose.REGISTRATION, Purpose.INVITATION)  # of an address without an account


@dataclass(frozen=True, slots=True)
class Code:
    """What a code stands for."""

    code_hash: str
    purpose: Purpose
    user_id: int | None
    email: str | None
    role: Role | None
    name: str | None
    password_hash: str | None
    created_at: datetime
    created_by: str | None
    expires_at: datetime
    used_at: datetime | None

    @property
    def id(self) -> str:
        """By which an administrator names it."""
        return self.code_hash[:ID_LENGTH]


@dataclass(frozen=True, slots=True, kw_only=True)
class CodeDraft:
    """A code to be made."""

    purpose: Purpose
    lifetime_s: float
    user_id: int | None = None
    email: str | None = None
    role: Role | None = None
    name: str | None = None
    password_hash: str | None = None
    created_by: str | None = None


class CodeUsed(Conflict):
    """It did what it was for, once."""

    def __init__(self) -> None:
        super().__init__("this code was used already", remedy="log in; if that was not you, have your password reset")


class CodeUnknown(Invalid):
    """Never made, expired, withdrawn, or for another purpose."""

    def __init__(self) -> None:
        super().__init__(
            "this code is not known, or has expired",
            errors=[FieldError(("code",), "not known, or expired")],
            remedy="ask for another one",
        )


def new_code() -> str:
    """A fresh code; it leaves in a mail, or is shown once."""
    return secrets.token_urlsafe(RANDOM_BYTES)


def insert_code(connection: Connection, code: str, draft: CodeDraft, now: datetime) -> Code:
    """Keeps what the code stands for."""
    row: dict[str, Any] = {
        "code_hash": hash_of(code),
        "purpose": draft.purpose.value,
        "user_id": draft.user_id,
        "email": draft.email,
        "role": None if draft.role is None else draft.role.value,
        "name": draft.name,
        "password_hash": draft.password_hash,
        "created_at": now,
        "created_by": draft.created_by,
        "expires_at": now + timedelta(seconds=draft.lifetime_s),
    }
    connection.execute(insert(codes).values(row))
    return _code({**row, "used_at": None})


def find_code(connection: Connection, code: str, purposes: tuple[Purpose, ...], now: datetime) -> Code:
    """What a code that can be used stands for. Raises CodeUsed, CodeUnknown."""
    mine = and_(codes.c.code_hash == hash_of(code), codes.c.purpose.in_([purpose.value for purpose in purposes]))
    row = connection.execute(select(codes).where(mine)).mappings().first()
    if row is None or (row["used_at"] is None and row["expires_at"] <= now):
        raise CodeUnknown
    if row["used_at"] is not None:
        raise CodeUsed
    return _code(row)


def use_code(connection: Connection, found: Code, now: datetime) -> None:
    """Marks it used; of two at once, one. Raises CodeUsed for the other, CodeUnknown when it was withdrawn."""
    unused = update(codes).where(codes.c.code_hash == found.code_hash, codes.c.used_at.is_(None))
    if connection.execute(unused.values(used_at=now, password_hash=None)).rowcount:
        return
    still = connection.scalar(select(codes.c.code_hash).where(codes.c.code_hash == found.code_hash))
    raise CodeUnknown if still is None else CodeUsed


def find_invitation(connection: Connection, email: str, now: datetime) -> Code | None:
    """The newest that this address, in its one spelling, could use."""
    query = select(codes).where(codes.c.email == email, *_open(Purpose.INVITATION, now))
    row = connection.execute(query.order_by(codes.c.created_at.desc()).limit(1)).mappings().first()
    return None if row is None else _code(row)


def open_invitations(connection: Connection, now: datetime) -> list[Code]:
    """Those that can still be used, newest first."""
    query = select(codes).where(*_open(Purpose.INVITATION, now)).order_by(codes.c.created_at.desc())
    return [_code(row) for row in connection.execute(query).mappings()]


def withdraw_invitation(connection: Connection, code_id: str, now: datetime) -> bool:
    """False when there is none to withdraw."""
    named = codes.c.code_hash.startswith(code_id, autoescape=True)
    return connection.execute(delete(codes).where(named, *_open(Purpose.INVITATION, now))).rowcount > 0


def withdraw_codes(connection: Connection, user_id: int) -> None:
    """Those of a person, for a new password or address, that were not used: others may have had them mailed."""
    connection.execute(delete(codes).where(codes.c.user_id == user_id, codes.c.used_at.is_(None)))


def withdraw_codes_to(connection: Connection, email: str, purposes: tuple[Purpose, ...]) -> None:
    """The unused ones of an address, whoever asked for them."""
    wanted = codes.c.purpose.in_([purpose.value for purpose in purposes])
    connection.execute(delete(codes).where(codes.c.email == email, wanted, codes.c.used_at.is_(None)))


def too_many_mails(connection: Connection, email: str, now: datetime) -> bool:
    """Whether this address had its share: nobody's mailbox is filled by somebody else."""
    lately = (codes.c.email == email, codes.c.created_at > now - timedelta(hours=1))
    count = connection.scalar(select(func.count()).select_from(codes).where(*lately)) or 0
    return count >= MOST_MAILS_AN_HOUR


def _open(purpose: Purpose, now: datetime) -> tuple[Any, ...]:
    return codes.c.purpose == purpose.value, codes.c.used_at.is_(None), codes.c.expires_at > now


def _code(row: Mapping[Any, Any]) -> Code:
    return Code(
        code_hash=row["code_hash"],
        purpose=Purpose(row["purpose"]),
        user_id=row["user_id"],
        email=row["email"],
        role=None if row["role"] is None else Role(row["role"]),
        name=row["name"],
        password_hash=row["password_hash"],
        created_at=row["created_at"],
        created_by=row["created_by"],
        expires_at=row["expires_at"],
        used_at=row["used_at"],
    )
