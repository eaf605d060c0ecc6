"""The real Server in every role: each service resolves, nothing opens, every route has its access."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path

import pytest

from backend.src.config.loading import load
from backend.src.config.settings import Role, Settings
from backend.src.core.lifecycle import Service
from backend.src.core.runtime_manager import RuntimeManager
from backend.src.infra.sql import SQL
from backend.src.server import Server
from backend.src.services.crons import BackgroundTasks
from backend.src.services.health import Health
from backend.src.web.access import Access
from backend.src.web.routes import SOCKET
from backend.src.wiring import STARTED

ELSEWHERE = {"DB_HOST": "db.invalid", "REDIS_HOST": "redis.invalid", "BUCKET_HOST": "s3.invalid"}
KEY = {"SECRET_KEY": "0123456789abcdef0123456789abcdef"}
# who has no account yet, or forgot its password
FOR_STRANGERS = {
    "/v1/users/register",
    "/v1/users/verify",
    "/v1/users/invitations/accept",
    "/v1/users/password/forgot",
    "/v1/users/password/reset",
    "/oauth/token",
    "/oauth/revoke",
    "/oauth/providers",
    "/oauth/login/{provider}",
    "/oauth/callback/{provider}",
    "/.well-known/oauth-authorization-server",
    "/oauth/authorize",
    # who wants to know what this is, before they have an account
    *("/", "/docs", "/redoc", "/rapidoc", "/scalar", "/elements", "/explorer", "/editor", "/rapipdf"),
    *("/favicon.ico", "/_docs/oauth2-redirect", "/_docs/assets/{digest}/{name}"),
    *(f"/account/{page}" for page in ("verify", "reset", "accept", "login", "style.css")),
}


@pytest.fixture(autouse=True)
def empty_registry() -> Iterator[None]:
    RuntimeManager.reset()
    yield
    RuntimeManager.reset()


def settings_of(role: Role, folder: Path) -> Settings:
    elsewhere = {} if role is Role.ALL else ELSEWHERE
    return load(None, {"ROLE": role.value, "DATA_DIR": str(folder / "data"), **KEY, **elsewhere})


@pytest.mark.parametrize("role", list(Role))
def test_every_service_of_a_role_resolves_and_nothing_opens(role: Role, tmp_path: Path) -> None:
    server = Server(settings_of(role, tmp_path))
    for step in server.steps:
        assert isinstance(step.service, Service), step.name
    for key in RuntimeManager.registered():
        assert RuntimeManager.get(key) is RuntimeManager.get(key)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("role", list(Role))
def test_the_database_is_read_through_the_cache(role: Role, tmp_path: Path) -> None:
    """A cache layer that was never wired, in one of the peers."""
    Server(settings_of(role, tmp_path))
    assert RuntimeManager.get(SQL)._through is not None


@pytest.mark.parametrize(
    ("role", "needed"),
    [("all", {"sql"}), ("api", {"sql"}), ("monitor", {"sql", "epics"}), ("worker", {"sql", "epics", "bucket"})],
)
def test_readiness_looks_at_what_the_role_cannot_do_without(role: str, needed: set[str], tmp_path: Path) -> None:
    server = Server(settings_of(Role(role), tmp_path))
    health = RuntimeManager.get(Health)
    assert health._needed == needed <= health._dependencies.keys()
    assert not health._stopping()
    server.control.stop("the test ends")
    assert health._stopping()


@pytest.mark.parametrize("role", list(Role))
def test_what_a_role_starts_is_named_once(role: Role) -> None:
    assert len(set(STARTED[role])) == len(STARTED[role])


def test_every_key_of_crons_is_a_task(tmp_path: Path) -> None:
    settings = settings_of(Role.ALL, tmp_path)
    Server(settings)
    tasks = {task.name: task.schedule.text for task in RuntimeManager.get(BackgroundTasks)}
    assert tasks == {name: text for name, text in asdict(settings.crons).items() if name != "enabled"}


def test_only_these_routes_are_open(tmp_path: Path) -> None:
    server = Server(settings_of(Role.ALL, tmp_path))
    opened = {route.path for route in server.paths.routes() if route.access is Access.OPEN}
    assert opened == {"/health/live", "/health/ready", "/v1/health/heartbeat", *FOR_STRANGERS}


@pytest.mark.parametrize("role", [Role.MONITOR, Role.WORKER])
def test_a_role_without_clients_answers_for_its_health_alone(role: Role, tmp_path: Path) -> None:
    server = Server(settings_of(role, tmp_path))
    paths = {route.path for route in server.paths.routes()}
    assert paths and all("health" in path or path == "/metrics" for path in paths)


# The contract: what api-v1 promises under /v1.
CONTRACT = """
GET /v1/pvs|GET /v1/pvs/paged|GET /v1/pvs/search|GET /v1/pvs/devices|GET /v1/pvs/{}|POST /v1/pvs|POST /v1/pvs/multi
POST /v1/pvs/import|GET /v1/pvs/export|PUT /v1/pvs/{}|DELETE /v1/pvs/{}|GET /v1/pvs/live|POST /v1/pvs/live
GET /v1/pvs/live/all|GET /v1/pvs/cache/status|GET /v1/pvs/test-epics|PUT /v1/pvs/{}/value
GET /v1/tags|GET /v1/tags/{}|POST /v1/tags|PUT /v1/tags/{}|DELETE /v1/tags/{}|POST /v1/tags/{}/tags
PUT /v1/tags/{}/tags/{}|DELETE /v1/tags/{}/tags/{}|POST /v1/tags/bulk
GET /v1/snapshots|POST /v1/snapshots|GET /v1/snapshots/{}|PUT /v1/snapshots/{}|DELETE /v1/snapshots/{}
GET /v1/snapshots/{}/archive|GET /v1/snapshots/{}/export|GET /v1/snapshots/{}/compare/{}
POST /v1/snapshots/{}/restore/plan|POST /v1/snapshots/{}/restore|GET /v1/snapshots/{}/history
GET /v1/cameras|GET /v1/cameras/{}/still|GET /v1/cameras/{}/live|POST /v1/cameras/{}/clip|GET /v1/cameras/{}/clips/{}
GET /v1/snapshots/{}/cameras|GET /v1/snapshots/{}/cameras/{}/still|GET /v1/snapshots/{}/cameras/{}/preview
GET /v1/jobs/{}|GET /v1/jobs|POST /v1/jobs/{}/abort|GET /v1/jobs/{}/outcomes
GET /v1/api-keys|POST /v1/api-keys|DELETE /v1/api-keys/{}|GET /v1/api-keys/count|GET /v1/api-keys/{}|PUT /v1/api-keys/{}
POST /v1/api-keys/{}/rotate|GET /v1/admin/audit|GET /v1/admin/audit/export|PUT /v1/admin/stop
GET /v1/health/heartbeat|GET /v1/health/summary|GET /v1/health/disconnected|GET /v1/health/stale
GET /v1/health/circuits|POST /v1/health/circuits/{}/close|POST /v1/health/circuits/{}/open
GET /v1/health/monitor/status|GET /v1/health/watchdog|POST /v1/health/watchdog/check
GET /v1/admin/mail|GET /v1/admin/mail/{}|POST /v1/admin/mail/{}/retry
GET /v1/admin/crons|POST /v1/admin/crons/{}/run|POST /v1/admin/crons/{}/pause|POST /v1/admin/crons/{}/resume
GET /v1/admin/retention|PUT /v1/admin/retention|DELETE /v1/admin/retention|GET /v1/admin/retention/preview
POST /v1/users/register|POST /v1/users/verify|POST /v1/users/invitations|POST /v1/users/invitations/accept
POST /v1/users/password/forgot|POST /v1/users/password/reset|GET /v1/users/invitations|DELETE /v1/users/invitations/{}
GET /v1/users/me|PUT /v1/users/me|DELETE /v1/users/me|PUT /v1/users/me/password|PUT /v1/users/me/email
GET /v1/users|POST /v1/users|GET /v1/users/{}|PUT /v1/users/{}|DELETE /v1/users/{}
PUT /v1/users/{}/role|PUT /v1/users/{}/disable|PUT /v1/users/{}/enable|PUT /v1/users/{}/password
POST /oauth/token|POST /oauth/revoke|POST /oauth/introspect|POST /oauth/logout
GET /oauth/providers|GET /oauth/login/{}|GET /oauth/callback/{}
GET /v1/users/me/identities|DELETE /v1/users/me/identities/{}
GET /.well-known/oauth-authorization-server|GET /oauth/authorize|POST /oauth/authorize
GET /account/verify|POST /account/verify|GET /account/reset|POST /account/reset
GET /account/accept|POST /account/accept|GET /account/login|POST /account/login
GET /v1/users/me/sessions|DELETE /v1/users/me/sessions|DELETE /v1/users/me/sessions/{}
GET /v1/users/{}/sessions|DELETE /v1/users/{}/sessions
GET /|GET /docs|GET /redoc|GET /rapidoc|GET /scalar|GET /elements|GET /editor|GET /explorer|GET /rapipdf
GET /_docs/oauth2-redirect|GET /_docs/assets/{}/{}|GET /favicon.ico
GET /health/live|GET /health/ready|GET /metrics|WS /v1/ws/pvs|WS /v1/ws/live|GET /v1/ws/status
"""


def test_every_route_of_the_contract_is_there(tmp_path: Path) -> None:
    server = Server(settings_of(Role.ALL, tmp_path))
    promised = {tuple(line.split()) for line in CONTRACT.replace("\n", "|").split("|") if line}
    assert promised - {route.shape for route in server.paths.routes()} == set()
    assert any(route.method == SOCKET for route in server.paths.routes())
