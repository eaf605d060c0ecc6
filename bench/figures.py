"""What is measured, and what it shall be."""

from __future__ import annotations

import statistics
from collections import defaultdict
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from enum import StrEnum
from time import perf_counter


class Work(StrEnum):
    """One figure; the value is how the report names it."""

    START = "start to ready, empty"
    IMPORT = "`import` of the whole list (the command)"
    START_FULL = "start to ready, with the whole list"
    LIVE = "every PV live, from start"
    SNAPSHOT_CACHED = "snapshot from the live table"
    SNAPSHOT_FORCED = "snapshot by a forced read"
    GET = "GET of a snapshot with all values"
    COMPARE = "compare two snapshots"
    COMPARE_LIVE = "compare with the live machine"
    LIST = "list of snapshots"
    RESTORE = "restore every value, verified"
    STOP = "shutdown"
    SNAPSHOT_DEAD = "forced snapshot with 1 % dead"
    RESTORE_DEAD = "restore with 1 % dead"
    MONITOR = "one monitor update, CPU"
    AIOCA_CONNECT = "aioca: connect"
    AIOCA_READ = "aioca: forced read"
    AIOCA_WRITE = "aioca: write with completion"
    AIOCA_MONITOR = "aioca: one monitor update, CPU"


@dataclass(frozen=True, slots=True)
class Target:
    """The most a figure may be, in seconds, and what Squirrel took for the same work on a machine like this one."""

    at_most_s: float | None = None
    squirrel_s: float | None = None


# for 40,000 PVs, embedded, two cores
TARGETS = {
    Work.START: Target(2.5),
    Work.IMPORT: Target(5.0, 81.0),
    Work.START_FULL: Target(2.5),
    Work.LIVE: Target(8.0, 19.0),
    Work.SNAPSHOT_CACHED: Target(0.7, 3.2),
    Work.SNAPSHOT_FORCED: Target(1.2, 21.0),
    Work.GET: Target(1.0, 8.6),
    Work.COMPARE: Target(0.5, 8.5),
    Work.COMPARE_LIVE: Target(),
    Work.LIST: Target(0.05, 17.5),
    Work.RESTORE: Target(8.0, 33.0),
    Work.STOP: Target(2.0),
    Work.SNAPSHOT_DEAD: Target(None, 414.0),
    Work.RESTORE_DEAD: Target(),
}

# the same work, done by Larder and by a script of a few lines
PAIRS = (
    ("connect every PV and have its value", Work.LIVE, Work.AIOCA_CONNECT),
    ("read every PV now", Work.SNAPSHOT_FORCED, Work.AIOCA_READ),
    ("write every PV, with completion", Work.RESTORE, Work.AIOCA_WRITE),
    ("follow one update of one PV", Work.MONITOR, Work.AIOCA_MONITOR),
)


class Samples:
    """Seconds, as often as each work was done."""

    def __init__(self) -> None:
        self._seconds: defaultdict[Work, list[float]] = defaultdict(list)

    def add(self, work: Work, seconds: float) -> None:
        """Keeps one."""
        self._seconds[work].append(seconds)

    @contextmanager
    def time(self, work: Work) -> Iterator[None]:
        """Keeps what the block takes."""
        began = perf_counter()
        yield
        self.add(work, perf_counter() - began)

    def __contains__(self, work: Work) -> bool:
        return work in self._seconds

    def of(self, work: Work) -> list[float]:
        """All of them."""
        return self._seconds[work]

    def median(self, work: Work) -> float:
        """The middle one. Raises statistics.StatisticsError when there is none."""
        return statistics.median(self._seconds[work])
