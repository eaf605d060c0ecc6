"""Jobs in SQL. Every change of state is one conditional UPDATE, so two processes can never both make it."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import Connection, Select, and_, delete, insert, or_, select, update

from backend.src.infra.sql.tables import jobs
from backend.src.services.jobs.job import Job, JobNotFound, JobStatus

LONGEST_MESSAGE = 4_000


def insert_job(connection: Connection, row: Mapping[str, Any]) -> Job:
    """A pending job."""
    connection.execute(insert(jobs).values(**row, status=JobStatus.PENDING.value, progress=0, abort_requested=False))
    return get_job(connection, row["id"])


def get_job(connection: Connection, job_id: str) -> Job:
    """Raises JobNotFound."""
    row = connection.execute(select(jobs).where(jobs.c.id == job_id)).mappings().first()
    if row is None:
        raise JobNotFound(job_id)
    return _job(row)


def list_jobs(
    connection: Connection,
    *,
    status: JobStatus | None,
    type_: str | None,
    after: tuple[datetime, str] | None,
    limit: int,
) -> list[Job]:
    """Newest first, those after the one with this creation time and id."""
    query = select(jobs).order_by(jobs.c.created_at.desc(), jobs.c.id.desc()).limit(limit)
    if status is not None:
        query = query.where(jobs.c.status == status.value)
    if type_ is not None:
        query = query.where(jobs.c.type == type_)
    if after is not None:
        at, job_id = after
        query = query.where(or_(jobs.c.created_at < at, and_(jobs.c.created_at == at, jobs.c.id < job_id)))
    return [_job(row) for row in connection.execute(query).mappings()]


def claim_next(
    connection: Connection,
    worker: str,
    types: Mapping[str, float | None],
    now: datetime,
    only: Collection[str] | None = None,
) -> Job | None:
    """The oldest pending job of these types becomes this worker's; None when there is none.

    `types` gives for each the seconds after which it must not begin any more; `only` are the ids to choose from.
    """
    for job_id in connection.scalars(_pending(types, now, only)).all():
        claimed = update(jobs).where(jobs.c.id == job_id, jobs.c.status == JobStatus.PENDING.value)
        values = {"status": JobStatus.RUNNING.value, "worker": worker, "started_at": now, "heartbeat_at": now}
        if connection.execute(claimed.values(values)).rowcount == 1:
            return get_job(connection, job_id)
    return None


def _pending(types: Mapping[str, float | None], now: datetime, only: Collection[str] | None) -> Select[str]:
    young = [
        jobs.c.type == name if within_s is None else and_(jobs.c.type == name, _begun_by(within_s, now))
        for name, within_s in types.items()
    ]
    pending = select(jobs.c.id).where(jobs.c.status == JobStatus.PENDING.value, or_(*young))
    if only is not None:
        pending = pending.where(jobs.c.id.in_(only))
    return pending.order_by(jobs.c.created_at, jobs.c.id).limit(8)  # a few: another worker may win the first


def _begun_by(within_s: float, now: datetime) -> Any:
    return jobs.c.created_at >= now - timedelta(seconds=within_s)


def expire_pending(connection: Connection, type_: str, within_s: float, now: datetime) -> list[str]:
    """Fails the jobs of this type that waited too long to begin; returns their ids."""
    late = select(jobs.c.id).where(
        jobs.c.type == type_, jobs.c.status == JobStatus.PENDING.value, ~_begun_by(within_s, now)
    )
    error = f"it had not begun after {within_s:g} s, so it was not begun at all"
    return [
        job_id
        for job_id in connection.scalars(late).all()
        if _end(connection, job_id, JobStatus.PENDING, JobStatus.FAILED, now, error=error)
    ]


def write_progress(connection: Connection, worker: str, progress: Mapping[str, tuple[int, str | None]]) -> None:
    """Progress and message of running jobs of this worker."""
    for job_id, (percent, message) in sorted(progress.items()):
        values: dict[str, Any] = {"progress": percent}
        if message is not None:
            values["message"] = message[:LONGEST_MESSAGE]
        connection.execute(_running_here(job_id, worker).values(values))


def beat(connection: Connection, worker: str, job_ids: Collection[str], now: datetime) -> dict[str, bool]:
    """Signs of life; returns, for each job that is still this worker's, whether its abort was asked for."""
    if not job_ids:
        return {}
    mine = and_(jobs.c.id.in_(sorted(job_ids)), jobs.c.worker == worker, jobs.c.status == JobStatus.RUNNING.value)
    connection.execute(update(jobs).where(mine).values(heartbeat_at=now))
    rows: Sequence[Any] = connection.execute(select(jobs.c.id, jobs.c.abort_requested).where(mine)).all()
    return {job_id: bool(abort) for job_id, abort in rows}


def end_running(
    connection: Connection,
    job_id: str,
    worker: str,
    status: JobStatus,
    now: datetime,
    *,
    progress: int,
    message: str | None,
    result_id: str | None = None,
    error: str | None = None,
) -> bool:
    """Records how a job of this worker ended. False when it is no longer this worker's to end."""
    values: dict[str, Any] = {
        "status": status.value,
        "completed_at": now,
        "progress": progress,
        "result_id": result_id,
        "error": None if error is None else error[:LONGEST_MESSAGE],
    }
    if message is not None:
        values["message"] = message[:LONGEST_MESSAGE]
    return connection.execute(_running_here(job_id, worker).values(values)).rowcount == 1


def request_abort(connection: Connection, job_id: str, now: datetime) -> Job:
    """Ends a pending job at once and marks a running one; one that has ended stays as it is. Raises JobNotFound."""
    if not _end(connection, job_id, JobStatus.PENDING, JobStatus.ABORTED, now):
        running = update(jobs).where(jobs.c.id == job_id, jobs.c.status == JobStatus.RUNNING.value)
        connection.execute(running.values(abort_requested=True))
    return get_job(connection, job_id)


def running_jobs(connection: Connection) -> list[tuple[str, str, datetime]]:
    """Id, worker and last sign of life of each running job."""
    query = select(jobs.c.id, jobs.c.worker, jobs.c.heartbeat_at).where(jobs.c.status == JobStatus.RUNNING.value)
    return [(row.id, row.worker or "", row.heartbeat_at) for row in connection.execute(query)]


def fail_dead(connection: Connection, job_id: str, worker: str, seen: datetime, now: datetime, error: str) -> bool:
    """Fails a job whose worker died, unless it gave a sign of life after `seen`."""
    dead = _running_here(job_id, worker).where(jobs.c.heartbeat_at == seen)
    values = {"status": JobStatus.FAILED.value, "completed_at": now, "error": error}
    return connection.execute(dead.values(values)).rowcount == 1


def ended_before(connection: Connection, moment: datetime, limit: int) -> list[Job]:
    """The oldest of the jobs that ended before then."""
    # by creation: it has an index, and no job ends before it was made
    old = and_(jobs.c.created_at < moment, jobs.c.completed_at < moment)
    query = select(jobs).where(old).order_by(jobs.c.created_at, jobs.c.id).limit(limit)
    return [_job(row) for row in connection.execute(query).mappings()]


def remove(connection: Connection, job_ids: Collection[str]) -> int:
    """Forgets jobs that have ended; returns how many."""
    gone = delete(jobs).where(jobs.c.id.in_(sorted(job_ids)), jobs.c.completed_at.is_not(None))
    return connection.execute(gone).rowcount


def _running_here(job_id: str, worker: str) -> Any:
    return update(jobs).where(jobs.c.id == job_id, jobs.c.worker == worker, jobs.c.status == JobStatus.RUNNING.value)


def _end(
    connection: Connection, job_id: str, was: JobStatus, status: JobStatus, now: datetime, error: str | None = None
) -> bool:
    ended = update(jobs).where(jobs.c.id == job_id, jobs.c.status == was.value)
    values = {"status": status.value, "completed_at": now, "error": error}
    return connection.execute(ended.values(values)).rowcount == 1


def _job(row: Mapping[Any, Any]) -> Job:
    fields = dict(row)
    return Job(**{**fields, "status": JobStatus(fields["status"]), "abort_requested": bool(fields["abort_requested"])})
