"""What a handler gets to know and to say while its job runs."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

from backend.src.services.jobs.job import Job, JobAborted


class JobContext:
    """One running job, seen by its handler. `progress` may be called from any thread, as often as one likes."""

    def __init__(self, job: Job) -> None:
        self.job_id = job.id
        self.actor = job.actor or ""
        self.data: dict[str, Any] = job.data or {}
        self.abort = asyncio.Event()
        self._percent = 0
        self._message: str | None = None
        self._unwritten = False

    def progress(self, percent: float, message: str | None = None) -> None:
        """Notes how far the job is, 0..100; it is written a few times a second."""
        self._percent = max(0, min(100, int(percent)))
        self._message = message if message is not None else self._message
        self._unwritten = True

    def raise_if_aborted(self, message: str = "aborted") -> None:
        """Raises JobAborted when somebody asked for the end."""
        if self.abort.is_set():
            raise JobAborted(message)

    @property
    def latest(self) -> tuple[int, str | None]:
        """Percent and message as last noted."""
        return self._percent, self._message

    def take_unwritten(self) -> tuple[int, str | None] | None:
        """The progress if it changed since the last call."""
        if not self._unwritten:
            return None
        self._unwritten = False
        return self.latest


Handler = Callable[[JobContext], Awaitable[str | None]]
"""Does the work and returns the id of what it made, if anything.

Raises JobAborted when it stopped because context.abort was set, any LarderError when it failed.
"""
