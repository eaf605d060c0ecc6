"""The OWASP API Security Top 10 (2023), risk by risk: docs/reference/owasp-api-top-ten.md says what answers each.

What whole tables prove elsewhere (access, injection) is tried here once, as an attacker would try it.
"""

from __future__ import annotations

import json
import re
import secrets
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from backend.src.config.errors import ConfigurationError
from backend.src.config.loading import load
from backend.src.config.settings import Settings
from backend.src.services.accounts import Role
from backend.src.web.access import Access
from backend.src.web.routes import SOCKET
from tests.system.credentials import Login, log_in
from tests.system.whole_server import CONFIGURATION, Answer, WholeServer, whole_server

ROOT = Path(__file__).parents[2]
PAGE = ROOT / "docs/reference/owasp-api-top-ten.md"


@pytest.fixture
async def server(tmp_path: Path) -> AsyncIterator[WholeServer]:
    async with whole_server(tmp_path) as running:
        yield running


def bearer(login: Login) -> dict[str, str]:
    return {"authorization": f"Bearer {login.token}", "content-type": "application/json"}


async def ask(server: WholeServer, login: Login, method: str, target: str, value: Any = None) -> Answer:
    body = b"" if value is None else json.dumps(value).encode()
    return await server.ask(method, target, bearer(login), body)


async def token_request(server: WholeServer, **form: str) -> Answer:
    headers = {"content-type": "application/x-www-form-urlencoded"}
    return await server.ask("POST", "/oauth/token", headers, "&".join(f"{k}={v}" for k, v in form.items()).encode())


def test_every_risk_is_on_the_page() -> None:
    """Each with the tests that are named for it; they exist (tests/unit/test_documents.py)."""
    text = PAGE.read_text(encoding="utf-8")
    assert re.findall(r"^## API(\d+):2023 ", text, re.MULTILINE) == [str(number) for number in range(1, 11)]
    for section in text.split("\n## ")[1:]:
        assert "tests/" in section, section[:60]


async def test_api1_nobody_reaches_what_belongs_to_another(server: WholeServer) -> None:
    mine, theirs = await log_in(server, Role.MANAGER), await log_in(server, Role.MANAGER)
    (session,) = await server.call("GET", f"/v1/users/{theirs.user_id}/sessions")
    assert (await ask(server, mine, "DELETE", f"/v1/users/me/sessions/{session['id']}")).status == 404
    for method, target in (("GET", ""), ("DELETE", ""), ("GET", "/sessions"), ("DELETE", "/sessions")):
        assert (await ask(server, mine, method, f"/v1/users/{theirs.user_id}{target}")).status == 403
    assert [one["id"] for one in (await ask(server, theirs, "GET", "/v1/users/me/sessions")).json] == [session["id"]]


async def test_api2_a_wrong_password_and_an_unknown_address_are_told_alike(server: WholeServer) -> None:
    person = await server.call("GET", f"/v1/users/{(await log_in(server, Role.VIEWER)).user_id}")
    answers = [
        await token_request(server, grant_type="password", username=name, password="not this one")
        for name in (person["email"], "nobody@example.org")
    ]
    assert answers[0].status == answers[1].status == 400
    assert answers[0].body == answers[1].body


async def test_api2_guessing_is_slowed_down_for_any_address(server: WholeServer) -> None:
    for name in ("nobody@example.org", (await _email_of(server, await log_in(server, Role.VIEWER)))):
        answers = [
            await token_request(server, grant_type="password", username=name, password=secrets.token_hex(8))
            for _ in range(8)
        ]
        assert "retry-after" not in answers[0].headers
        assert int(answers[-1].headers["retry-after"]) > 0


async def _email_of(server: WholeServer, login: Login) -> str:
    return str((await server.call("GET", f"/v1/users/{login.user_id}"))["email"])


async def test_api2_credentials_in_an_address_are_no_credentials(server: WholeServer) -> None:
    login = await log_in(server, Role.ADMINISTRATOR)
    for name in ("access_token", "token", "api_key", "X-API-Key"):
        assert (await server.ask("GET", f"/v1/tags?{name}={login.token}")).status == 401


async def test_api3_nobody_sets_what_they_were_not_asked_for(server: WholeServer) -> None:
    viewer = await log_in(server, Role.VIEWER)
    for more in ({"role": "administrator"}, {"verified": True}, {"id": "1"}, {"passwordHash": "x"}):
        assert (await ask(server, viewer, "PUT", "/v1/users/me", {"name": "Me", **more})).status == 422
        new = {"email": "new@example.org", "name": "New", "password": secrets.token_urlsafe(24), **more}
        assert (await ask(server, viewer, "POST", "/v1/users/register", new)).status == 422
    assert (await ask(server, viewer, "GET", "/v1/users/me")).json["role"] == "viewer"


async def test_api3_no_answer_holds_a_secret(server: WholeServer) -> None:
    await server.call("POST", "/v1/api-keys", {"appName": "known", "scopes": ["read"]})
    await log_in(server, Role.ADMINISTRATOR)
    asked = [route.path for route in server.server.paths.routes() if route.method == "GET" and "{" not in route.path]
    for path in asked:
        answer = await server.ask("GET", path, server.operator())
        told = answer.text.lower()
        for secret in ("passwordhash", "password_hash", "tokenhash", "token_hash", "$2b$", "lrr_"):
            assert secret not in told or path.endswith("/openapi.json"), (path, secret)


async def test_api4_what_a_request_may_cost_has_an_end(server: WholeServer) -> None:
    operator = server.operator()
    assert (await server.ask("GET", "/v1/pvs/paged?pageSize=1001", operator)).status == 422
    assert (await server.ask("GET", "/v1/snapshots?pageSize=100000000", operator)).status == 422
    large = {**operator, "content-type": "application/json"}
    assert (await server.ask("POST", "/v1/tags", large, b"[" * 20_000_000)).status == 413
    assert (await server.ask("POST", "/v1/tags", large, b"[" * 1_000_000)).status in (400, 422)


async def test_api4_too_many_requests_are_refused(tmp_path: Path) -> None:
    limited = CONFIGURATION.replace("requests_per_minute = 0", "requests_per_minute = 60")
    async with whole_server(tmp_path, limited) as server:
        login = await log_in(server, Role.VIEWER)
        answers = [await ask(server, login, "GET", "/v1/tags")]
        # the window slides: once full it lets one more in a second, and a slow machine takes that long
        while answers[-1].status == 200 and len(answers) < 200:
            answers.append(await ask(server, login, "GET", "/v1/tags"))
        assert len(answers) > 1
        assert answers[-1].status == 429 and int(answers[-1].headers["retry-after"]) > 0


async def test_api5_a_role_does_not_reach_the_functions_of_a_higher_one(server: WholeServer) -> None:
    login = await log_in(server, Role.MANAGER)
    for method, target in (("GET", "/v1/users"), ("GET", "/v1/admin/audit"), ("PUT", "/v1/admin/stop")):
        assert (await ask(server, login, method, target)).status == 403
        headers = {**bearer(login), "x-http-method-override": "GET", "x-original-url": "/v1/tags", "x-role": "admin"}
        assert (await server.ask(method, target, headers)).status == 403
    for variant in ("/V1/users", "//v1/users", "/v1/users/", "/v1/./users", "/v1/tags/../users", "/v1/users;a=b"):
        assert (await ask(server, login, "GET", variant)).status in (307, 403, 404), variant


async def test_api6_what_moves_a_machine_or_makes_accounts_does_not_run_away(server: WholeServer) -> None:
    """Restores: tests/system/test_restore.py. Accounts: by invitation, unless told otherwise."""
    defaults = Settings()
    assert defaults.accounts.registration == "invitation"
    assert 0 < defaults.door.logins_per_minute <= 60
    limited = {route.path for route in server.server.paths.routes() if route.limited is not None}
    assert {"/v1/users/register", "/v1/users/password/forgot", "/v1/users/password/reset"} <= limited


async def test_api7_nobody_makes_the_server_fetch_an_address(server: WholeServer) -> None:
    """A PV is reached over Channel Access and PVAccess alone; nothing takes a URL to fetch."""
    for address in ("http://169.254.169.254/latest", "file:///etc/passwd", "gopher://127.0.0.1:6379/_x", "ftp://x/y"):
        answer = await server.ask(
            "POST", "/v1/pvs", {**server.operator(), "content-type": "application/json"},
            json.dumps({"setpointAddress": address}).encode(),
        )  # fmt: skip
        assert answer.status == 422, (address, answer.text)
    document = await server.call("GET", "/openapi.json")
    names = set(re.findall(r'"name": "(\w+)", "in": "query"', json.dumps(document)))
    assert {name for name in names if re.search("url|uri|host|callback", name, re.IGNORECASE)} <= {"redirect_uri"}


async def test_api8_nothing_is_open_or_talkative_by_default(server: WholeServer) -> None:
    defaults = Settings()
    assert (defaults.server.host, defaults.server.debug, defaults.door.cors_origins) == ("127.0.0.1", False, "")
    for target, headers in (("/nowhere", {}), ("/v1/tags", {}), ("/openapi.json", {}), ("/v1/tags", server.operator())):
        answer = await server.ask("GET", target, {**headers, "origin": "https://evil.example"})
        assert answer.headers["x-content-type-options"] == "nosniff"
        assert "unsafe-inline" not in answer.headers["content-security-policy"]
        assert "access-control-allow-origin" not in answer.headers
        assert not {"server", "x-powered-by"} & set(answer.headers)
        assert "Traceback" not in answer.text
    for method in ("TRACE", "CONNECT", "DEBUG", "PROPFIND"):
        assert (await server.ask(method, "/v1/tags", server.operator())).status == 405


@pytest.mark.parametrize("variable", ["SECRET_KEY", "ADMIN_PASSWORD"])
def test_api8_a_default_secret_does_not_start(variable: str, tmp_path: Path) -> None:
    for secret in ("changeme", "password", "secret"):
        with pytest.raises(ConfigurationError):
            load(None, {"DATA_DIR": str(tmp_path), "ADMIN_EMAIL": "a@example.org", variable: secret})


async def test_api9_what_answers_is_known(server: WholeServer) -> None:
    """One version; whatever the document does not name is a page. tests/system/test_access_table.py knows of all."""
    document = await server.call("GET", "/openapi.json")
    hidden = [route for route in server.server.paths.routes() if not route.documented and route.method != SOCKET]
    assert all(re.match("/v1/|/oauth/|/health/|/metrics$|/.well-known/|/account/", path) for path in document["paths"])
    pages = {route.path for route in hidden if route.access is Access.OPEN and not route.path.startswith("/v1")}
    assert pages == {route.path for route in hidden}  # what a browser shows to anybody; nothing of the interface


@pytest.mark.parametrize("issuer", ["http://login.example.org", "ftp://login.example.org", "login.example.org", ""])
def test_api10_another_api_is_believed_over_tls_alone(issuer: str, tmp_path: Path) -> None:
    config = tmp_path / "config.toml"
    config.write_text(f'[[providers]]\nname = "other"\nissuer = "{issuer}"\nclient_id = "larder"\n')
    with pytest.raises(ConfigurationError):
        load(config, {"DATA_DIR": str(tmp_path), "OIDC_OTHER_CLIENT_SECRET": "x" * 32})
