"""Each service of infra over each of its implementations."""

from __future__ import annotations

import secrets
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from backend.src.config.settings import CacheSettings, SqlSettings
from backend.src.infra.cache import Redis
from backend.src.infra.sql import SQL, migrate
from tests.contracts.shared_database import shared_database, shared_sql
from tests.migrated import migrated

__all__ = ["shared_database", "shared_sql"]

PATIENT_S = 30.0  # a Redis that is late on a busy machine is not away: only tests of time-outs make it shorter


@pytest.fixture(params=["embedded", "socket", "tcp"])
def cache_settings(request: pytest.FixtureRequest) -> CacheSettings:
    """Redis in this process, over a Unix socket, over TCP; each test under a prefix of its own."""
    if request.param == "embedded":
        return CacheSettings()
    server = request.getfixturevalue("redis_server")
    settings: CacheSettings = server.settings(
        prefix=f"test-{secrets.token_hex(4)}", tcp=request.param == "tcp", timeout_s=PATIENT_S
    )
    return settings


@pytest.fixture
async def cache(cache_settings: CacheSettings) -> AsyncIterator[Redis]:
    """A started Redis."""
    redis: Redis = Redis.build(cache_settings)
    await redis.start()
    yield redis
    await redis.stop()


@pytest.fixture(params=["sqlite", "mariadb"])
async def sql_settings(request: pytest.FixtureRequest, tmp_path: Path) -> SqlSettings:
    """An SQLite file, a database of MariaDB; migrated, with nothing in it."""
    if request.param == "sqlite":
        await migrated(tmp_path)
        return SqlSettings(threads=4)
    settings: SqlSettings = request.getfixturevalue("mariadb").database()
    await migrate(settings, tmp_path)
    return settings


@pytest.fixture
async def sql(sql_settings: SqlSettings, tmp_path: Path) -> AsyncIterator[SQL]:
    """A started SQL without a cache."""
    sql: SQL = SQL.build(sql_settings, tmp_path)
    await sql.start()
    yield sql
    await sql.stop()
