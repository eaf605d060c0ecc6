"""Refresh tokens: `lrr_` and 256 random bits, of which SQL keeps the SHA-256. Each is good for one use.

All tokens of a session are one family: the second use of one says that two hold it, and ends the session. But for a
moment after its use the answer may have been lost (a server killed, a connection dropped): while its successor was
never used, the token may be used again, and that successor is replaced.
"""

from __future__ import annotations

import re
import secrets
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any

from sqlalchemy import Connection, RowMapping, insert, select, update

from backend.src.infra.sql.tables import refresh_tokens, sessions
from backend.src.services.accounts import session_rows
from backend.src.services.accounts.session_rows import Session

PREFIX = "lrr"
RANDOM_BYTES = 32
GRACE_S = 30.0  # a server that was killed is back within it

_token = re.compile(rf"{PREFIX}_[A-Za-z0-9_-]{{43}}")


@dataclass(frozen=True, slots=True)
class Lifetimes:
    """How long a session goes on without a refresh, and how long in any case."""

    idle_s: float
    longest_s: float

    def end(self, began_at: datetime, now: datetime) -> datetime:
        """When it ends if it is not refreshed again."""
        return min(now + timedelta(seconds=self.idle_s), began_at + timedelta(seconds=self.longest_s))


class Verdict(StrEnum):
    """What became of an attempt to use a token."""

    ROTATED = "rotated"
    REFUSED = "refused"
    REUSED = "reused"


@dataclass(frozen=True, slots=True)
class Rotation:
    """session and role: of the one who refreshes; None when refused."""

    verdict: Verdict
    session: Session | None = None
    holder: RowMapping | None = None  # id, name, email, role


def new_refresh_token() -> str:
    """A fresh token; it is shown once."""
    return f"{PREFIX}_{secrets.token_urlsafe(RANDOM_BYTES)}"


def looks_like_refresh_token(text: str) -> bool:
    """Whether it is worth asking the database."""
    return _token.fullmatch(text) is not None


def insert_token(connection: Connection, session_id: str, token_hash: str, now: datetime, expires_at: datetime) -> None:
    """The newest of its family."""
    connection.execute(
        insert(refresh_tokens).values(
            token_hash=token_hash, session_id=session_id, created_at=now, expires_at=expires_at
        )
    )


def find_family(connection: Connection, token_hash: str) -> RowMapping | None:
    """session_id, user_id, expires_at and used_at of a token, whatever became of it."""
    query = (
        select(refresh_tokens.c.session_id, sessions.c.user_id, refresh_tokens.c.expires_at, refresh_tokens.c.used_at)
        .join_from(refresh_tokens, sessions)
        .where(refresh_tokens.c.token_hash == token_hash)
    )
    return connection.execute(query).mappings().first()


def rotate(
    connection: Connection, token_hash: str, successor_hash: str, now: datetime, lifetimes: Lifetimes
) -> Rotation:
    """Uses a token and prolongs its session; changes nothing unless ROTATED.

    Person, session, token are locked in this order, as by whatever ends sessions.
    """
    family = find_family(connection, token_hash)
    if family is None:
        return Rotation(Verdict.REFUSED)
    holder = session_rows.lock_person(connection, family["user_id"])
    session = session_rows.lock_session(connection, family["session_id"])
    token = _lock_token(connection, token_hash)
    if holder is None or session is None or token is None or token["expires_at"] <= now:
        return Rotation(Verdict.REFUSED)
    if token["used_at"] is not None and not _answer_was_lost(connection, token, now):
        return Rotation(Verdict.REUSED, session, holder)
    connection.execute(
        update(refresh_tokens)
        .where(refresh_tokens.c.token_hash == token_hash)
        .values(used_at=token["used_at"] or now, successor_hash=successor_hash)
    )
    expires_at = lifetimes.end(session.created_at, now)
    insert_token(connection, session.id, successor_hash, now, expires_at)
    session_rows.prolong(connection, session.id, now, expires_at)
    return Rotation(Verdict.ROTATED, session, holder)


def _lock_token(connection: Connection, token_hash: str) -> RowMapping | None:
    query = select(refresh_tokens).where(refresh_tokens.c.token_hash == token_hash).with_for_update()
    return connection.execute(query).mappings().first()


def _answer_was_lost(connection: Connection, token: Any, now: datetime) -> bool:
    """If so, the successor that nobody heard of counts as used: whoever shows it after all is a second holder."""
    if token["successor_hash"] is None or now > token["used_at"] + timedelta(seconds=GRACE_S):
        return False
    unused = update(refresh_tokens).where(
        refresh_tokens.c.token_hash == token["successor_hash"], refresh_tokens.c.used_at.is_(None)
    )
    return bool(connection.execute(unused.values(used_at=now)).rowcount)
