"""Failed logins: after some in a row the next has to wait, twice as long each time.

Counted by the hash of the name that was typed, so that a name without an account is locked like any other. An
attempt is counted before its password is checked, and forgotten when that was right: a thousand at once get no more
tries than a thousand in a row.
"""

from __future__ import annotations

import hashlib
import math
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import Connection, RowMapping, delete, insert, select, update

from backend.src.config.settings import AccountSettings
from backend.src.core.errors import Unauthenticated
from backend.src.infra.sql.tables import login_failures
from backend.src.services.audit import AuditEntry, audit_rows

FORGOTTEN_AFTER = timedelta(days=1)  # without another


class LockedOut(Unauthenticated):
    """Too many failed logins under this name, whether it exists or not."""

    def __init__(self, wait_s: float) -> None:
        self.retry_after_s = max(1, math.ceil(wait_s))  # never too early
        super().__init__(
            f"too many failed logins: the next one is possible in {self.retry_after_s} s",
            remedy="wait, or have a new password sent to you",
        )


@dataclass(frozen=True, slots=True)
class Attempt:
    """A login about to be tried. wait_s: not now, and not counted, but after so long; 0.0 when it may be.

    locked_until: when it fails, and is the first of a row to lock the name, until when.
    """

    wait_s: float = 0.0
    locked_until: datetime | None = None


def name_hash(name: str) -> str:
    """Under which a name's failures are kept: what people type there may be their password."""
    return hashlib.sha256(name.encode(errors="surrogatepass")).hexdigest()


def shown_hash(name: str) -> str:
    """The same for the audit trail: long enough to tell names apart."""
    return name_hash(name)[:16]


def wait_s(failures: int, settings: AccountSettings) -> float:
    """How long the next attempt has to wait after so many failures in a row."""
    beyond = failures - settings.lockout_failures
    if beyond < 0:
        return 0.0
    doublings = min(beyond, 64)  # far beyond any longest wait
    return min(settings.lockout_first_s * 2.0**doublings, settings.lockout_longest_s)


def count_attempt(connection: Connection, name: str, settings: AccountSettings, now: datetime) -> Attempt:
    """Counts an attempt that is about to be made; one that may not be is not counted."""
    key, row = name_hash(name), _lock_row(connection, name)
    if row is not None and row["locked_until"] is not None and row["locked_until"] > now:
        return Attempt(wait_s=(row["locked_until"] - now).total_seconds())
    before = 0 if row is None or row["last_failed_at"] + FORGOTTEN_AFTER <= now else int(row["failures"])
    failures = before + 1
    wait = wait_s(failures, settings)
    locked_until = now + timedelta(seconds=wait) if wait else None
    values = {"failures": failures, "last_failed_at": now, "locked_until": locked_until}
    if row is None:
        connection.execute(insert(login_failures).values(name_hash=key, **values))
    else:
        connection.execute(update(login_failures).where(login_failures.c.name_hash == key).values(values))
    return Attempt(locked_until=locked_until if failures == settings.lockout_failures else None)


def take_back(connection: Connection, name: str, settings: AccountSettings) -> None:
    """An attempt was counted, and then there was nobody to check its password."""
    row = _lock_row(connection, name)
    if row is None:
        return
    failures = max(0, int(row["failures"]) - 1)
    still_locked = row["locked_until"] if wait_s(failures, settings) else None
    same = update(login_failures).where(login_failures.c.name_hash == row["name_hash"])
    connection.execute(same.values(failures=failures, locked_until=still_locked))


def note_lock(connection: Connection, name: str, now: datetime) -> None:
    """The attempt that locks the name has failed, a little after it was counted."""
    failed = update(login_failures).where(login_failures.c.name_hash == name_hash(name))
    connection.execute(failed.values(last_failed_at=now))
    audit_rows.insert_entry(connection, AuditEntry("login.locked", detail={"name": shown_hash(name)}), now)


def forget_failures(connection: Connection, name: str) -> None:
    """After a login that succeeded, or a reset."""
    connection.execute(delete(login_failures).where(login_failures.c.name_hash == name_hash(name)))


def _lock_row(connection: Connection, name: str) -> RowMapping | None:
    mine = select(login_failures).where(login_failures.c.name_hash == name_hash(name))
    return connection.execute(mine.with_for_update()).mappings().first()
