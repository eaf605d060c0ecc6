"""The Redis client: a server over a Unix socket or TCP, or fakeredis in this process."""

from __future__ import annotations

import itertools
import re
import secrets
from typing import Any

import fakeredis
from redis.asyncio import BlockingConnectionPool, Redis, UnixDomainSocketConnection
from redis.asyncio.connection import AbstractConnection, Connection
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from redis.exceptions import ResponseError

from backend.src.config.settings import CacheSettings

MAX_CONNECTIONS = 64
_RUN_ID = re.compile(rb"run_id:(\w+)")


class ServerIdentity:
    """Which server answers: its run id, which every restart changes.

    Asked on each new connection before anything else travels on it, so whoever reads `current` after an
    operation knows a server at least as new as the one that answered.
    """

    def __init__(self) -> None:
        self.current = secrets.token_hex(8)
        self._numbers = itertools.count(1)
        self._newest = 0

    async def learn(self, connection: AbstractConnection) -> None:
        """redis_connect_func: greets as the client would, then asks who it is."""
        number = next(self._numbers)
        await connection.on_connect()
        run_id = await _run_id(connection)
        if number > self._newest:  # an answer that comes late tells of a server that may be gone
            self._newest, self.current = number, run_id


async def _run_id(connection: AbstractConnection) -> str:
    try:
        await connection.send_command("INFO", "server")
        found = _RUN_ID.search(await connection.read_response())
    except ResponseError:  # an access list forbids INFO
        found = None
    # a new identity each time is safe: what was cached before is merely not found
    return found[1].decode() if found else secrets.token_hex(8)


def make_client(settings: CacheSettings, identity: ServerIdentity, *, patient: bool = False) -> Redis:
    """A client that never retries by itself. `patient`: waits for ever for what it reads (subscriptions)."""
    if settings.embedded:
        return fakeredis.FakeAsyncRedis(server=fakeredis.FakeServer())
    pool = BlockingConnectionPool(
        max_connections=MAX_CONNECTIONS,
        timeout=settings.timeout_s,
        connection_class=UnixDomainSocketConnection if settings.socket else Connection,
        password=settings.password.reveal() or None,
        socket_timeout=None if patient else settings.timeout_s,
        socket_connect_timeout=settings.timeout_s,
        retry=Retry(NoBackoff(), 0),
        protocol=2,
        redis_connect_func=identity.learn,
        **_place(settings),
    )
    return Redis(connection_pool=pool)


def _place(settings: CacheSettings) -> dict[str, Any]:
    return {"path": settings.socket} if settings.socket else {"host": settings.host, "port": settings.port}


def name_of_place(settings: CacheSettings) -> str:
    """Where Redis is, for messages."""
    if settings.embedded:
        return "in this process"
    return f"at {settings.socket}" if settings.socket else f"at {settings.host}:{settings.port}"
