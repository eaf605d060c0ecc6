"""Who died without a word: the workers whose signs of life have stopped."""

from __future__ import annotations

from collections.abc import Collection
from datetime import datetime

from backend.src.core.clock import Clock
from backend.src.services.jobs.worker_identity import WorkerIdentity


class Silence:
    """Judges workers by the signs of life that they leave in SQL, each under the name of what it works on.

    alone: no other process uses the database, so whatever another worker was at is dead. Otherwise a worker
    is dead when its process is known to be gone, or when its sign of life has not changed for dead_after_s on
    this process's own monotonic clock (the workers' clocks need not agree).
    """

    def __init__(self, clock: Clock, worker: WorkerIdentity, *, dead_after_s: float, alone: bool) -> None:
        self._clock = clock
        self._worker = worker
        self._dead_after_s = dead_after_s
        self._alone = alone
        self._seen: dict[str, tuple[datetime | None, float]] = {}

    def watch(self, names: Collection[str]) -> None:
        """What is at work now; what was seen of all else is forgotten."""
        self._seen = {name: self._seen[name] for name in names if name in self._seen}

    def is_dead(self, name: str, worker: str, beat: datetime | None) -> bool:
        """Whether the worker at this died; beat: its last sign of life."""
        # its own: what was claimed a moment ago may not be known here yet; only silence tells that nobody is at it
        foreign = worker != str(self._worker)
        if foreign and (self._alone or self._worker.knows_dead(worker)):
            return True
        now = self._clock.monotonic()
        seen, since = self._seen.get(name, (None, now))
        if seen != beat or name not in self._seen:
            self._seen[name] = (beat, now)
            return False
        return now - since >= self._dead_after_s
