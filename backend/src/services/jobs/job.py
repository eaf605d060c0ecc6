"""What a job is: a row that says what was asked, by whom, how far it is and how it ended."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any

from backend.src.core.errors import LarderError, NotFound


class JobStatus(StrEnum):
    """pending -> running -> completed, failed or aborted; pending may also end at once."""

    PENDING = "pending"
    RUNNING = "running"
    COMPLETED = "completed"
    FAILED = "failed"
    ABORTED = "aborted"

    @property
    def ended(self) -> bool:
        """Nothing about the job changes any more."""
        return self not in (JobStatus.PENDING, JobStatus.RUNNING)


@dataclass(frozen=True, slots=True)
class Job:
    """One job as SQL has it; progress in percent."""

    id: str
    type: str
    status: JobStatus
    progress: int
    message: str | None
    actor: str | None
    data: dict[str, Any] | None
    result_id: str | None
    error: str | None
    created_at: datetime
    started_at: datetime | None
    completed_at: datetime | None
    worker: str | None
    heartbeat_at: datetime | None
    abort_requested: bool


class JobNotFound(NotFound):
    """The id names no job."""

    def __init__(self, job_id: str) -> None:
        super().__init__(f"job {job_id} not found")


class JobAborted(LarderError):
    """A handler raises it when it stopped because it was asked to; `message` says how far it got."""

    def __init__(self, message: str = "aborted", *, result_id: str | None = None) -> None:
        super().__init__(message)
        self.result_id = result_id
