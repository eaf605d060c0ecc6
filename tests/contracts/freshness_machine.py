"""The law of the write-through cache as a state machine: no read that begins after a write has returned is older."""

from __future__ import annotations

import asyncio
import itertools
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, rule
from sqlalchemy import Connection, insert, select, update

from backend.src.config.settings import CacheSettings, SqlSettings
from backend.src.infra.cache import Redis
from backend.src.infra.sql import SQL, CachedQuery, CacheKind, write_through
from backend.src.infra.sql.tables import locks, versions
from backend.src.infra.sql.write_through import WriteThrough
from tests.contracts.interleaving import Actor, SteppedCache
from tests.manual_clock import ManualClock
from tests.servers.redis_server import RedisServer

PROCESSES = 2
_examples = itertools.count(1)


class Stage:
    """Two processes on one database and one Redis server; `reset` makes them and the server new."""

    def __init__(self, settings: SqlSettings, data_dir: Path, server: RedisServer) -> None:
        self.loop = asyncio.new_event_loop()
        self.server = server
        self.clock = ManualClock()
        self._settings = settings
        self.caches = [SteppedCache(Redis.build(self._cache_settings())) for _ in range(PROCESSES)]
        self.sqls: list[SQL] = [SQL.build(settings, data_dir, cache, self.clock) for cache in self.caches]
        for sql in self.sqls:
            self.run(sql.start())
        for cache in self.caches:
            self.run(cache.redis.start())

    def _cache_settings(self) -> CacheSettings:
        """Whether Redis counts as away is the machine's choice, never that of a slow answer."""
        return self.server.settings(timeout_s=30.0)

    def reset(self) -> None:
        """As after a start of everything, with an empty Redis."""
        self.server.kill()
        self.server.forget()
        self.server.start()
        for sql, cache in zip(self.sqls, self.caches, strict=True):
            self.run(cache.redis.stop())
            cache.redis, cache.cut_off = Redis.build(self._cache_settings()), False
            self.run(cache.redis.start())
            sql._through = WriteThrough(sql.read, cache, self._settings, self.clock, sql.figures)

    async def sleep(self, seconds: float) -> None:
        """In place of asyncio's: nothing runs meanwhile but the clock."""
        self.clock.advance(seconds)

    def run(self, work: Any) -> Any:
        return self.loop.run_until_complete(work)

    def close(self) -> None:
        for sql, cache in zip(self.sqls, self.caches, strict=True):
            self.run(sql.stop())
            self.run(cache.redis.stop())
        self.run(self.loop.shutdown_default_executor())
        self.loop.close()


@dataclass(frozen=True)
class Reading:
    part: str
    at_least: dict[str, int]


@dataclass(frozen=True)
class Writing:
    part: str


PARTS = {"a": ("locks",), "b": ("versions",), "ab": ("locks", "versions")}
processes = st.integers(0, PROCESSES - 1)
parts = st.sampled_from(sorted(PARTS))


class Freshness(RuleBasedStateMachine):
    """Two numbers, one in each of two tables; writes raise one or both by one."""

    def __init__(self, stage: Stage) -> None:
        super().__init__()
        self.stage = stage
        stage.reset()
        self.name = f"row {next(_examples)}"
        self.actors: list[Actor] = []
        self.returned = {"a": 0, "b": 0}
        stage.run(stage.sqls[0].write(self._insert))

    # ---- the rows ----

    def _insert(self, connection: Connection) -> None:
        now = datetime.now(UTC)
        connection.execute(insert(locks).values(name=self.name, owner="0", acquired_at=now, heartbeat_at=now))
        connection.execute(insert(versions).values(name=self.name, value=0))

    def _select(self, part: str, connection: Connection) -> dict[str, int]:
        found = {}
        if "a" in part:
            found["a"] = int(connection.execute(select(locks.c.owner).where(locks.c.name == self.name)).scalar_one())
        if "b" in part:
            found["b"] = int(
                connection.execute(select(versions.c.value).where(versions.c.name == self.name)).scalar_one()
            )
        return found

    def _raise(self, part: str, connection: Connection) -> dict[str, int]:
        if "a" in part:
            now = self._select("a", connection)["a"]
            connection.execute(update(locks).where(locks.c.name == self.name).values(owner=str(now + 1)))
        if "b" in part:
            one_more = versions.c.value + 1
            connection.execute(update(versions).where(versions.c.name == self.name).values(value=one_more))
        return self._select(part, connection)

    def _query(self, part: str) -> CachedQuery[dict[str, int]]:
        return CachedQuery(CacheKind.QUERY, f"{self.name}:{part}", PARTS[part], lambda c: self._select(part, c))

    # ---- what may happen ----

    @rule(process=processes, part=parts)
    def begin_read(self, process: int, part: str) -> None:
        query = self._query(part)
        work = self.stage.sqls[process].cached(query.kind, query.key, query.tables, query.load)
        self._begin(work, Reading(part, dict(self.returned)))

    @rule(process=processes, part=parts, through=st.lists(parts, max_size=2))
    def begin_write(self, process: int, part: str, through: list[str]) -> None:
        work = self.stage.sqls[process].write(
            lambda connection: self._raise(part, connection),
            touches=PARTS[part],
            through=lambda _: [self._query(other) for other in through],
        )
        self._begin(work, Writing(part))

    @rule(which=st.integers(0, 9), steps=st.integers(1, 4))
    def go_on(self, which: int, steps: int) -> None:
        if not self.actors:
            return
        actor = self.actors[which % len(self.actors)]
        for _ in range(steps):
            if actor.step():
                self._end(actor)
                return

    @rule(process=processes, part=parts)
    def read(self, process: int, part: str) -> None:
        """From beginning to end."""
        self.begin_read(process, part)
        self._finish_last()

    @rule(process=processes, part=parts, through=st.lists(parts, max_size=2))
    def write(self, process: int, part: str, through: list[str]) -> None:
        """From beginning to end."""
        self.begin_write(process, part, through)
        self._finish_last()

    @rule()
    def let_the_leases_run_out(self) -> None:
        self.stage.clock.advance(write_through.LEASE_S)

    # ---- the law ----

    def _begin(self, work: Any, about: Any) -> None:
        actor = Actor(self.stage.loop, work, about)
        self.actors.append(actor)
        if actor.task.done():
            self._end(actor)

    def _finish_last(self) -> None:
        if self.actors:
            actor = self.actors[-1]
            while not actor.step():
                pass
            self._end(actor)

    def _end(self, actor: Actor) -> None:
        self.actors.remove(actor)
        result = actor.task.result()
        if isinstance(actor.about, Writing):
            for key, value in result.items():
                self.returned[key] = max(self.returned[key], value)
        else:
            for key, value in result.items():
                assert value >= actor.about.at_least[key], f"{key} is {value}, but {actor.about} had returned"

    def teardown(self) -> None:
        while self.actors:
            actor = self.actors[0]
            while not actor.step():
                pass
            self._end(actor)


class FreshnessThroughOutages(Freshness):
    """The same while Redis dies, returns empty or with an old dump, and processes are cut off or die."""

    def __init__(self, stage: Stage) -> None:
        super().__init__(stage)
        self.running = True

    @rule()
    def save_a_dump(self) -> None:
        if self.running:
            self.stage.server.save()

    @rule(back=st.sampled_from(["empty", "old"]))
    def restart_redis(self, back: str) -> None:
        """So quickly that a process may not notice."""
        self.kill_redis()
        self.start_redis(back)

    @rule()
    def kill_redis(self) -> None:
        self.stage.server.kill()
        self.running = False

    @rule(back=st.sampled_from(["empty", "old"]))
    def start_redis(self, back: str) -> None:
        if self.running:
            return
        if back == "empty":
            self.stage.server.forget()
        self.stage.server.start()
        self.running = True

    @rule(process=processes)
    def notice_that_it_is_back(self, process: int) -> None:
        self.stage.run(self.stage.caches[process].redis.probe_once())

    @rule(process=processes)
    def cut_off(self, process: int) -> None:
        self.stage.caches[process].cut_off = True

    @rule(process=processes)
    def reconnect(self, process: int) -> None:
        self.stage.caches[process].cut_off = False

    @rule(which=st.integers(0, 9))
    def a_writer_dies_after_its_commit(self, which: int) -> None:
        writers = [actor for actor in self.actors if isinstance(actor.about, Writing)]
        if not writers:
            return
        actor = writers[which % len(writers)]
        actor.dying = True
        actor.step()
        self.actors.remove(actor)
        actor.task.exception()
        self.stage.clock.advance(write_through.LEASE_S)
        now = self.stage.run(self.stage.sqls[0].read(lambda connection: self._select("ab", connection)))
        self.returned = now
