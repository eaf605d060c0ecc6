"""SQL: functions of a connection, each one transaction, run in threads that are counted."""

from __future__ import annotations

import asyncio
import importlib
import logging
import random
import time
from collections.abc import Awaitable, Callable, Collection
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TypeVar

from sqlalchemy import Connection, Engine, exc, text

from backend.src.config.settings import SqlSettings
from backend.src.core.errors import StartFailed, Unavailable
from backend.src.core.final_singleton import FinalSingleton
from backend.src.infra.sql.driver_errors import is_worth_retrying, translate
from backend.src.infra.sql.engine import WRITING, make_engine
from backend.src.infra.sql.migrations import HEAD
from backend.src.infra.sql.row_cache import CacheKind, RowCache

log = logging.getLogger(__name__)

T = TypeVar("T")
Work = Callable[[Connection], T]

ATTEMPTS = 6
FIRST_PAUSE_S = 0.01


class SQL(metaclass=FinalSingleton):
    """The database. A function given to read or write may run more than once: it must do nothing but SQL."""

    def __init__(self, settings: SqlSettings, data_dir: Path, row_cache: RowCache | None = None) -> None:
        self._settings = settings
        self._data_dir = data_dir
        self._engine: Engine | None = None
        self._readers: ThreadPoolExecutor | None = None
        self._writers: ThreadPoolExecutor | None = None
        self._ending: set[asyncio.Task[object]] = set()

    @property
    def dialect(self) -> str:
        """sqlite or mysql (which MariaDB is too)."""
        return "sqlite" if self._settings.embedded else "mysql"

    async def start(self) -> None:
        """Connects and checks the schema. Raises StartFailed with the remedy."""
        if self._settings.embedded:
            self._data_dir.mkdir(parents=True, exist_ok=True)
        self._engine = make_engine(self._settings, self._data_dir)
        self._readers = ThreadPoolExecutor(self._settings.threads, "sql")
        # SQLite has one writer at a time: waiting for it in the queue of one thread costs nobody a connection
        self._writers = ThreadPoolExecutor(1, "sql-write") if self._settings.embedded else self._readers
        try:
            await self._in_thread(self._writers, self._check_schema)
        except Unavailable as error:
            await self.stop()
            raise StartFailed(error.message, remedy=error.remedy) from error
        except BaseException:
            await self.stop()
            raise

    async def stop(self) -> None:
        """Waits for the transactions under way, then closes every connection."""
        await asyncio.gather(*self._ending, return_exceptions=True)
        for threads in (self._writers, self._readers):
            if threads is not None:
                await asyncio.to_thread(threads.shutdown)
        if self._engine is not None:
            self._engine.dispose()
        self._engine = self._readers = self._writers = None

    async def ping(self) -> None:
        """Asks the database for nothing. Raises Unavailable."""
        await self.read(lambda connection: connection.scalar(text("SELECT 1")))

    async def read(self, work: Work[T]) -> T:
        """Runs `work` in a transaction that sees one state of the database. Raises Unavailable."""
        return await self._in_thread(self._readers, lambda: self._transact(work, writing=False))

    async def write(self, work: Work[T], *, touches: Collection[str] = ()) -> T:
        """Runs `work` in a transaction and commits it; again after a deadlock, because it is the whole transaction.

        Cancelling the caller does not cancel the transaction. Raises Conflict for a key that exists or a
        reference that would break, Invalid for a value that does not fit, Unavailable.
        """
        return await self._to_the_end(self._in_thread(self._writers, lambda: self._transact(work, writing=True)))

    async def cached(self, kind: CacheKind, key: str, tables: Collection[str], load: Work[T]) -> T:
        """What `load` reads from `tables`, from the cache when it is as new as the last write to them."""
        return await self.read(load)

    async def _to_the_end(self, running: Awaitable[T]) -> T:
        task = asyncio.ensure_future(running)
        self._ending.add(task)
        task.add_done_callback(self._ending.discard)
        return await asyncio.shield(task)

    async def _in_thread(self, threads: ThreadPoolExecutor | None, call: Callable[[], T]) -> T:
        if threads is None:
            raise Unavailable("the database is not open", remedy="start SQL before using it")
        return await asyncio.get_running_loop().run_in_executor(threads, call)

    # ---- in a thread ----

    def _transact(self, work: Work[T], *, writing: bool) -> T:
        pause_s = FIRST_PAUSE_S
        for attempt in range(1, ATTEMPTS + 1):
            try:
                return self._attempt(work, writing=writing)
            except exc.SQLAlchemyError as error:
                if attempt < ATTEMPTS and self._may_repeat(error, writing=writing):
                    log.info("transaction repeated (attempt %d): %s", attempt, error)
                    time.sleep(pause_s * (0.5 + random.random()))
                    pause_s *= 2
                    continue
                translated = translate(error, self._settings)
                if translated is None:
                    raise
                raise translated from error
        raise AssertionError("unreachable")

    def _attempt(self, work: Work[T], *, writing: bool) -> T:
        assert self._engine is not None
        with self._engine.connect() as connection:
            if writing:
                connection.execution_options(**{WRITING: True})
            with connection.begin():
                return work(connection)

    def _may_repeat(self, error: exc.SQLAlchemyError, *, writing: bool) -> bool:
        # a lost connection: a read may be asked again; a write may have been committed
        lost = isinstance(error, exc.DBAPIError) and error.connection_invalidated
        return is_worth_retrying(error) or (lost and not writing)

    def _check_schema(self) -> None:
        current = self._transact(_revision, writing=False)
        if current == HEAD:
            return
        if current is not None and current > HEAD:
            raise StartFailed(f"the database has schema {current}, newer than {HEAD}", remedy="use a newer Larder")
        if not self._settings.embedded:
            raise StartFailed(
                f"the database has schema {current or 'none'}, this Larder needs {HEAD}",
                remedy="run `python -m backend.src migrate`",
            )
        _upgrade(self._engine)


def _revision(connection: Connection) -> str | None:
    if not connection.dialect.has_table(connection, "alembic_version"):
        return None
    revision: str | None = connection.scalar(text("SELECT version_num FROM alembic_version"))
    return revision


def _upgrade(engine: Engine | None) -> None:
    # loaded on need: Alembic costs a third of a second, and a start with the schema at head does without
    importlib.import_module("backend.src.infra.sql.migrate").upgrade_to_head(engine)
