"""SQL: functions of a connection, each one transaction, run in threads that are counted."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Collection, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import update_wrapper
from pathlib import Path
from typing import Any, TypeVar

from sqlalchemy import Connection, text

from backend.src.config.settings import SqlSettings
from backend.src.core.clock import Clock, SystemClock
from backend.src.core.errors import StartFailed, Unavailable
from backend.src.core.final_singleton import FinalSingleton
from backend.src.core.log_context import carried
from backend.src.infra.sql.codec import decode, encode
from backend.src.infra.sql.engine import make_engine
from backend.src.infra.sql.figures import SqlFigures
from backend.src.infra.sql.generations import raise_generations
from backend.src.infra.sql.row_cache import CacheKind, RowCache
from backend.src.infra.sql.schema import check_schema
from backend.src.infra.sql.transactions import Transactions
from backend.src.infra.sql.write_through import CachedQuery, WriteThrough

T = TypeVar("T")
Work = Callable[[Connection], T]
Through = Callable[[T], Sequence[CachedQuery[Any]]]


class SQL(metaclass=FinalSingleton):
    """The database. A function given to read or write may run more than once: it must do nothing but SQL."""

    def __init__(
        self, settings: SqlSettings, data_dir: Path, row_cache: RowCache | None = None, clock: Clock | None = None
    ) -> None:
        self._settings = settings
        self._data_dir = data_dir
        self._transactions: Transactions | None = None
        self._readers: ThreadPoolExecutor | None = None
        self._writers: ThreadPoolExecutor | None = None
        self.figures = SqlFigures()
        # with no cache at all, another process that has one is behind by LEASE_S at most
        self._through = (
            WriteThrough(self.read, row_cache, settings, clock or SystemClock(), self.figures) if row_cache else None
        )
        self._ending: set[asyncio.Task[object]] = set()
        self._written: dict[str, int] = {}

    @property
    def dialect(self) -> str:
        """sqlite or mysql (which MariaDB is too)."""
        return "sqlite" if self._settings.embedded else "mysql"

    async def start(self) -> None:
        """Connects; embedded, it also brings the schema to HEAD. Raises StartFailed with the remedy."""
        transactions = Transactions(make_engine(self._settings, self._data_dir), self._settings)
        self._transactions = transactions
        self.figures.count_statements_of(transactions.engine)
        self._readers = ThreadPoolExecutor(self._settings.threads, "sql")
        # SQLite has one writer at a time: waiting for it in the queue of one thread costs nobody a connection
        self._writers = ThreadPoolExecutor(1, "sql-write") if self._settings.embedded else self._readers
        loop = asyncio.get_running_loop()
        try:
            await loop.run_in_executor(
                self._writers, lambda: check_schema(transactions, upgrade=self._settings.embedded)
            )
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
        if self._transactions is not None:
            self._transactions.engine.dispose()
        self._transactions = self._readers = self._writers = None

    async def ping(self) -> None:
        """Asks the database for nothing. Raises Unavailable."""
        await self.read(lambda connection: connection.scalar(text("SELECT 1")))

    async def read(self, work: Work[T]) -> T:
        """Runs `work` in a transaction that sees one state of the database. Raises Unavailable."""
        return await self._run(self._readers, work, writing=False)

    async def cached(self, kind: CacheKind, key: str, tables: Collection[str], load: Work[T]) -> T:
        """What `load` reads from `tables`: from the cache when it is as new as the last write that touched them.

        The value comes back through codec.py, cached or not: tuples as lists. Raises what `load` raises, Unavailable.
        """
        query = CachedQuery(kind, key, tables, load)
        if self._through is None:
            return decode(await self.read(lambda connection: encode(load(connection))))  # type: ignore[no-any-return]
        return await self._through.read(query)

    async def write(self, work: Work[T], *, touches: Collection[str] = (), through: Through[T] | None = None) -> T:
        """Runs `work` in a transaction and commits it; again after a deadlock, because it is the whole transaction.

        No cached read that begins after this has returned sees older rows of the tables it `touches`; writers that
        touch a common table follow one another. The queries that `through` makes of the result are asked in the same
        transaction, and their answers put in the cache. Cancelling the caller does not cancel the transaction.
        Raises Conflict for a key that exists or a reference that would break, Invalid for a value that does not fit,
        Unavailable.
        """
        return await self._to_the_end(self._write(work, frozenset(touches), through))

    def written(self, tables: Collection[str]) -> int:
        """Rises when a write of this process that touches one of them returns: what was read before may be old."""
        return sum(self._written.get(table, 0) for table in tables)

    async def _write(self, work: Work[T], touches: Collection[str], through: Through[T] | None) -> T:
        server = self._through.server if self._through else ""

        def transaction(connection: Connection) -> tuple[T, Mapping[str, int], list[tuple[CachedQuery[Any], bytes]]]:
            generations = raise_generations(connection, touches) if touches else {}
            result = work(connection)
            queries = through(result) if through else ()
            return result, generations, [(query, encode(query.load(connection))) for query in queries]

        update_wrapper(transaction, work)  # the log names what the caller wrote
        result, generations, rows = await self._run(self._writers, transaction, writing=True)
        if self._through is not None and touches:
            await self._through.tell(server, generations, touches, rows)
        for table in touches:  # last: until the others are told, a cached read may still be of before
            self._written[table] = self._written.get(table, 0) + 1
        return result

    async def _to_the_end(self, running: Awaitable[T]) -> T:
        task = asyncio.ensure_future(running)
        self._ending.add(task)
        task.add_done_callback(self._ending.discard)
        return await asyncio.shield(task)

    async def _run(self, threads: ThreadPoolExecutor | None, work: Work[T], *, writing: bool) -> T:
        transactions = self._transactions
        if threads is None or transactions is None:
            raise Unavailable("the database is not open", remedy="start SQL before using it")
        loop = asyncio.get_running_loop()
        return await loop.run_in_executor(threads, carried(lambda: transactions.run(work, writing=writing)))
