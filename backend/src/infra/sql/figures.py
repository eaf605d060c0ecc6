"""What the database and its cache were asked, counted; cheap enough for every statement."""

from __future__ import annotations

from enum import StrEnum
from threading import Lock

from sqlalchemy import Engine, event

from backend.src.core.histogram import Histogram
from backend.src.infra.sql.row_cache import CacheKind

# upper bounds of the histogram, seconds: an embedded cache, a Redis on the network, a database, one in trouble
BOUNDS_S = (0.000_1, 0.000_25, 0.000_5, 0.001, 0.002_5, 0.005, 0.01, 0.025, 0.1, 0.5)


class Outcome(StrEnum):
    """How a cached read ended."""

    HIT = "hit"
    MISS = "miss"  # not in the cache
    STALE = "stale"  # in the cache, and older than it may be
    BYPASSED = "bypassed"  # no cache could be asked


class SqlFigures:
    """The figures of one SQL. Reads are counted on the event loop, statements in whatever thread runs them."""

    def __init__(self) -> None:
        self.reads = {(kind, outcome): 0 for kind in CacheKind for outcome in Outcome}
        self.durations = {outcome: Histogram(BOUNDS_S) for outcome in Outcome}
        self.statements = 0
        self._lock = Lock()

    def note_read(self, kind: CacheKind, outcome: Outcome, seconds: float) -> None:
        """One cached read has been answered."""
        self.reads[kind, outcome] += 1
        self.durations[outcome].add(seconds)

    def count_statements_of(self, engine: Engine) -> None:
        """From now on every statement that goes to the database counts."""
        event.listen(engine, "before_cursor_execute", self._note_statement)

    def _note_statement(self, _connection: object, _cursor: object, statement: str, *_about: object) -> None:
        if statement.startswith("BEGIN"):  # of SQLite's own transactions
            return
        with self._lock:
            self.statements += 1
