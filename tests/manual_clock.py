"""A clock that moves when a test says so."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

START = datetime(2026, 1, 1, tzinfo=UTC)


class ManualClock:
    """Implements core's Clock."""

    def __init__(self) -> None:
        self._elapsed_s = 0.0

    def advance(self, seconds: float) -> None:
        """Lets time pass."""
        self._elapsed_s += seconds

    def now(self) -> datetime:
        """The present, aware, UTC."""
        return START + timedelta(seconds=self._elapsed_s)

    def time_ns(self) -> int:
        """The present, ns since 1970."""
        return int(START.timestamp()) * 1_000_000_000 + round(self._elapsed_s * 1e9)

    def monotonic(self) -> float:
        """Seconds since some moment."""
        return 1000.0 + self._elapsed_s
