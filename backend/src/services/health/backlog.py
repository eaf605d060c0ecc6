"""What waits and what went wrong, as the database has it: of all processes together, for who looks from outside."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import ColumnElement, Connection, Table, and_, func, select

from backend.src.core.clock import Clock
from backend.src.core.errors import Unavailable
from backend.src.infra.sql import SQL
from backend.src.infra.sql.tables import crons, jobs, outbox, sessions, snapshots
from backend.src.services.crons import CronStatus
from backend.src.services.jobs import JobStatus
from backend.src.services.mailing.queued_mail import MailStatus

UNSENT = (MailStatus.WAITING.value, MailStatus.SENDING.value)
FAILURES = (CronStatus.FAILED.value, CronStatus.DIED.value)
FRESH_S = 5.0  # however often it is asked for, the database is asked once in this time
TIMEOUT_S = 2.0


@dataclass(frozen=True, slots=True)
class CronFigures:
    """One cron. Ages in seconds, None for never. failing: its last run failed, and it would begin by itself again."""

    success_age_s: float | None
    failures: int
    failing: bool
    paused: bool


@dataclass(frozen=True, slots=True)
class BacklogFigures:
    """jobs, mail: how many in each state. Ages in seconds, of what has waited longest; 0 when nothing waits."""

    jobs: Mapping[str, int]
    oldest_job_s: float
    mail: Mapping[str, int]
    oldest_mail_s: float
    crons: Mapping[str, CronFigures]
    sessions: int
    snapshots: int


class Backlog:
    """Reads it, seldom."""

    def __init__(self, sql: SQL, clock: Clock) -> None:
        self._sql = sql
        self._clock = clock
        self._one_look = asyncio.Lock()
        self._found: BacklogFigures | None = None
        self._found_at = float("-inf")

    async def figures(self) -> BacklogFigures | None:
        """As of at most FRESH_S ago; None while the database does not answer."""
        async with self._one_look:
            if self._clock.monotonic() - self._found_at >= FRESH_S:
                self._found, self._found_at = await self._look(), self._clock.monotonic()
            return self._found

    async def _look(self) -> BacklogFigures | None:
        now = self._clock.now()
        try:
            async with asyncio.timeout(TIMEOUT_S):
                return await self._sql.read(lambda connection: read_backlog(connection, now))
        except (Unavailable, TimeoutError):
            return None


def read_backlog(connection: Connection, now: datetime) -> BacklogFigures:
    """All of it as of one moment."""
    open_sessions = select(func.count()).where(sessions.c.revoked_at.is_(None), sessions.c.expires_at > now)
    return BacklogFigures(
        jobs=_by_status(connection, jobs),
        oldest_job_s=_oldest_s(connection, jobs, jobs.c.status == JobStatus.PENDING.value, now),
        mail=_by_status(connection, outbox),
        oldest_mail_s=_oldest_s(connection, outbox, outbox.c.status.in_(UNSENT), now),
        crons=_crons(connection, now),
        sessions=connection.scalar(open_sessions) or 0,
        snapshots=connection.scalar(select(func.count()).select_from(snapshots)) or 0,
    )


def _by_status(connection: Connection, table: Table) -> dict[str, int]:
    rows = connection.execute(select(table.c.status, func.count()).group_by(table.c.status))
    return {str(status): int(count) for status, count in rows}


def _oldest_s(connection: Connection, table: Table, waits: ColumnElement[bool], now: datetime) -> float:
    oldest = connection.scalar(select(func.min(table.c.created_at)).where(waits))
    return 0.0 if oldest is None else max(0.0, (now - oldest).total_seconds())


def _crons(connection: Connection, now: datetime) -> dict[str, CronFigures]:
    begins = and_(crons.c.due_at.is_not(None), crons.c.paused.is_(False))  # what is off is never due
    failing = and_(begins, crons.c.last_status.in_(FAILURES))
    columns = (crons.c.name, crons.c.last_success_at, crons.c.failures, failing, crons.c.paused)
    return {
        name: CronFigures(
            success_age_s=None if at is None else max(0.0, (now - at).total_seconds()),
            failures=failures,
            failing=bool(fails),
            paused=bool(paused),
        )
        for name, at, failures, fails, paused in connection.execute(select(*columns))
    }
