"""Redis: keys, messages, leases, and the newest generations of SQL's tables; quick to say that it is away."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncGenerator, Awaitable, Callable, Collection, Mapping, Sequence
from typing import Any, NamedTuple

from redis.asyncio import Redis as Client
from redis.exceptions import AuthenticationError, RedisError
from redis.exceptions import ConnectionError as RedisConnectionError
from redis.exceptions import TimeoutError as RedisTimeoutError

from backend.src.config.settings import CacheSettings
from backend.src.core.errors import StartFailed
from backend.src.core.final_singleton import FinalSingleton
from backend.src.core.supervisor import Supervisor
from backend.src.infra.cache.connection import ServerIdentity, make_client, name_of_place
from backend.src.infra.cache.errors import CacheUnavailable
from backend.src.infra.cache.lease import Lease
from backend.src.infra.cache.rate_counter import RateCounter, SharedRedis
from backend.src.infra.cache.subscription import Gap, messages

log = logging.getLogger(__name__)

PROBE_INTERVAL_S = 0.5
REMEDY = "start it, or correct REDIS_SOCKET, REDIS_HOST and REDIS_PORT"


class Look(NamedTuple):
    """One atomic look: which server answered, the floors it knows of the tables asked for, the value."""

    server: str
    floors: Mapping[str, int]
    value: bytes | None


class Redis(metaclass=FinalSingleton):
    """Every operation raises CacheUnavailable: after timeout_s at most, and at once while Redis is known to be away."""

    def __init__(self, settings: CacheSettings) -> None:
        self._settings = settings
        # in this process it cannot go away: an answer that is late means that the process itself is busy
        self._timeout_s = None if settings.embedded else settings.timeout_s
        self._identity = ServerIdentity()
        self._supervisor = Supervisor()
        self._client: Client | None = None
        self._patient: Client | None = None
        self._away: str | None = None
        self._lost = asyncio.Event()

    # ---- lifecycle ----

    async def start(self) -> None:
        """Connects. A Redis that is away is only logged, for all of Larder does without it. Raises StartFailed."""
        self._client = make_client(self._settings, self._identity)
        # fakeredis keeps its data in the client's server: there must be one
        self._patient = (
            self._client if self._settings.embedded else make_client(self._settings, self._identity, patient=True)
        )
        self._supervisor.start_loop("cache probe", self._probe)
        try:
            await self.ping()
        except CacheUnavailable as error:
            if _is_refused(error):
                await self.stop()
                raise StartFailed(
                    f"Redis {self._place} refuses the password", remedy="correct REDIS_PASSWORD"
                ) from error
            log.warning("%s; going on without a cache: %s", error, error.remedy)

    async def stop(self) -> None:
        """Closes every connection; subscriptions under way end with an error, so end them before."""
        await self._supervisor.stop()
        clients = {id(client): client for client in (self._client, self._patient) if client is not None}
        for client in clients.values():
            await client.aclose(close_connection_pool=True)
        self._client = self._patient = None

    async def ping(self) -> None:
        """Raises CacheUnavailable, with the cause, while Redis is away."""
        await self._guarded(lambda: self._open().ping())

    @property
    def _place(self) -> str:
        return name_of_place(self._settings)

    # ---- keys ----

    async def get(self, key: str) -> bytes | None:
        """The value, None when there is none."""
        value: bytes | None = await self._guarded(lambda: self._open().get(self._key(key)))
        return value

    async def mget(self, keys: Sequence[str]) -> list[bytes | None]:
        """The values, aligned with the keys."""
        if not keys:
            return []
        values: list[bytes | None] = await self._guarded(lambda: self._open().mget([self._key(key) for key in keys]))
        return values

    async def set(self, key: str, value: bytes, ttl_s: float | None = None) -> None:
        """Sets it, for `ttl_s` seconds or for good."""
        await self._guarded(lambda: self._open().set(self._key(key), value, px=_ms(ttl_s)))

    async def mset(self, values: Mapping[str, bytes], ttl_s: float | None = None) -> None:
        """Sets all of them in one step."""
        await self._guarded(lambda: self._set_all({key: (value, ttl_s) for key, value in values.items()}, {}))

    async def delete(self, *keys: str) -> int:
        """How many of them were there."""
        count: int = await self._guarded(lambda: self._open().delete(*(self._key(key) for key in keys)))
        return count

    async def incr(self, key: str, amount: int = 1) -> int:
        """The new value of a counter that starts at 0."""
        value: int = await self._guarded(lambda: self._open().incrby(self._key(key), amount))
        return value

    # ---- messages ----

    async def publish(self, channel: str, message: bytes) -> int:
        """How many subscriptions were told."""
        count: int = await self._guarded(lambda: self._open().publish(self._key(channel), message))
        return count

    def subscribe(self, channel: str) -> AsyncGenerator[bytes | Gap, None]:
        """The channel's messages for ever, across reconnects; GAP first, and wherever some may have been missed."""
        return messages(self._open_patient, self._key(channel))

    def lease(self, name: str, ttl_s: float) -> Lease:
        """A claim, not yet acquired."""
        return Lease(self._open, self._guarded, self._key(f"lease:{name}"), ttl_s)

    def rate_counter(self) -> RateCounter:
        """Counts how often something happens, over all processes that share this Redis."""
        return RateCounter(
            None if self._settings.embedded else SharedRedis(self._open, self._guarded, self._key("rate"))
        )

    # ---- what SQL's cache needs (infra/sql/row_cache.py) ----

    @property
    def server(self) -> str:
        """The newest server known; a restart makes another of it."""
        return self._identity.current

    async def look(self, key: str, tables: Collection[str]) -> Look:
        """The value, and of each table the newest generation written, as of one moment."""
        names = sorted(tables)
        scores, value = await self._guarded(lambda: self._look(self._key(key), names))
        floors = {name: int(score) for name, score in zip(names, scores, strict=True) if score is not None}
        # after the answer: never an older server than the one that gave it
        return Look(self._identity.current, floors, value)

    async def keep(self, values: Mapping[str, tuple[bytes, float]], floors: Mapping[str, int]) -> None:
        """Raises each floor that lies lower, and sets the values (each with its seconds to live), in one step."""
        await self._guarded(lambda: self._set_all(values, floors))

    async def _look(self, key: str, tables: Sequence[str]) -> tuple[list[float | None], bytes | None]:
        async with self._open().pipeline(transaction=True) as pipe:
            pipe.zmscore(self._key("generations"), list(tables))
            pipe.get(key)
            scores, value = await pipe.execute()
        return scores, value

    async def _set_all(self, values: Mapping[str, tuple[bytes, float | None]], floors: Mapping[str, int]) -> None:
        async with self._open().pipeline(transaction=True) as pipe:
            if floors:
                pipe.zadd(self._key("generations"), dict(floors), gt=True)
            for key, (value, ttl_s) in values.items():
                pipe.set(self._key(key), value, px=_ms(ttl_s))
            await pipe.execute()

    # ---- away and back ----

    def _key(self, key: str) -> str:
        return f"{self._settings.prefix}:{key}"

    def _open(self) -> Client:
        if self._client is None:
            raise CacheUnavailable("Redis is not open", remedy="start it before using it")
        return self._client

    def _open_patient(self) -> Client:
        if self._patient is None:
            raise CacheUnavailable("Redis is not open", remedy="start it before using it")
        return self._patient

    async def _guarded(self, operation: Callable[[], Awaitable[Any]]) -> Any:
        if self._away is not None:
            raise CacheUnavailable(f"Redis {self._place} is away: {self._away}", remedy=REMEDY)
        try:
            return await self._in_time(operation)
        except (RedisConnectionError, RedisTimeoutError, TimeoutError, OSError) as error:
            cause = str(error) or f"no answer in {self._settings.timeout_s:g} s"
            self._note_away(cause)
            raise CacheUnavailable(f"Redis {self._place} is away: {cause}", remedy=REMEDY) from error
        except RedisError as error:  # it answers, but refuses: full, read-only, forbidden
            raise CacheUnavailable(
                f"Redis {self._place} refuses: {error}", remedy="look at its log and memory"
            ) from error

    async def _in_time(self, operation: Callable[[], Awaitable[Any]]) -> Any:
        task = asyncio.current_task()
        assert task is not None
        asked_to_end = task.cancelling()
        try:
            async with asyncio.timeout(self._timeout_s):
                return await operation()
        finally:
            # the client sends by asyncio.wait_for, which before Python 3.12 may swallow a cancellation (gh-86296):
            # a loop that was stopped just then would go on for ever
            if task.cancelling() > asked_to_end:
                raise asyncio.CancelledError

    def _note_away(self, cause: str) -> None:
        if self._away is None:
            log.warning("Redis %s is away: %s", self._place, cause)
        self._away = cause
        self._lost.set()

    async def _probe(self) -> None:
        while True:
            await self._lost.wait()
            await asyncio.sleep(PROBE_INTERVAL_S)
            await self.probe_once()

    async def probe_once(self) -> None:
        """Looks whether Redis is back; no request pays for that."""
        client = self._open()
        try:
            # those that lie idle may be of the server that died
            await self._in_time(lambda: client.connection_pool.disconnect(inuse_connections=False))
            await self._in_time(client.ping)
        except (RedisError, TimeoutError, OSError) as error:
            self._note_away(str(error) or f"no answer in {self._settings.timeout_s:g} s")
            return
        if self._away is not None:
            log.info("Redis %s is back", self._place)
        self._away = None
        self._lost.clear()


def _is_refused(error: BaseException) -> bool:
    # the client wraps what happens while it connects
    cause = error.__cause__
    return isinstance(error, AuthenticationError) or (cause is not None and _is_refused(cause))


def _ms(ttl_s: float | None) -> int | None:
    return None if ttl_s is None else max(1, round(ttl_s * 1000))
