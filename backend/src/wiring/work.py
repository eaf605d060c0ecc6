"""Jobs and what runs as one; what tells of it all."""

from __future__ import annotations

import socket

from backend.src.config.settings import Settings
from backend.src.core.clock import SystemClock
from backend.src.core.lifecycle import Service
from backend.src.core.runtime_control import RuntimeControl
from backend.src.core.runtime_manager import RuntimeManager
from backend.src.core.supervisor import Supervisor
from backend.src.infra.bucket import Bucket
from backend.src.infra.cache import Redis
from backend.src.infra.epics import Epics, Protocol
from backend.src.infra.fffamily import FFFamily
from backend.src.infra.mail import MailManagement
from backend.src.infra.sql import SQL
from backend.src.services.cameras import Cameras
from backend.src.services.catalog import Catalog
from backend.src.services.crons import Crons
from backend.src.services.health import Backlog, Health
from backend.src.services.jobs import Jobs
from backend.src.services.live import LiveNames, LiveTable
from backend.src.services.monitoring import Circuits, PVMonitor, ReadYourWrites
from backend.src.services.restore import Restores, RestoreSettings
from backend.src.services.snapshots import Comparisons, SnapshotCreation, SnapshotOptions, Snapshots
from backend.src.services.streaming import SubscriptionRegistry
from backend.src.web.http_figures import HttpFigures
from backend.src.web.metrics import LarderMetrics, Sources
from backend.src.wiring.roles import MONITORING, NEEDED, STARTED, WORKING

get = RuntimeManager.get


def register_work(settings: Settings, clock: SystemClock) -> None:
    """Jobs and what runs as one; what tells of it all."""
    register, protocol = RuntimeManager.register, Protocol(settings.epics.default_protocol)
    register(Jobs, factory=lambda: Jobs(get(SQL), get(Redis), clock, get(Supervisor), settings.jobs))
    register(Snapshots, factory=lambda: _snapshots(settings, clock, protocol))
    register(SnapshotCreation, factory=lambda: SnapshotCreation(get(Snapshots), get(Jobs)))
    register(Comparisons, factory=lambda: Comparisons(get(Snapshots)))
    register(Restores, factory=lambda: _restores(settings, clock, protocol))
    register(Health, factory=lambda: _health(settings, clock))
    register(HttpFigures)
    register(LarderMetrics, factory=lambda: LarderMetrics(_sources(settings, clock)))


def _snapshots(settings: Settings, clock: SystemClock, protocol: Protocol) -> Snapshots:
    options = SnapshotOptions(
        machine=socket.gethostname(), read_timeout_s=settings.epics.read_timeout_s, default_protocol=protocol
    )
    return Snapshots(get(SQL), get(Bucket), get(Catalog), get(LiveTable), get(Epics), clock, options, get(Cameras))


def _restores(settings: Settings, clock: SystemClock, protocol: Protocol) -> Restores:
    options = RestoreSettings(
        read_timeout_s=settings.epics.read_timeout_s,
        write_timeout_s=settings.epics.write_timeout_s,
        default_protocol=protocol,
    )
    machine = (get(Epics), get(ReadYourWrites))
    return Restores(get(SQL), get(Bucket), get(Snapshots), *machine, get(Jobs), clock, options)


def _sources(settings: Settings, clock: SystemClock) -> Sources:
    return Sources(
        role=settings.server.role.value,
        live=get(LiveTable),
        epics=get(Epics),
        monitor=get(PVMonitor),
        registry=get(SubscriptionRegistry),
        circuits=get(Circuits),
        sql=get(SQL).figures,
        http=get(HttpFigures),
        supervisor=get(Supervisor),
        backlog=Backlog(get(SQL), clock),
    )


def _health(settings: Settings, clock: SystemClock) -> Health:
    names = {Redis: "cache", SQL: "sql", Bucket: "bucket", Epics: "epics", PVMonitor: "monitor"}
    if settings.server.role in WORKING:
        names[Jobs] = "jobs"
    if settings.server.role in WORKING + MONITORING:
        names[Crons] = "crons"
    if settings.mail.configured:  # nobody misses a mail server that nobody named
        names[MailManagement] = "mail"
    if get(Cameras).names:
        names[FFFamily] = "ffmpeg"
    watched: dict[str, Service] = {
        name: get(key) for key, name in names.items() if key in STARTED[settings.server.role]
    }
    control, needed = get(RuntimeControl), NEEDED[settings.server.role]
    live, names_of = get(LiveTable), get(LiveNames)
    return Health(watched, live, names_of, get(Catalog), clock, needed=needed, stopping=lambda: control.stopping)
