"""Time, injected: aware and UTC for the calendar, monotonic for durations."""

from __future__ import annotations

import time
from datetime import UTC, datetime
from typing import Protocol


class Clock(Protocol):
    """Where every part of Larder gets its time."""

    def now(self) -> datetime:
        """The present, aware, UTC."""

    def time_ns(self) -> int:
        """The present, ns since 1970."""

    def monotonic(self) -> float:
        """Seconds that never run backwards; only differences mean anything."""


class SystemClock:
    """The machine's own clock."""

    def now(self) -> datetime:
        """The present, aware, UTC."""
        return datetime.now(UTC)

    def time_ns(self) -> int:
        """The present, ns since 1970."""
        return time.time_ns()

    def monotonic(self) -> float:
        """Seconds since some moment."""
        return time.monotonic()
