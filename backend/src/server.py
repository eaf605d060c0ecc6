"""Server: the composition root, and the only file that sees everything.

It says how each service is made (deferred, in RuntimeManager), which of them the process's role runs and in which
order they start, and which endpoints it answers.
"""

from __future__ import annotations

import socket
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

from fastapi import FastAPI

from backend.src.config.settings import Role, Settings
from backend.src.core.clock import SystemClock
from backend.src.core.lifecycle import Service
from backend.src.core.runtime_control import RuntimeControl
from backend.src.core.runtime_manager import RuntimeManager
from backend.src.core.seal import Seal
from backend.src.core.server_management import ServerManagement, Step
from backend.src.core.supervisor import Supervisor
from backend.src.infra.bucket import Bucket
from backend.src.infra.cache import Redis
from backend.src.infra.epics import Epics, Protocol
from backend.src.infra.mail import MailManagement
from backend.src.infra.sql import SQL
from backend.src.services.accounts import (
    Accounts,
    ApiKeys,
    BearerCheck,
    OAuthAuthentication,
    OAuthClients,
    Sessions,
    SigningKeys,
    TokenInspection,
)
from backend.src.services.accounts.account_mail import AccountMail
from backend.src.services.accounts.password_resets import PasswordResets
from backend.src.services.accounts.passwords import Passwords
from backend.src.services.accounts.profiles import Profiles
from backend.src.services.accounts.registrations import Registrations
from backend.src.services.accounts.users import Users
from backend.src.services.accounts.verification import Verification
from backend.src.services.audit import Audit
from backend.src.services.catalog import Catalog, RedisNotifier, TagCatalog
from backend.src.services.crons import BackgroundTasks, Crons
from backend.src.services.health import Health
from backend.src.services.jobs import Jobs
from backend.src.services.live import LiveNames, LiveTable
from backend.src.services.mailing import Letters, Outbox
from backend.src.services.monitoring import (
    Circuits,
    DirectAccess,
    Leadership,
    Publisher,
    PVMonitor,
    Replica,
    Watchdog,
)
from backend.src.services.providers import ProviderOptions, Providers
from backend.src.services.restore import Restores, RestoreSettings
from backend.src.services.retention import ExpiredRows, History, Retention
from backend.src.services.snapshots import (
    Comparisons,
    ScheduledSnapshots,
    SnapshotCreation,
    SnapshotOptions,
    Snapshots,
)
from backend.src.services.streaming import SubscriptionRegistry
from backend.src.services.upkeep import Upkeep
from backend.src.web.app import build_app
from backend.src.web.endpoint_manager import EndpointManager
from backend.src.web.endpoints.account_pages import AccountPagesEndpoint
from backend.src.web.endpoints.admin import AdminEndpoint
from backend.src.web.endpoints.api_keys import ApiKeysEndpoint
from backend.src.web.endpoints.audit import AuditEndpoint
from backend.src.web.endpoints.crons import CronsEndpoint
from backend.src.web.endpoints.health import HealthEndpoint
from backend.src.web.endpoints.jobs import JobsEndpoint
from backend.src.web.endpoints.live import LiveEndpoint
from backend.src.web.endpoints.live_socket import LiveSocketEndpoint
from backend.src.web.endpoints.mail import MailEndpoint
from backend.src.web.endpoints.oauth import OAuthEndpoint
from backend.src.web.endpoints.oauth_authorize import AuthorizeEndpoint
from backend.src.web.endpoints.oauth_providers import ProvidersEndpoint
from backend.src.web.endpoints.profile import ProfileEndpoint
from backend.src.web.endpoints.pv_import import PvImportEndpoint
from backend.src.web.endpoints.pvs import PvsEndpoint
from backend.src.web.endpoints.registration import RegistrationEndpoint
from backend.src.web.endpoints.restore import RestoreEndpoint
from backend.src.web.endpoints.retention import RetentionEndpoint
from backend.src.web.endpoints.sessions import SessionsEndpoint
from backend.src.web.endpoints.snapshot_comparison import SnapshotComparisonEndpoint
from backend.src.web.endpoints.snapshot_files import SnapshotFilesEndpoint
from backend.src.web.endpoints.snapshots import SnapshotsEndpoint
from backend.src.web.endpoints.tags import TagsEndpoint
from backend.src.web.endpoints.users import UsersEndpoint
from backend.src.web.metrics import LarderMetrics
from backend.src.web.path_manager import PathManager

get = RuntimeManager.get

# What each role starts, in this order; it stops in reverse. Everything else is made when first asked for.
INFRASTRUCTURE: tuple[type, ...] = (Redis, SQL, Bucket, Epics, MailManagement)
PEOPLE: tuple[type, ...] = (Outbox, ApiKeys, Sessions, Passwords, Users, Providers)
TABLE: tuple[type, ...] = (PVMonitor, Publisher, Replica)  # the live table: watched here, or copied from the leader
STARTED: dict[Role, tuple[type, ...]] = {
    Role.ALL: (*INFRASTRUCTURE, *PEOPLE, *TABLE, Snapshots, Restores, Jobs, SubscriptionRegistry, Crons),
    Role.API: (*INFRASTRUCTURE, *PEOPLE, *TABLE, Snapshots, Restores, Jobs, SubscriptionRegistry),
    Role.MONITOR: (*INFRASTRUCTURE, Outbox, ApiKeys, Sessions, *TABLE, Crons),
    Role.WORKER: (*INFRASTRUCTURE, Outbox, ApiKeys, Sessions, Providers, *TABLE, Snapshots, Restores, Jobs, Crons),
}
WORKING = (Role.ALL, Role.WORKER)
MONITORING = (Role.ALL, Role.MONITOR)


class Server:
    """One process of Larder. Building it opens nothing; `running()` starts and stops it."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self.control = RuntimeControl()
        self.paths = PathManager()
        _register(settings)
        if settings.server.role in WORKING:
            get(SnapshotCreation).register()
            get(Restores).register()
        EndpointManager(_endpoints(settings, self.control)).collect(self.paths)
        frame: dict[str, Any] = {"audit": get(Audit), "counter": get(Redis).rate_counter()}
        self.app = build_app(settings, self.paths, get(Accounts), self._lifespan, **frame)

    @property
    def steps(self) -> tuple[Step, ...]:
        """The services of this role, in start order."""
        started = STARTED[self.settings.server.role]
        if self.settings.cache.embedded:  # nobody to publish to and nobody to copy from
            started = tuple(key for key in started if key not in (Publisher, Replica))
        return tuple(Step(key.__name__, get(key)) for key in started)

    @property
    def dependencies(self) -> tuple[Step, ...]:
        """The servers outside this process, each of which can be started and pinged alone."""
        own = (Step(key.__name__, get(key)) for key in INFRASTRUCTURE)
        return (*own, *(Step(f"provider {name}", client) for name, client in get(Providers).clients.items()))

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Started inside, stopped after. Raises StartFailed; what had started is stopped again."""
        async with self.app.router.lifespan_context(self.app):
            yield

    @asynccontextmanager
    async def _lifespan(self, _app: FastAPI) -> AsyncIterator[None]:
        limits = self.settings.server
        management = ServerManagement(
            self.steps, start_timeout_s=limits.start_timeout_s, stop_timeout_s=limits.stop_timeout_s
        )
        try:
            await management.start()
            yield
        finally:
            await management.stop()
            await get(Supervisor).stop()
            RuntimeManager.reset()


def _register(settings: Settings) -> None:
    """Says how everything is made. Nothing is made yet."""
    clock = SystemClock()
    _register_infrastructure(settings, clock)
    _register_people(settings, clock)
    _register_machine(settings, clock)
    _register_work(settings, clock)
    _register_upkeep(settings, clock)


def _register_infrastructure(settings: Settings, clock: SystemClock) -> None:
    """What is outside this process, and the loops inside it."""
    register, folder = RuntimeManager.register, settings.server.data_dir
    register(Supervisor)
    register(Redis, settings.cache)
    register(SQL, factory=lambda: SQL.build(settings.sql, folder, get(Redis), clock))
    register(Bucket, settings.bucket, folder)
    register(Epics, settings.epics)
    register(MailManagement, settings.mail, clock)


def _register_people(settings: Settings, clock: SystemClock) -> None:
    """Who may do what."""
    register = RuntimeManager.register
    register(Letters, settings.public_url)
    register(Outbox, factory=lambda: _outbox(settings, clock))
    register(Audit, factory=lambda: Audit(get(SQL), clock))
    register(ApiKeys, factory=lambda: ApiKeys(get(SQL), clock, get(Supervisor)))
    _register_users(settings, clock)
    _register_sessions(settings, clock)
    register(Accounts, factory=lambda: Accounts(get(ApiKeys), get(BearerCheck), settings.server.secret_key, clock))


def _register_users(settings: Settings, clock: SystemClock) -> None:
    """Who there is, and how they come and go."""
    register, accounts = RuntimeManager.register, settings.accounts
    register(Passwords, accounts)
    register(AccountMail, factory=lambda: AccountMail(get(Outbox), get(Letters), settings.public_url))
    register(Users, factory=lambda: Users(get(SQL), get(Passwords), get(AccountMail), clock, accounts))
    register(Registrations, factory=lambda: Registrations(get(SQL), get(Passwords), get(AccountMail), clock, accounts))
    register(
        PasswordResets, factory=lambda: PasswordResets(get(SQL), get(Passwords), get(AccountMail), clock, accounts)
    )
    register(
        Profiles, factory=lambda: Profiles(get(SQL), get(Users), get(Passwords), get(AccountMail), clock, accounts)
    )
    register(Verification, factory=lambda: Verification(get(Registrations), get(Profiles)))


def _register_sessions(settings: Settings, clock: SystemClock) -> None:
    """People who have logged in."""
    register = RuntimeManager.register
    seal = Seal(settings.server.secret_key.reveal(), "signing keys")
    register(SigningKeys, factory=lambda: SigningKeys(get(SQL), clock, seal, settings.accounts))
    register(Sessions, factory=lambda: Sessions(get(SQL), clock, get(Supervisor)))
    register(BearerCheck, factory=lambda: BearerCheck(get(SQL), get(SigningKeys), get(Sessions), clock))
    register(TokenInspection, factory=lambda: TokenInspection(get(SQL), get(BearerCheck), get(Sessions), clock))
    register(OAuthClients, settings.docs.oauth2_client_id, settings.docs.oauth2_client_secret)
    register(
        OAuthAuthentication,
        factory=lambda: OAuthAuthentication(
            get(SQL), get(Users), get(SigningKeys), get(BearerCheck), clock, settings.accounts
        ),
    )
    register(Providers, factory=lambda: _providers(settings, clock))


def _register_machine(settings: Settings, clock: SystemClock) -> None:
    """The catalogue, and the machine as it is now."""
    register, protocol = RuntimeManager.register, Protocol(settings.epics.default_protocol)
    register(Catalog, factory=lambda: Catalog(get(SQL), RedisNotifier(get(Redis)), clock, protocol))
    register(TagCatalog, factory=lambda: TagCatalog(get(Catalog).store))
    register(LiveTable, factory=lambda: LiveTable(clock, stale_after_s=settings.monitor.stale_after_s))
    register(LiveNames)
    register(Circuits, clock, settings.monitor)
    register(DirectAccess, factory=lambda: DirectAccess(get(Epics), get(Circuits), settings.epics))
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


def _register_work(settings: Settings, clock: SystemClock) -> None:
    """Jobs and what runs as one; what tells of it all."""
    register, protocol = RuntimeManager.register, Protocol(settings.epics.default_protocol)
    register(Jobs, factory=lambda: Jobs(get(SQL), get(Redis), clock, get(Supervisor), settings.jobs))
    register(Snapshots, factory=lambda: _snapshots(settings, clock, protocol))
    register(SnapshotCreation, factory=lambda: SnapshotCreation(get(Snapshots), get(Jobs)))
    register(Comparisons, factory=lambda: Comparisons(get(Snapshots)))
    register(Restores, factory=lambda: _restores(settings, clock, protocol))
    register(Health, factory=lambda: _health(settings, clock))
    register(
        LarderMetrics,
        factory=lambda: LarderMetrics(
            get(LiveTable), get(PVMonitor), get(SubscriptionRegistry), get(Circuits), get(SQL).figures
        ),
    )


def _providers(settings: Settings, clock: SystemClock) -> Providers:
    options = ProviderOptions(
        public_url=settings.public_url,
        redirect_uri=settings.accounts.redirect_uri,
        registration=settings.accounts.registration,
        own_client=settings.docs.oauth2_client_id,
    )
    begin_session, secret_key = get(OAuthAuthentication).begin_session, settings.server.secret_key.reveal()
    return Providers(get(SQL), begin_session, clock, secret_key, settings.providers, options)


def _outbox(settings: Settings, clock: SystemClock) -> Outbox:
    seal = Seal(settings.server.secret_key.reveal(), "outbox")
    return Outbox(get(SQL), get(MailManagement), clock, get(Supervisor), seal, settings.mail)


def _register_upkeep(settings: Settings, clock: SystemClock) -> None:
    """What runs by itself."""
    register, longest_s = RuntimeManager.register, settings.accounts.lockout_longest_s
    register(ExpiredRows, factory=lambda: ExpiredRows(get(SQL), clock, lockout_longest_s=longest_s))
    register(
        History,
        factory=lambda: History(get(SQL), get(Jobs), get(Restores), get(Audit), clock, settings.retention),
    )
    register(Retention, factory=lambda: Retention(get(SQL), get(Snapshots), clock, settings.retention))
    register(ScheduledSnapshots, factory=lambda: ScheduledSnapshots(get(Snapshots), get(LiveTable), clock))
    register(BackgroundTasks, factory=lambda: _upkeep(settings).tasks(settings.crons))
    here = settings.crons.enabled and settings.server.role is not Role.API
    register(
        Crons,
        factory=lambda: Crons(
            get(BackgroundTasks), get(SQL), get(Audit), clock, get(Supervisor), settings.jobs, runs_here=here
        ),
    )


def _upkeep(settings: Settings) -> Upkeep:
    return Upkeep(
        outbox=get(Outbox),
        signing_keys=get(SigningKeys),
        providers=get(Providers),
        expired=get(ExpiredRows),
        history=get(History),
        retention=get(Retention),
        snapshots=get(Snapshots),
        restores=get(Restores),
        scheduled=get(ScheduledSnapshots),
        watchdog=get(Watchdog),
        works=settings.server.role in WORKING,
    )


def _watchdog_comes() -> bool:
    return get(Crons).comes("watchdog")


def _leadership(settings: Settings, clock: SystemClock) -> Leadership:
    """One monitor leads among processes that share a Redis; a process with its own is alone."""
    ttl_s = settings.monitor.lease_ttl_s
    lease = None if settings.cache.embedded else get(Redis).lease("monitor", ttl_s)
    return Leadership(lease, clock, ttl_s=ttl_s, may_lead=settings.server.role in MONITORING)


def _snapshots(settings: Settings, clock: SystemClock, protocol: Protocol) -> Snapshots:
    options = SnapshotOptions(
        machine=socket.gethostname(), read_timeout_s=settings.epics.read_timeout_s, default_protocol=protocol
    )
    return Snapshots(get(SQL), get(Bucket), get(Catalog), get(LiveTable), get(Epics), clock, options)


def _restores(settings: Settings, clock: SystemClock, protocol: Protocol) -> Restores:
    options = RestoreSettings(
        read_timeout_s=settings.epics.read_timeout_s,
        write_timeout_s=settings.epics.write_timeout_s,
        default_protocol=protocol,
    )
    return Restores(get(SQL), get(Bucket), get(Snapshots), get(Epics), get(Jobs), clock, options)


def _health(settings: Settings, clock: SystemClock) -> Health:
    names = {Redis: "cache", SQL: "sql", Bucket: "bucket", Epics: "epics", PVMonitor: "monitor"}
    if settings.mail.configured:  # nobody misses a mail server that nobody named
        names[MailManagement] = "mail"
    watched: dict[str, Service] = {
        name: get(key) for key, name in names.items() if key in STARTED[settings.server.role]
    }
    return Health(watched, get(LiveTable), get(LiveNames), get(Catalog), clock)


def _endpoints(settings: Settings, control: RuntimeControl) -> tuple[Callable[[], Any], ...]:
    """How each group of routes is made."""
    common: tuple[Callable[[], Any], ...] = (lambda: _health_endpoint(settings),)
    if settings.server.role in (Role.MONITOR, Role.WORKER):
        return common
    live, catalog, names = get(LiveTable), get(Catalog), get(LiveNames)
    protocol = Protocol(settings.epics.default_protocol)
    return (
        *common,
        lambda: OAuthEndpoint(
            get(OAuthAuthentication), get(TokenInspection), get(Sessions), get(OAuthClients), settings.public_url
        ),
        lambda: AuthorizeEndpoint(get(OAuthAuthentication), get(OAuthClients), settings.public_url, get(Providers).all),
        lambda: SessionsEndpoint(get(Sessions), get(Users)),
        lambda: ProvidersEndpoint(get(Providers)),
        lambda: ApiKeysEndpoint(get(ApiKeys)),
        lambda: UsersEndpoint(get(Users), get(Registrations), get(PasswordResets)),
        lambda: ProfileEndpoint(get(Users), get(Profiles)),
        _registration,
        lambda: AccountPagesEndpoint(_registration(), get(OAuthAuthentication), get(Providers).all),
        lambda: AuditEndpoint(get(Audit)),
        lambda: AdminEndpoint(control),
        lambda: PvsEndpoint(catalog, live, names),
        lambda: PvImportEndpoint(catalog),
        lambda: TagsEndpoint(get(TagCatalog)),
        lambda: LiveEndpoint(live, names, catalog, get(DirectAccess), settings.epics),
        lambda: LiveSocketEndpoint(get(SubscriptionRegistry), live, names, catalog, SystemClock(), settings.streaming),
        lambda: SnapshotsEndpoint(get(Snapshots), get(SnapshotCreation), protocol),
        lambda: SnapshotFilesEndpoint(get(Snapshots), protocol),
        lambda: SnapshotComparisonEndpoint(get(Snapshots), get(Comparisons), protocol),
        lambda: RestoreEndpoint(get(Restores), get(Jobs), protocol),
        lambda: JobsEndpoint(get(Jobs)),
        lambda: CronsEndpoint(get(Crons)),
        lambda: RetentionEndpoint(get(Retention)),
        lambda: MailEndpoint(get(Outbox)),
    )


def _registration() -> RegistrationEndpoint:
    return RegistrationEndpoint(get(Registrations), get(PasswordResets), get(Verification), get(Audit))


def _health_endpoint(settings: Settings) -> HealthEndpoint:
    watchdog = get(Watchdog) if settings.server.role in MONITORING else None
    return HealthEndpoint(get(Health), get(Circuits), get(PVMonitor), watchdog, get(Epics), get(LarderMetrics))
