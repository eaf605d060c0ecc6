"""One restore at a time over all processes.

The lock belongs to a job, and only as long as that job is pending or running: the reaper of jobs, which fails the
job of a process that died, frees the lock with it. Taking it is one conditional UPDATE.
"""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import ColumnElement, Connection, exists, insert, or_, select, update

from backend.src.core.errors import Busy, Conflict
from backend.src.infra.sql import SQL
from backend.src.infra.sql.tables import jobs, locks
from backend.src.services.jobs import JobStatus

NAME = "restore"
NOBODY = ""


class RestoreLock:
    """Held by a job."""

    def __init__(self, sql: SQL) -> None:
        self._sql = sql

    async def acquire(self, job_id: str, now: datetime) -> None:
        """The job's own lock is had again. Raises Busy naming the job that holds it."""
        await self._ensure_row(now)
        if not await self._sql.write(lambda db: _take(db, job_id, now)):
            raise await self._busy()

    async def release(self, job_id: str) -> None:
        """Harmless for a job that does not hold it."""
        freed = update(locks).where(locks.c.name == NAME, locks.c.owner == job_id).values(owner=NOBODY)
        await self._sql.write(lambda db: db.execute(freed) and None)

    async def check_free(self) -> None:
        """Raises Busy when a restore is under way."""
        if await self._sql.read(_holder) is not None:
            raise await self._busy()

    async def _busy(self) -> Busy:
        holder = await self._sql.read(_holder)
        running = f" (job {holder})" if holder else ""
        return Busy(f"another restore is under way{running}", remedy="wait for its end, or abort it")

    async def _ensure_row(self, now: datetime) -> None:
        row = {"name": NAME, "owner": NOBODY, "acquired_at": now, "heartbeat_at": now}
        if await self._sql.read(lambda db: db.scalar(select(locks.c.name).where(locks.c.name == NAME))) is None:
            try:
                await self._sql.write(lambda db: db.execute(insert(locks).values(row)) and None)
            except Conflict:
                return  # another process was first


def _take(connection: Connection, job_id: str, now: datetime) -> bool:
    free = or_(locks.c.owner == job_id, ~_owner_lives())
    taken = update(locks).where(locks.c.name == NAME, free).values(owner=job_id, acquired_at=now, heartbeat_at=now)
    return connection.execute(taken).rowcount == 1


def _owner_lives() -> ColumnElement[bool]:
    alive = (JobStatus.PENDING.value, JobStatus.RUNNING.value)
    return exists().where(jobs.c.id == locks.c.owner, jobs.c.status.in_(alive))


def _holder(connection: Connection) -> str | None:
    return connection.scalar(select(locks.c.owner).where(locks.c.name == NAME, _owner_lives()))
