"""Which endpoints a role answers, and what each is made of."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from backend.src.config.settings import Role, Settings
from backend.src.core.clock import SystemClock
from backend.src.core.runtime_control import RuntimeControl
from backend.src.core.runtime_manager import RuntimeManager
from backend.src.infra.epics import Epics, Protocol
from backend.src.services.accounts import ApiKeys, OAuthAuthentication, OAuthClients, Sessions, TokenInspection
from backend.src.services.accounts.password_resets import PasswordResets
from backend.src.services.accounts.profiles import Profiles
from backend.src.services.accounts.registrations import Registrations
from backend.src.services.accounts.users import Users
from backend.src.services.accounts.verification import Verification
from backend.src.services.audit import Audit
from backend.src.services.catalog import Catalog, TagCatalog
from backend.src.services.crons import Crons
from backend.src.services.health import Health
from backend.src.services.jobs import Jobs
from backend.src.services.live import LiveNames, LiveTable
from backend.src.services.mailing import Outbox
from backend.src.services.monitoring import Circuits, DirectAccess, PVMonitor, Watchdog
from backend.src.services.providers import Providers
from backend.src.services.restore import Restores
from backend.src.services.retention import Retention
from backend.src.services.snapshots import Comparisons, SnapshotCreation, Snapshots
from backend.src.services.streaming import SubscriptionRegistry
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
from backend.src.wiring.cameras import camera_endpoints
from backend.src.wiring.documents import document_endpoints
from backend.src.wiring.roles import MONITORING

get = RuntimeManager.get


def endpoint_builders(settings: Settings, control: RuntimeControl) -> tuple[Callable[[], Any], ...]:
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
        lambda: AuthorizeEndpoint(
            get(OAuthAuthentication), get(OAuthClients), settings.public_url, get(Providers).all()
        ),
        lambda: SessionsEndpoint(get(Sessions), get(Users)),
        lambda: ProvidersEndpoint(get(Providers)),
        lambda: ApiKeysEndpoint(get(ApiKeys)),
        lambda: UsersEndpoint(get(Users), get(Registrations), get(PasswordResets), get(ApiKeys)),
        lambda: ProfileEndpoint(get(Users), get(Profiles), get(ApiKeys)),
        _registration,
        lambda: AccountPagesEndpoint(_registration(), get(OAuthAuthentication), get(Providers).all()),
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
        *camera_endpoints(settings, control),
        lambda: CronsEndpoint(get(Crons)),
        lambda: RetentionEndpoint(get(Retention)),
        lambda: MailEndpoint(get(Outbox)),
        *document_endpoints(settings),
    )


def _registration() -> RegistrationEndpoint:
    return RegistrationEndpoint(get(Registrations), get(PasswordResets), get(Verification), get(Audit))


def _health_endpoint(settings: Settings) -> HealthEndpoint:
    watchdog = get(Watchdog) if settings.server.role in MONITORING else None
    return HealthEndpoint(get(Health), get(Circuits), get(PVMonitor), watchdog, get(Epics), get(LarderMetrics))
