"""The catalogue, and the machine as it is now."""

from __future__ import annotations

from backend.src.config.settings import Settings
from backend.src.core.clock import SystemClock
from backend.src.core.runtime_manager import RuntimeManager
from backend.src.core.supervisor import Supervisor
from backend.src.infra.cache import Redis
from backend.src.infra.epics import Epics, Protocol
from backend.src.infra.sql import SQL
from backend.src.services.catalog import Catalog, RedisNotifier, TagCatalog
from backend.src.services.crons import Crons
from backend.src.services.live import LiveNames, LiveTable
from backend.src.services.monitoring import (
    Circuits,
    DirectAccess,
    Leadership,
    Publisher,
    PVMonitor,
    ReadYourWrites,
    Replica,
    Watchdog,
)
from backend.src.services.streaming import SubscriptionRegistry
from backend.src.wiring.roles import MONITORING

get = RuntimeManager.get


def register_machine(settings: Settings, clock: SystemClock) -> None:
    """The catalogue, and the machine as it is now."""
    register, protocol = RuntimeManager.register, Protocol(settings.epics.default_protocol)
    register(Catalog, factory=lambda: Catalog(get(SQL), RedisNotifier(get(Redis)), clock, protocol))
    register(TagCatalog, factory=lambda: TagCatalog(get(Catalog).store))
    register(LiveTable, factory=lambda: LiveTable(clock, stale_after_s=settings.monitor.stale_after_s))
    register(LiveNames)
    register(Circuits, clock, settings.monitor)
    register(ReadYourWrites, factory=lambda: ReadYourWrites(get(LiveTable), get(PVMonitor), settings.monitor))
    register(
        DirectAccess,
        factory=lambda: DirectAccess(get(Epics), get(Circuits), get(ReadYourWrites), settings.epics),
    )
    register(Leadership, factory=lambda: _leadership(settings, clock))
    _register_monitoring(settings, clock)
    register(SubscriptionRegistry, factory=lambda: SubscriptionRegistry(get(LiveTable), settings.streaming))


def _register_monitoring(settings: Settings, clock: SystemClock) -> None:
    """What keeps the live table true."""
    register = RuntimeManager.register
    register(
        PVMonitor,
        factory=lambda: PVMonitor(
            get(Epics), get(LiveTable), get(Catalog), get(Leadership), get(Supervisor), clock, settings.monitor
        ),
    )
    register(
        Publisher,
        factory=lambda: Publisher(
            get(LiveTable), get(Leadership), get(Redis), get(Supervisor), clock, settings.monitor
        ),
    )
    register(Replica, factory=lambda: Replica(get(LiveTable), get(Leadership), get(Redis), get(Supervisor)))
    register(
        Watchdog,
        factory=lambda: Watchdog(
            get(Epics), get(LiveTable), get(Catalog), get(Leadership), clock, settings, comes=_watchdog_comes
        ),
    )


def _leadership(settings: Settings, clock: SystemClock) -> Leadership:
    """One monitor leads among processes that share a Redis; a process with its own is alone."""
    ttl_s = settings.monitor.lease_ttl_s
    lease = None if settings.cache.embedded else get(Redis).lease("monitor", ttl_s)
    return Leadership(lease, clock, ttl_s=ttl_s, may_lead=settings.server.role in MONITORING)


def _watchdog_comes() -> bool:
    return get(Crons).comes("watchdog")
