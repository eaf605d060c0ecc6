"""SQL.cached and rows written through: over SQLite with fakeredis, MariaDB with redis-server."""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Connection, select, update

from backend.src.config.settings import CacheSettings, SqlSettings
from backend.src.core.errors import NotFound
from backend.src.infra.cache import CacheUnavailable, Redis
from backend.src.infra.sql import SQL, CachedQuery, CacheKind, Outcome, migrate, write_through
from backend.src.infra.sql.tables import versions
from tests.contracts.served_time import ServedTime
from tests.manual_clock import ManualClock
from tests.servers.redis_server import running_redis


class House:
    """One SQL with its cache, and how often the database was asked for the row."""

    def __init__(self, settings: SqlSettings, folder: Path, cache: CacheSettings) -> None:
        self.clock = ManualClock()
        self.redis: Redis = Redis.build(cache)
        self.sql: SQL = SQL.build(settings, folder, self.redis, self.clock)
        self.asked = 0

    def load(self, connection: Connection) -> dict[str, Any]:
        self.asked += 1
        return {
            "value": connection.scalar(select(versions.c.value).where(versions.c.name == "catalog")),
            "name": ("a",),
        }

    async def cached(self, key: str = "version", kind: CacheKind = CacheKind.QUERY) -> Any:
        return await self.sql.cached(kind, key, ("versions",), self.load)

    async def set(self, value: int, **options: Any) -> None:
        change = update(versions).where(versions.c.name == "catalog").values(value=value)
        await self.sql.write(lambda connection: connection.execute(change), touches=("versions",), **options)


@pytest.fixture(params=["embedded", "servers"])
async def house(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[House]:
    settings, cache = SqlSettings(threads=4), CacheSettings()
    if request.param == "servers":
        settings = request.getfixturevalue("mariadb").database()
        cache = request.getfixturevalue("redis_server").settings(prefix=f"test-{secrets.token_hex(4)}", timeout_s=30.0)
    await migrate(settings, tmp_path)
    house = House(settings, tmp_path, cache)
    await house.redis.start()
    await house.sql.start()
    yield house
    await house.sql.stop()
    await house.redis.stop()


async def test_asked_once_and_then_from_the_cache(house: House) -> None:
    assert [await house.cached() for _ in range(5)] == [{"value": 0, "name": ["a"]}] * 5
    assert house.asked == 1
    house.clock.advance(write_through.LEASE_S)  # asks the generations again, not the row
    await house.cached()
    assert house.asked == 1


async def test_a_write_is_seen_at_once(house: House) -> None:
    await house.cached()
    for value in range(1, 20):
        await house.set(value)
        assert (await house.cached())["value"] == value


async def test_a_write_to_another_table_leaves_it_cached(house: House) -> None:
    await house.cached()
    await house.sql.write(lambda connection: None, touches=("pvs",))
    await house.cached()
    assert house.asked == 1


async def test_a_row_written_through_is_not_asked_for_again(house: House) -> None:
    query = CachedQuery(CacheKind.QUERY, "version", ("versions",), house.load)
    await house.set(7, through=lambda _: [query])
    assert house.asked == 1
    assert await house.cached() == {"value": 7, "name": ["a"]}
    assert house.asked == 1


async def test_a_failed_write_changes_nothing(house: House) -> None:
    await house.cached()

    def fail(connection: Connection) -> None:
        raise LookupError

    with pytest.raises(LookupError):
        await house.sql.write(fail, touches=("versions",))
    await house.cached()
    assert house.asked == 1


async def test_what_load_raises_is_raised_each_time(house: House) -> None:
    def missing(connection: Connection) -> None:
        house.asked += 1
        raise NotFound("no such thing")

    for _ in range(2):
        with pytest.raises(NotFound):
            await house.sql.cached(CacheKind.QUERY, "missing", ("versions",), missing)
    assert house.asked == 2


async def test_keys_and_kinds_are_apart(house: House) -> None:
    long = "k" * 1000
    for key, kind in (("a", CacheKind.QUERY), ("b", CacheKind.QUERY), ("a", CacheKind.SCHEMA), (long, CacheKind.QUERY)):
        await house.cached(key, kind)
    assert house.asked == 4


async def test_each_class_lives_as_long_as_it_is_told(house: House) -> None:
    settings = SqlSettings()
    lives_s = {
        CacheKind.QUERY: settings.ttl_query_s,
        CacheKind.SCHEMA: settings.ttl_schema_s,
        CacheKind.AUTHENTICATION: settings.ttl_authentication_s,
    }
    for kind, ttl_s in lives_s.items():
        await house.cached(kind=kind)
        left_ms = await house.redis._open().pttl(house.redis._key(f"row:{kind}:version"))
        assert ttl_s * 1000 - 60_000 < left_ms <= ttl_s * 1000
    minutes = {kind: ttl_s / 60 for kind, ttl_s in lives_s.items()}
    assert 5 <= minutes[CacheKind.QUERY] <= 60
    assert 60 <= minutes[CacheKind.SCHEMA] <= 120
    assert 15 <= minutes[CacheKind.AUTHENTICATION] <= 30


async def test_when_its_time_is_over_the_database_is_asked_again(house: House) -> None:
    await house.cached()
    await house.redis._open().pexpire(house.redis._key("row:query:version"), 1)
    await asyncio.sleep(0.01)
    await house.cached()
    assert house.asked == 2


async def test_what_became_of_each_read_is_counted(house: House) -> None:
    await house.cached()
    await house.cached()
    await house.set(1)
    await house.cached()
    await house.redis.stop()
    await house.cached()
    reads = {outcome: house.sql.figures.reads[CacheKind.QUERY, outcome] for outcome in Outcome}
    assert reads == {Outcome.MISS: 1, Outcome.HIT: 1, Outcome.STALE: 1, Outcome.BYPASSED: 1}
    assert [sum(house.sql.figures.durations[outcome].counts) for outcome in Outcome] == [1, 1, 1, 1]


async def test_every_statement_is_counted(house: House) -> None:
    before = house.sql.figures.statements
    await house.sql.read(lambda connection: connection.execute(select(versions.c.name)).all())
    await house.cached()  # the generations and the row
    await house.cached()
    assert house.sql.figures.statements - before == 3


async def test_what_is_too_large_is_not_kept(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(write_through, "LARGEST_BYTES", 5)
    await house.cached()
    await house.cached()
    assert house.asked == 2


async def test_what_is_not_there_is_not_kept(house: House) -> None:
    """Made-up tokens and ids, without end, must not fill the cache."""
    asked: list[int | None] = []

    def absent(connection: Connection) -> int | None:
        asked.append(connection.scalar(select(versions.c.value).where(versions.c.name == "nobody")))
        return asked[-1]

    for _ in range(2):
        assert await house.sql.cached(CacheKind.AUTHENTICATION, "made-up", ("versions",), absent) is None
    assert asked == [None, None]
    assert await house.redis.get("row:authentication:made-up") is None


async def test_another_process_on_the_same_file_is_seen_after_the_lease(tmp_path: Path) -> None:
    """A command beside an embedded server: each has a cache of its own."""
    server, command = (House(SqlSettings(), tmp_path, CacheSettings()) for _ in range(2))
    for house in (server, command):
        await house.redis.start()
        await house.sql.start()
    await server.cached()
    await command.set(9)
    server.clock.advance(write_through.LEASE_S)
    assert (await server.cached())["value"] == 9
    for house in (server, command):
        await house.sql.stop()
        await house.redis.stop()


@pytest.fixture
def own_redis() -> Iterator[Any]:
    with running_redis() as server:
        yield server


async def test_without_redis_the_database_answers(tmp_path: Path, own_redis: Any) -> None:
    house = House(SqlSettings(), tmp_path, own_redis.settings(timeout_s=1.0))
    await house.redis.start()
    await house.sql.start()
    await house.cached()
    own_redis.freeze()
    async with ServedTime() as took:
        for value in range(1, 4):
            await house.set(value)
            assert (await house.cached())["value"] == value
    assert took.seconds < 5, "more than one of six operations waited for the time-out"
    own_redis.thaw()
    async with asyncio.timeout(30):
        while not await is_back(house.redis):
            await asyncio.sleep(0.05)
    await house.sql.stop()
    await house.redis.stop()


async def is_back(redis: Redis) -> bool:
    try:
        await redis.probe_once()
        await redis.ping()
    except CacheUnavailable:  # a look that came too late for its time-out: the next one will not
        return False
    return True
