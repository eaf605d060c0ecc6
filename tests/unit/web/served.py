"""The live and health endpoints over a made-up machine, asked in process."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import httpx

from backend.src.config.settings import EpicsSettings, MonitorSettings, Settings
from backend.src.core.errors import Unauthenticated, Unavailable
from backend.src.core.supervisor import Supervisor
from backend.src.infra.epics.address import PvAddress
from backend.src.infra.epics.frame import PvValue, ValueType
from backend.src.infra.epics.outcomes import PutOutcome, PutResult, ReadFailed, Reading
from backend.src.infra.sql import SqlFigures
from backend.src.services.accounts.principal import Principal, PrincipalKind, Scope
from backend.src.services.health import Health
from backend.src.services.live import LiveNames, LiveTable
from backend.src.services.monitoring import Circuits, DirectAccess, Leadership, PVMonitor, ReadYourWrites, Watchdog
from backend.src.services.streaming import SubscriptionRegistry
from backend.src.web.app import build_app
from backend.src.web.endpoints.health import HealthEndpoint
from backend.src.web.endpoints.live import LiveEndpoint
from backend.src.web.http_figures import HttpFigures
from backend.src.web.metrics import LarderMetrics, Sources
from backend.src.web.path_manager import PathManager
from tests.manual_clock import ManualClock
from tests.unit.services.catalogue import FixedCatalog, inventory_of
from tests.unit.services.monitoring.machine import FakeMachine


class Keys:
    """Accounts whose keys are called by the one scope that they have."""

    async def authenticate(self, token: str, address: str = "") -> Principal:
        if token not in tuple(Scope):
            raise Unauthenticated("not known")
        return Principal(PrincipalKind.KEY, "1", token, frozenset({Scope(token)}))

    async def authenticate_bearer(self, token: str, address: str = "") -> Principal:
        raise Unauthenticated(f"{token} is not valid")

    async def still_holds(self, principal: Principal) -> Principal:
        raise Unauthenticated(f"{principal.name} did not come by a token")


class Machine(FakeMachine):
    """Also read and written singly. `result` is how the next puts end."""

    def __init__(self, values: dict[str, float]) -> None:
        super().__init__(values)
        self.result = PutResult.OK
        self.written: list[tuple[str, PvValue, bool, float | None]] = []  # the last: seconds to complete

    async def read_one(self, address: PvAddress, *, timeout_s: float) -> Reading | ReadFailed:
        if address.name not in self.values:
            return ReadFailed(address, f"no answer in {timeout_s:g} s")
        value = self.values[address.name]
        return Reading(address, value, ValueType.DOUBLE, False, 1_700_000_000_000_000_001, 3, 2, "mA")

    async def write_one(
        self,
        address: PvAddress,
        value: PvValue,
        *,
        wait: bool,
        timeout_s: float,
        completion_timeout_s: float | None,
    ) -> PutOutcome:
        self.written.append((address.name, value, wait, completion_timeout_s))
        if self.result is PutResult.OK:
            self.values[address.name] = value
            self.tell(*[slot for slot, watched in self.watched.items() if watched == address])
        return PutOutcome(self.result, "as told" if self.result is not PutResult.OK else "")

    coalesced = 0

    def describe(self) -> dict[str, Any]:
        """For health."""
        return {"ingest": "made up"}


class Pinged:
    """A dependency that is up or away."""

    def __init__(self) -> None:
        self.away = False

    async def start(self) -> None: ...
    async def stop(self) -> None: ...

    async def ping(self) -> None:
        if self.away:
            raise Unavailable("it is away", remedy="start it")


class Bench:
    """Channels A (read-only), B and GONE, which never connected."""

    def __init__(self) -> None:
        self.clock = ManualClock()
        self.machine = Machine({"A": 1.0, "B": float("nan")})
        self.catalog = FixedCatalog(inventory_of("A", "B", "GONE", read_only=["A"]))
        settings = Settings(monitor=MonitorSettings(circuit_failures=2, drain_interval_s=0.001))
        self.live, names, supervisor = LiveTable(self.clock, stale_after_s=3.0), LiveNames(), Supervisor()
        self.circuits = Circuits(self.clock, settings.monitor)
        leadership = Leadership(None, self.clock, ttl_s=5.0, instance="bench")
        common = (self.machine, self.live, self.catalog, leadership)
        self.monitor = PVMonitor(*common, supervisor, self.clock, settings.monitor)
        self.watchdog = Watchdog(*common, self.clock, settings)
        registry = SubscriptionRegistry(self.live, settings.streaming)
        self.sql, self.cache = Pinged(), Pinged()
        health = Health({"sql": self.sql, "cache": self.cache}, self.live, names, self.catalog, self.clock)
        self.figures = SqlFigures()
        self.requests = HttpFigures()
        metrics = LarderMetrics(
            Sources(
                role="all",
                live=self.live,
                epics=self.machine,
                monitor=self.monitor,
                registry=registry,
                circuits=self.circuits,
                sql=self.figures,
                http=self.requests,
                supervisor=supervisor,
                backlog=None,
            )
        )
        read_your_writes = ReadYourWrites(self.live, self.monitor, settings.monitor)
        direct = DirectAccess(self.machine, self.circuits, read_your_writes, settings.epics)
        paths = PathManager()
        paths.add(*LiveEndpoint(self.live, names, self.catalog, direct, EpicsSettings()).routes())
        endpoint = HealthEndpoint(health, self.circuits, self.monitor, self.watchdog, self.machine, metrics)
        paths.add(*endpoint.routes())
        paths.freeze()
        self.app = build_app(settings, paths, Keys(), figures=self.requests)

    @asynccontextmanager
    async def client(self) -> AsyncIterator[Bench]:
        await self.monitor.follow_once()
        self.monitor.drain_once()
        transport = httpx.ASGITransport(app=self.app)
        async with httpx.AsyncClient(transport=transport, base_url="http://test") as self.http:
            yield self

    async def ask(self, method: str, path: str, scope: str = "read", **options: Any) -> httpx.Response:
        """One request with the key of a scope; none for ""."""
        headers = {"X-API-Key": scope} if scope else {}
        return await self.http.request(method, path, headers=headers, **options)
