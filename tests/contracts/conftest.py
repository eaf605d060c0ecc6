"""Each service of infra over each of its implementations."""

from __future__ import annotations

import secrets
from collections.abc import AsyncIterator

import pytest

from backend.src.config.settings import CacheSettings
from backend.src.infra.cache import Redis
from tests.servers.mariadb import mariadb  # noqa: F401
from tests.servers.redis_server import redis_server  # noqa: F401


@pytest.fixture(params=["embedded", "socket", "tcp"])
def cache_settings(request: pytest.FixtureRequest) -> CacheSettings:
    """Redis in this process, over a Unix socket, over TCP; each test under a prefix of its own."""
    if request.param == "embedded":
        return CacheSettings()
    server = request.getfixturevalue("redis_server")
    settings: CacheSettings = server.settings(prefix=f"test-{secrets.token_hex(4)}", tcp=request.param == "tcp")
    return settings


@pytest.fixture
async def cache(cache_settings: CacheSettings) -> AsyncIterator[Redis]:
    """A started Redis."""
    redis: Redis = Redis.build(cache_settings)
    await redis.start()
    yield redis
    await redis.stop()
