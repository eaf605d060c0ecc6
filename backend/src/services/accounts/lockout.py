"""Failed logins: after some in a row the next has to wait, twice as long each time.

Counted by the hash of the name that was typed, so that a name without an account is locked like any other. An
attempt is counted before its password is checked, and forgotten when that was right: a thousand at once get no more
tries than a thousand in a row.
"""

from __future__ import annotations

import hashlib
import math
from datetime import datetime, timedelta

from sqlalchemy import Connection, delete, insert, select, update

from backend.src.config.settings import AccountSettings
from backend.src.core.errors import Unauthenticated
from backend.src.infra.sql.tables import login_failures

FORGOTTEN_AFTER = timedelta(days=1)  # without another


class LockedOut(Unauthenticated):
    """Too many failed logins under this name, whether it exists or not."""

    def __init__(self, retry_after_s: int) -> None:
        super().__init__(
            f"too many failed logins: the next one is possible in {retry_after_s} s",
            remedy="wait, or have a new password sent to you",
        )
        self.retry_after_s = retry_after_s


def name_hash(name: str) -> str:
    """Under which a name's failures are kept: what people type there may be their password."""
    return hashlib.sha256(name.encode(errors="surrogatepass")).hexdigest()


def wait_s(failures: int, settings: AccountSettings) -> float:
    """How long the next attempt has to wait after so many failures in a row."""
    beyond = failures - settings.lockout_failures
    if beyond < 0:
        return 0.0
    doublings = min(beyond, 64)  # far beyond any longest wait
    return min(settings.lockout_first_s * 2.0**doublings, settings.lockout_longest_s)


def count_attempt(connection: Connection, name: str, settings: AccountSettings, now: datetime) -> float:
    """Counts an attempt that is about to be made; returns the seconds to wait when it may not be, and counts nothing.

    The caller commits either way; raising LockedOut is left to it.
    """
    key = name_hash(name)
    row = connection.execute(
        select(login_failures).where(login_failures.c.name_hash == key).with_for_update()
    ).mappings().first()  # fmt: skip
    if row is not None and row["locked_until"] is not None and row["locked_until"] > now:
        return float((row["locked_until"] - now).total_seconds())
    before = 0 if row is None or row["last_failed_at"] + FORGOTTEN_AFTER <= now else int(row["failures"])
    failures = before + 1
    wait = wait_s(failures, settings)
    values = {
        "failures": failures,
        "last_failed_at": now,
        "locked_until": now + timedelta(seconds=wait) if wait else None,
    }
    if row is None:
        connection.execute(insert(login_failures).values(name_hash=key, **values))
    else:
        connection.execute(update(login_failures).where(login_failures.c.name_hash == key).values(values))
    return 0.0


def forget_failures(connection: Connection, name: str) -> None:
    """After a login that succeeded, or a reset."""
    connection.execute(delete(login_failures).where(login_failures.c.name_hash == name_hash(name)))


def remove_old_failures(connection: Connection, now: datetime, *, limit: int) -> int:
    """Removes what would be forgotten anyway; returns how many it was."""
    old = select(login_failures.c.name_hash).where(login_failures.c.last_failed_at <= now - FORGOTTEN_AFTER)
    keys = connection.scalars(old.limit(limit)).all()
    if keys:
        connection.execute(delete(login_failures).where(login_failures.c.name_hash.in_(keys)))
    return len(keys)


def whole_seconds(seconds: float) -> int:
    """For Retry-After: never too early."""
    return max(1, math.ceil(seconds))
