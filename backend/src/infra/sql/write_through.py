"""Cached reads that are never older than the last write that returned.

The database is the truth: `versions` holds a *generation* for each cached table, raised in the very transaction
that writes to it. Redis makes the news instant; it is never believed alone.

- A cached value carries the generations of its tables, read in the same transaction as the value, and the identity
  of the Redis server (its run id) as known before that transaction.
- A write commits, then in one MULTI raises the tables' *floors* in Redis to the generations it committed (ZADD GT:
  they only rise, whatever the order) and sets the rows that it writes through. Then it returns.
- A read takes value and floors in one MULTI. The value counts when it was kept under the server that answers now,
  and none of its generations is below the floor, nor below the generation that this process read from the
  database less than LEASE_S ago. Otherwise the database answers, and the value is kept with its generations.

Why no old row is served after a write has returned:

- The write reached Redis: the floor is up, and an older value lies below it, whenever it is set.
- It did not (Redis away, or out of reach of this process only): the write returns LEASE_S and a margin after its
  commit, when every process has to have read the new generation from the database. So a write to a cached table
  takes a third of a second while Redis is away.
- Redis restarted, empty or from an old dump: floors may have fallen, but every older value is of another server.
- The writer died after its commit: the generation was committed with the row; others see it within LEASE_S.
- Floors that are missing (evicted, flushed) are not zero: the database answers.

An in-process cache is told of its own writes at once, of another process's within LEASE_S.
"""

from __future__ import annotations

import hashlib
import json
import logging
from asyncio import Lock, sleep
from collections.abc import Awaitable, Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Generic, Protocol, TypeVar

from sqlalchemy import Connection

from backend.src.config.settings import SqlSettings
from backend.src.core.clock import Clock
from backend.src.core.errors import Unavailable
from backend.src.infra.sql.codec import decode, encode
from backend.src.infra.sql.figures import Outcome, SqlFigures
from backend.src.infra.sql.generations import read_generations
from backend.src.infra.sql.row_cache import CacheKind, Look, RowCache

log = logging.getLogger(__name__)

T = TypeVar("T")

LEASE_S = 0.25  # how long a process may go without asking the database for the generations
MARGIN_S = 0.05  # for clocks that tick at different rates
LARGEST_BYTES = 4_194_304  # a larger value is not kept: it would cost more than it saves
LONGEST_KEY = 128
ABSENT = encode(None)  # not kept: whoever asks for what is not there, without end, must not fill the cache


@dataclass(frozen=True, slots=True)
class CachedQuery(Generic[T]):
    """A query with a name: the same name must always mean the same query over the same tables."""

    kind: CacheKind
    key: str
    tables: Collection[str]
    load: Callable[[Connection], T]

    @property
    def name(self) -> str:
        """Its key in the cache."""
        key = (
            self.key if len(self.key) <= LONGEST_KEY else hashlib.blake2b(self.key.encode(), digest_size=20).hexdigest()
        )
        return f"row:{self.kind}:{key}"


class Read(Protocol):
    """SQL.read."""

    def __call__(self, work: Callable[[Connection], T], /) -> Awaitable[T]:
        """Runs `work` in a transaction."""


class WriteThrough:
    """The protocol above, between the database (`read`) and the cache."""

    def __init__(
        self,
        read: Read,
        cache: RowCache,
        settings: SqlSettings,
        clock: Clock,
        figures: SqlFigures,
    ) -> None:
        self._read = read
        self._cache = cache
        self._clock = clock
        self._figures = figures
        self._ttl_s = {
            CacheKind.QUERY: settings.ttl_query_s,
            CacheKind.SCHEMA: settings.ttl_schema_s,
            CacheKind.AUTHENTICATION: settings.ttl_authentication_s,
        }
        self._committed: Mapping[str, int] = {}
        self._asked_at = float("-inf")
        self._asking = Lock()

    @property
    def server(self) -> str:
        """To be taken before the transaction whose rows are written through."""
        return self._cache.server

    async def read(self, query: CachedQuery[T]) -> T:
        """The query's value, from the cache when that is as new as it has to be. Raises Unavailable (database)."""
        began = self._clock.monotonic()
        outcome, body = await self._answer(query)
        self._figures.note_read(query.kind, outcome, self._clock.monotonic() - began)
        return decode(body)  # type: ignore[no-any-return]

    async def _answer(self, query: CachedQuery[Any]) -> tuple[Outcome, bytes]:
        look = await self._look(query)
        if look is None:
            return Outcome.BYPASSED, await self._read(lambda connection: encode(query.load(connection)))
        body = await self._newest(query, look)
        if body is not None:
            return Outcome.HIT, body
        outcome = Outcome.MISS if look.value is None else Outcome.STALE
        return outcome, await self._load(query, look)

    async def _look(self, query: CachedQuery[Any]) -> Look | None:
        try:
            return await self._cache.look(query.name, query.tables)
        except Unavailable:
            return None

    async def _newest(self, query: CachedQuery[Any], look: Look) -> bytes | None:
        if look.value is None or any(table not in look.floors for table in query.tables):
            return None
        server, generations, body = unpack(look.value)
        if server != look.server:
            return None
        committed = await self._generations()
        for table in query.tables:
            if generations.get(table, -1) < max(look.floors[table], committed.get(table, 0)):
                return None
        return body

    async def _generations(self) -> Mapping[str, int]:
        """The generations in the database, as of at most LEASE_S ago."""
        if self._clock.monotonic() - self._asked_at < LEASE_S:
            return self._committed
        async with self._asking:  # of many who find it run out, one asks
            if self._clock.monotonic() - self._asked_at >= LEASE_S:
                asked_at = self._clock.monotonic()  # before asking: what is committed meanwhile may be missing
                self._note(await self._read(read_generations), asked_at)
            return self._committed

    def _note(self, generations: Mapping[str, int], asked_at: float) -> None:
        if asked_at > self._asked_at:
            self._committed, self._asked_at = generations, asked_at

    async def _load(self, query: CachedQuery[Any], look: Look) -> bytes:
        asked_at = self._clock.monotonic()
        generations, body = await self._read(
            lambda connection: (read_generations(connection), encode(query.load(connection)))
        )
        self._note(generations, asked_at)
        floors = {table: generations.get(table, 0) for table in query.tables if table not in look.floors}
        if body == ABSENT:
            return body
        try:
            await self._cache.keep(self._values(look.server, generations, [(query, body)]), floors)
        except Unavailable:
            log.debug("not kept: %s", query.name)
        return body

    async def tell(
        self,
        server: str,
        generations: Mapping[str, int],
        touches: Collection[str],
        rows: Sequence[tuple[CachedQuery[Any], bytes]],
    ) -> None:
        """After the commit: tells every process of the new generations, or waits until each must know of them."""
        committed_at = self._clock.monotonic()
        try:
            await self._cache.keep(
                self._values(server, generations, rows), {table: generations[table] for table in touches}
            )
        except Unavailable:
            await sleep(max(0.0, committed_at + LEASE_S + MARGIN_S - self._clock.monotonic()))

    def _values(
        self, server: str, generations: Mapping[str, int], rows: Sequence[tuple[CachedQuery[Any], bytes]]
    ) -> dict[str, tuple[bytes, float]]:
        return {
            query.name: (
                pack(server, {table: generations.get(table, 0) for table in query.tables}, body),
                self._ttl_s[query.kind],
            )
            for query, body in rows
            if body != ABSENT and len(body) <= LARGEST_BYTES
        }


def pack(server: str, generations: Mapping[str, int], body: bytes) -> bytes:
    """The value with what it depends on: a line of JSON before it."""
    return json.dumps([server, generations]).encode("ascii") + b"\n" + body


def unpack(data: bytes) -> tuple[str, dict[str, int], bytes]:
    """What pack was given."""
    head, _, body = data.partition(b"\n")
    server, generations = json.loads(head)
    return server, generations, body
