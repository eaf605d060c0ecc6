"""What SQL knows of a cron."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum


class CronStatus(StrEnum):
    """How a run ended. interrupted: its process was stopped; died: its process was killed or fell silent."""

    OK = "ok"
    FAILED = "failed"
    INTERRUPTED = "interrupted"
    DIED = "died"


@dataclass(frozen=True, slots=True)
class Cron:
    """One row. schedule: what due_at was found by. runner: the process that runs it at this moment."""

    name: str
    schedule: str | None = None
    paused: bool = False
    due_at: datetime | None = None
    requested: bool = False
    runner: str | None = None
    heartbeat_at: datetime | None = None
    last_started_at: datetime | None = None
    last_ended_at: datetime | None = None
    last_success_at: datetime | None = None
    last_duration_s: float | None = None
    last_status: CronStatus | None = None
    last_result: str | None = None
    runs: int = 0
    failures: int = 0
    modified_by: str | None = None

    def wants_to_run(self, now: datetime) -> bool:
        """Whether somebody should begin it."""
        due = not self.paused and self.due_at is not None and self.due_at <= now
        return self.runner is None and (self.requested or due)


@dataclass(frozen=True, slots=True)
class Ended:
    """How a run ended."""

    status: CronStatus
    result: str
    at: datetime
    duration_s: float
