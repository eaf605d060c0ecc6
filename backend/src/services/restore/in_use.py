"""Which snapshots a restore needs at this moment."""

from __future__ import annotations

from sqlalchemy import Connection, select

from backend.src.infra.sql.tables import jobs
from backend.src.services.jobs import JobStatus
from backend.src.services.restore.models import JOB_TYPE

UNDER_WAY = (JobStatus.PENDING.value, JobStatus.RUNNING.value)


def snapshots_in_use(connection: Connection) -> frozenset[str]:
    """The ids of those that restores under way, or about to begin, put back."""
    under_way = select(jobs.c.data).where(jobs.c.type == JOB_TYPE, jobs.c.status.in_(UNDER_WAY))
    return frozenset(data["snapshotId"] for data in connection.scalars(under_way) if data and "snapshotId" in data)
