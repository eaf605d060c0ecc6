"""/oauth, the lists of sessions and the pages of logins, over the real services and an SQLite file."""

from __future__ import annotations

import asyncio
import base64
import hashlib
import re
from collections.abc import AsyncIterator
from dataclasses import replace
from html import unescape
from html.parser import HTMLParser
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlencode, urlsplit

import httpx
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from backend.src.config.settings import Secret, SqlSettings
from backend.src.infra.sql import SQL, migrate
from backend.src.services.accounts import Accounts, ApiKeys, OAuthClients, Role
from backend.src.services.audit import Audit
from backend.src.services.providers import Provider
from backend.src.web.app import build_app
from backend.src.web.endpoints.account_pages import AccountPagesEndpoint
from backend.src.web.endpoints.oauth import OAuthEndpoint
from backend.src.web.endpoints.oauth_authorize import AuthorizeEndpoint
from backend.src.web.endpoints.registration import RegistrationEndpoint
from backend.src.web.endpoints.sessions import SessionsEndpoint
from backend.src.web.path_manager import PathManager
from tests.contracts.logins import Logins
from tests.contracts.people import OTHER_PASSWORD, PASSWORD
from tests.manual_clock import ManualClock
from tests.migrated import migrated
from tests.unit.web.conftest import SETTINGS

URL = "https://larder.lab.example"
ANN = "ann@lab.example"
FORM = "application/x-www-form-urlencoded"
VERIFIER = "a" * 43
CHALLENGE = base64.urlsafe_b64encode(hashlib.sha256(VERIFIER.encode()).digest()).rstrip(b"=").decode()
ASK = {
    "response_type": "code", "client_id": "larder-docs", "redirect_uri": f"{URL}/_docs/oauth2-redirect",
    "state": "a<b>&\"'", "code_challenge": CHALLENGE, "code_challenge_method": "S256", "scope": "read",
}  # fmt: skip
LIMITS = replace(SETTINGS, door=replace(SETTINGS.door, logins_per_minute=10_000))


class Site:
    """The app, its services, and a browser (a client that keeps cookies)."""

    def __init__(self, sql: SQL, *, client_secret: str = "") -> None:
        self.logins = Logins(sql, ManualClock())
        people, oauth = self.logins.people, self.logins.oauth
        clients = OAuthClients("larder-docs", Secret(client_secret))
        registration = RegistrationEndpoint(
            people.registrations, people.resets, people.verification, Audit(sql, self.logins.clock)
        )

        providers = [Provider("lab", "The <Lab>")]
        endpoints: tuple[Any, ...] = (
            OAuthEndpoint(oauth, self.logins.inspection, self.logins.sessions, clients, URL),
            AuthorizeEndpoint(oauth, clients, URL, providers),
            SessionsEndpoint(self.logins.sessions, people.users),
            AccountPagesEndpoint(registration, oauth, providers),
        )
        paths = PathManager()
        paths.collect(endpoint.routes() for endpoint in endpoints)
        paths.freeze()
        keys = ApiKeys(sql, self.logins.clock, self.logins.supervisor)
        accounts = Accounts(keys, self.logins.bearer, Secret("s" * 32), self.logins.clock)
        self.app = build_app(LIMITS, paths, accounts)
        transport = httpx.ASGITransport(self.app, client=("192.0.2.7", 40_000))
        self.browser = httpx.AsyncClient(transport=transport, base_url=URL)

    async def token(self, **form: str) -> httpx.Response:
        return await self.browser.post("/oauth/token", data=form)

    async def log_in(self, name: str = "ann", **form: str) -> dict[str, Any]:
        answer = await self.token(grant_type="password", username=f"{name}@lab.example", password=PASSWORD, **form)
        assert answer.status_code == 200, answer.text
        found: dict[str, Any] = answer.json()
        return found

    async def ask(self, method: str, path: str, token: str, **options: Any) -> httpx.Response:
        headers = {"Authorization": f"Bearer {token}"}
        return await self.browser.request(method, path, headers=headers, **options)


@pytest.fixture(scope="module")
def database(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("oauth")
    asyncio.run(migrate(SqlSettings(), folder))
    return folder


@pytest.fixture
async def site(database: Path) -> AsyncIterator[Site]:
    sql = SQL.build(SqlSettings(), await migrated(database))
    await sql.start()
    await sql.write(
        lambda c: [
            c.exec_driver_sql(f"DELETE FROM {table}") for table in ("users", "login_failures", "outbox", "audit")
        ]
    )
    site = Site(sql)
    await site.logins.start()
    await site.logins.people.make("ann", Role.OPERATOR)
    yield site
    await site.browser.aclose()
    await site.logins.stop()
    await sql.stop()


def is_refusal(answer: httpx.Response, error: str, status: int = 400) -> None:
    """RFC 6749, 5.2: JSON, the code, a description in plain ASCII, not to be kept."""
    assert answer.status_code == status, answer.text
    assert answer.headers["content-type"] == "application/json"
    assert answer.headers["cache-control"] == "no-store"
    body = answer.json()
    assert set(body) == {"error", "error_description"} and body["error"] == error
    assert re.fullmatch(r"[\x20\x21\x23-\x5b\x5d-\x7e]+", body["error_description"])


# -- tokens ---------------------------------------------------------------------------------------------------


async def test_the_answer_to_a_login(site: Site) -> None:
    answer = await site.token(grant_type="password", username=" Ann@LAB.example ", password=PASSWORD, scope="")
    assert answer.status_code == 200, answer.text
    assert (answer.headers["cache-control"], answer.headers["pragma"]) == ("no-store", "no-cache")
    body = answer.json()
    assert set(body) == {"access_token", "token_type", "expires_in", "refresh_token", "scope"}
    assert (body["token_type"], body["expires_in"], body["scope"]) == ("Bearer", 600, "read write restore")
    (session,) = (await site.ask("GET", "/v1/users/me/sessions", body["access_token"])).json()
    assert (session["address"], session["current"], session["method"]) == ("192.0.2.7", True, "password")


@pytest.mark.parametrize(
    ("form", "error"),
    [
        ({}, "invalid_request"),
        ({"grant_type": ""}, "invalid_request"),
        ({"grant_type": "implicit"}, "unsupported_grant_type"),
        ({"grant_type": "password"}, "invalid_request"),
        ({"grant_type": "password", "username": ANN}, "invalid_request"),
        ({"grant_type": "password", "username": ANN, "password": "wrong"}, "invalid_grant"),
        ({"grant_type": "password", "username": "nobody@lab.example", "password": PASSWORD}, "invalid_grant"),
        ({"grant_type": "password", "username": "😀", "password": "\"\\\r\n"}, "invalid_grant"),
        ({"grant_type": "password", "username": "a\x00b", "password": "x"}, "invalid_request"),
        ({"grant_type": "password", "username": ANN, "password": PASSWORD, "scope": "root"}, "invalid_scope"),
        ({"grant_type": "password", "username": ANN, "password": PASSWORD, "scope": "admin"}, "invalid_scope"),
        ({"grant_type": "password", "username": ANN, "password": PASSWORD, "scope": "  "}, "invalid_scope"),
        ({"grant_type": "refresh_token"}, "invalid_request"),
        ({"grant_type": "refresh_token", "refresh_token": "lrr_" + "a" * 43}, "invalid_grant"),
        ({"grant_type": "authorization_code", "code": "x", "code_verifier": "x"}, "invalid_client"),
        ({"grant_type": "authorization_code", "client_id": "larder-docs", "code": "x"}, "invalid_request"),
        (
            {
                "grant_type": "authorization_code", "client_id": "larder-docs", "code": "x",
                "code_verifier": VERIFIER, "redirect_uri": ASK["redirect_uri"],
            },
            "invalid_grant",
        ),
        ({"grant_type": "password", "client_id": "evil", "username": ANN, "password": PASSWORD}, "invalid_client"),
        ({"grant_type": "client_credentials", "client_id": "larder-docs"}, "unsupported_grant_type"),
    ],
)  # fmt: skip
async def test_what_is_refused_is_refused_in_the_form_of_the_rfc(site: Site, form: dict[str, str], error: str) -> None:
    answer = await site.token(**form)
    is_refusal(answer, error, 401 if error == "invalid_client" else 400)
    assert ("www-authenticate" in answer.headers) is (error == "invalid_client")


@pytest.mark.parametrize(
    ("content_type", "body"),
    [
        ("application/json", b'{"grant_type":"password"}'),
        ("", b"grant_type=password"),
        ("multipart/form-data; boundary=x", b"--x--"),
        (FORM, b"grant_type=password&username=ann%40lab.example&token=a&token=b&password=" + PASSWORD.encode()),
        (FORM, b"grant_type=%ff%fe"),
        (FORM, b"\xff\xfe\x00"),
        (FORM, b"&".join(b"a%d=1" % number for number in range(100))),
        (FORM, b"grant_type=" + b"a" * 900),
        (FORM, b"grant_type=password&username=%00&password=%00"),
        (FORM, b"=&=&=&="),
        (FORM, b"grant_type=password&username=%ED%A0%80&password=x"),
    ],
)
async def test_a_body_that_is_no_form_is_refused_too(site: Site, content_type: str, body: bytes) -> None:
    headers = {"Content-Type": content_type} if content_type else {}
    for path in ("/oauth/token", "/oauth/revoke"):
        answer = await site.browser.post(path, content=body, headers=headers)
        assert answer.status_code == 400 and answer.json()["error"] in ("invalid_request", "unsupported_grant_type")


async def test_a_client_may_prove_itself_by_basic_and_must_with_a_secret(site: Site) -> None:
    plain = {"grant_type": "password", "username": ANN, "password": PASSWORD}

    async def by_basic(credentials: str, **form: str) -> httpx.Response:
        headers = {"Authorization": f"Basic {credentials}"}
        return await site.browser.post("/oauth/token", data={**plain, **form}, headers=headers)

    good = base64.b64encode(b"larder-docs:").decode()
    assert (await by_basic(good)).status_code == 200
    is_refusal(await by_basic(good, client_id="another"), "invalid_request")
    is_refusal(await by_basic(good, client_secret="x"), "invalid_request")
    for bad in ("", "!!!", base64.b64encode(b"\xff:\xff").decode(), base64.b64encode(b"other:").decode()):
        is_refusal(await by_basic(bad), "invalid_client", 401)
    confidential = OAuthClients("larder-docs", Secret("s3cret"))
    assert confidential.identify("larder-docs", "s3cret") == "larder-docs"
    for wrong in (None, "", "s3cre", "s3crets"):
        with pytest.raises(Exception, match="secret is wrong"):
            confidential.identify("larder-docs", wrong)


async def test_refreshing_revoking_logging_out(site: Site) -> None:
    first = await site.log_in()
    second = (await site.token(grant_type="refresh_token", refresh_token=first["refresh_token"])).json()
    assert (await site.browser.post("/oauth/revoke", data={"token": second["refresh_token"]})).status_code == 200
    assert (await site.browser.post("/oauth/revoke", data={"token": "never one"})).status_code == 200
    is_refusal(await site.browser.post("/oauth/revoke", data={}), "invalid_request")
    assert (await site.ask("GET", "/v1/users/me/sessions", second["access_token"])).status_code == 401
    third = await site.log_in(scope="restore")
    assert (await site.ask("POST", "/oauth/logout", third["access_token"])).status_code == 204
    answer = await site.ask("POST", "/oauth/logout", third["access_token"])
    assert answer.status_code == 401 and answer.headers["content-type"] == "application/problem+json"


async def test_introspection_is_for_administrators(site: Site) -> None:
    await site.logins.people.make("root", Role.ADMINISTRATOR)
    ann, root = (await site.log_in())["access_token"], (await site.log_in("root"))["access_token"]
    path = "/oauth/introspect"
    assert (await site.browser.post(path, data={"token": ann})).status_code == 401
    assert (await site.ask("POST", path, ann, data={"token": ann})).status_code == 403
    told = (await site.ask("POST", path, root, data={"token": ann})).json()
    assert told["active"] and told["username"] == ANN and told["scope"] == "read write restore"
    assert (await site.ask("POST", path, root, data={"token": ann + "x"})).json() == {"active": False}


async def test_sessions_are_listed_and_ended(site: Site) -> None:
    root = await site.logins.people.make("root", Role.ADMINISTRATOR)
    ann = await site.logins.people.find(ANN)
    assert ann is not None
    tokens = []
    for _ in range(3):
        tokens.append((await site.log_in())["access_token"])
        site.logins.clock.advance(1)
    mine = "/v1/users/me/sessions"
    page = await site.ask("GET", f"{mine}?pageSize=2", tokens[0])
    link = re.fullmatch(r'<(.*)>; rel="next"', page.headers["link"])
    assert link is not None
    rest = await site.ask("GET", link[1], tokens[0])
    ids = [one["id"] for one in page.json() + rest.json()]
    assert len(set(ids)) == 3 and "link" not in rest.headers
    assert (await site.ask("DELETE", f"{mine}/{ids[0]}", tokens[0])).json() is True
    assert (await site.ask("GET", mine, tokens[2])).status_code == 401
    assert (await site.ask("DELETE", f"{mine}/{ids[0]}", tokens[0])).status_code == 404
    assert (await site.ask("DELETE", mine, tokens[0])).json() is True
    assert [one["current"] for one in (await site.ask("GET", mine, tokens[0])).json()] == [True]
    admin = (await site.log_in("root"))["access_token"]
    assert (await site.ask("GET", f"/v1/users/{root.id}/sessions", tokens[0])).status_code == 403
    assert len((await site.ask("GET", f"/v1/users/{ann.id}/sessions", admin)).json()) == 1
    assert (await site.ask("DELETE", f"/v1/users/{ann.id}/sessions", admin)).json() is True
    assert (await site.ask("GET", mine, tokens[0])).status_code == 401
    assert (await site.ask("GET", "/v1/users/999/sessions", admin)).status_code == 404
    assert (await site.ask("DELETE", f"{mine}?includeCurrent=true", admin)).json() is True
    assert (await site.ask("GET", mine, admin)).status_code == 401


@pytest.mark.parametrize("token", ["x", "a.b.c", "eyJhbGciOiJub25lIn0.e30.", "." * 300, "[" * 4_000, "é"])
async def test_a_forged_bearer_is_a_401(site: Site, token: str) -> None:
    headers = {b"Authorization": f"Bearer {token}".encode()}
    answer = await site.browser.get("/v1/users/me/sessions", headers=headers)
    assert answer.status_code == 401 and "www-authenticate" in answer.headers


async def test_the_metadata_names_what_is_there(site: Site) -> None:
    told = (await site.browser.get("/.well-known/oauth-authorization-server")).json()
    paths = {route.path for route in site.app.routes}  # type: ignore[attr-defined]
    for name, value in told.items():
        if name.endswith("_endpoint"):
            assert value.removeprefix(URL) in paths, name
    assert told["code_challenge_methods_supported"] == ["S256"]


# -- pages ----------------------------------------------------------------------------------------------------


def fields_of(page: httpx.Response) -> dict[str, str]:
    """The hidden fields of the form."""
    found = re.findall(r'<input type="hidden" name="([^"]*)" value="([^"]*)">', page.text)
    return {unescape(name): unescape(value) for name, value in found}


TAGS = {
    "html", "head", "meta", "title", "link", "body", "main", "h1", "p", "form", "input", "label", "button", "a",
    "textarea",
}  # fmt: skip


class Elements(HTMLParser):
    """What a browser would make of a page."""

    def __init__(self) -> None:
        super().__init__()
        self.tags: set[str] = set()
        self.attributes: set[str] = set()
        self.addresses: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.add(tag)
        self.attributes |= {name for name, _ in attrs}
        self.addresses += [value or "" for name, value in attrs if name in ("href", "src", "action")]


def is_a_page(page: httpx.Response, status: int = 200) -> None:
    """No script, no inline style, nobody else's form or frame."""
    assert page.status_code == status, page.text
    assert page.headers["content-type"] == "text/html; charset=utf-8"
    policy = page.headers["content-security-policy"]
    assert "unsafe" not in policy and "form-action 'self'" in policy and "frame-ancestors 'none'" in policy
    assert page.headers["cache-control"] == "no-store"
    elements = Elements()
    elements.feed(page.text)
    assert elements.tags <= TAGS
    assert not {name for name in elements.attributes if name == "style" or name.startswith("on")}
    assert all(address.startswith("/") and not address.startswith("//") for address in elements.addresses)


async def asked(site: Site, **changes: str) -> httpx.Response:
    return await site.browser.get(f"/oauth/authorize?{urlencode({**ASK, **changes})}")


async def test_a_login_on_the_page_ends_in_tokens_for_the_own_client(site: Site) -> None:
    page = await asked(site)
    is_a_page(page)
    assert "The &lt;Lab&gt;" in page.text and 'href="/oauth/login/lab?return_to=' in page.text
    again = await site.browser.post("/oauth/authorize", data={**fields_of(page), "username": ANN, "password": "wrong"})
    is_a_page(again, 401)
    assert "is wrong" in again.text and "wrong" not in fields_of(again).values()
    sent = await site.browser.post("/oauth/authorize", data={**fields_of(again), "username": ANN, "password": PASSWORD})
    assert sent.status_code == 303
    back = urlsplit(sent.headers["location"])
    query = parse_qs(back.query)
    assert f"{back.scheme}://{back.netloc}{back.path}" == ASK["redirect_uri"] and query["state"] == [ASK["state"]]
    grant = {
        "grant_type": "authorization_code", "client_id": "larder-docs", "code": query["code"][0],
        "code_verifier": VERIFIER, "redirect_uri": ASK["redirect_uri"],
    }  # fmt: skip
    tokens = await site.token(**grant)
    assert tokens.json()["scope"] == "read"
    is_refusal(await site.token(**grant), "invalid_grant")


@pytest.mark.parametrize(
    "changes",
    [
        {"client_id": "evil"},
        {"client_id": ""},
        {"redirect_uri": "https://evil.example/_docs/oauth2-redirect"},
        {"redirect_uri": f"{URL}.evil.example/_docs/oauth2-redirect"},
        {"redirect_uri": f"{URL}@evil.example/_docs/oauth2-redirect"},
        {"redirect_uri": f"{URL}/_docs/oauth2-redirect?x=//evil.example"},
        {"redirect_uri": f"{URL}/_docs/../oauth2-redirect"},
        {"redirect_uri": "javascript:alert(1)"},
        {"redirect_uri": ""},
        {"redirect_uri": "\x00"},
    ],
)
async def test_nobody_is_sent_to_an_address_that_is_not_ours(site: Site, changes: dict[str, str]) -> None:
    page = await asked(site, **changes)
    is_a_page(page, 400)
    assert "location" not in page.headers and "<form" not in page.text
    posted = {**fields_of(await asked(site)), **changes, "username": ANN, "password": PASSWORD}
    is_a_page(await site.browser.post("/oauth/authorize", data=posted), 400)


@pytest.mark.parametrize(
    ("changes", "error"),
    [
        ({"response_type": "token"}, "unsupported_response_type"),
        ({"code_challenge": ""}, "invalid_request"),
        ({"code_challenge": "short"}, "invalid_request"),
        ({"code_challenge_method": "plain"}, "invalid_request"),
        ({"scope": "root"}, "invalid_scope"),
        ({"state": "s" * 3_000}, "invalid_request"),
    ],
)
async def test_what_the_client_did_wrong_is_told_to_the_client(site: Site, changes: dict[str, str], error: str) -> None:
    answer = await asked(site, **changes)
    assert answer.status_code == 303 and answer.headers["location"].startswith(f"{ASK['redirect_uri']}?error={error}&")


async def test_a_form_from_elsewhere_does_nothing(site: Site) -> None:
    """Login CSRF: somebody else's page logs this browser in under the attacker's account."""
    page = await asked(site)
    cookie = site.browser.cookies
    (name,) = cookie.keys()
    assert name == "__Host-larder-form" and "HttpOnly" in page.headers["set-cookie"]
    good = {**fields_of(page), "username": ANN, "password": PASSWORD}
    other_guard = {**good, "guard": "b" * 43}
    without = {key: value for key, value in good.items() if key != "guard"}
    for form in (other_guard, without):
        is_a_page(await site.browser.post("/oauth/authorize", data=form), 403)
    headers = {"Sec-Fetch-Site": "cross-site"}
    is_a_page(await site.browser.post("/oauth/authorize", data=good, headers=headers), 403)
    cookie.clear()
    is_a_page(await site.browser.post("/oauth/authorize", data=good), 403)
    assert await site.logins.noted("login") == 0


async def test_the_links_in_mail_lead_to_pages_that_do_what_the_mail_says(site: Site) -> None:
    people = site.logins.people
    await people.registrations.register("bob@lab.example", "Bob", PASSWORD)
    link = f"/account/verify?code={await people.code_to('bob@lab.example')}"
    for _ in range(2):  # a scanner of mail opens every link
        page = await site.browser.get(link)
        is_a_page(page)
    assert await people.find("bob@lab.example") is None
    is_a_page(done := await site.browser.post("/account/verify", data=fields_of(page)))
    assert "confirmed" in done.text and await people.find("bob@lab.example") is not None
    is_a_page(again := await site.browser.post("/account/verify", data=fields_of(page)), again.status_code)
    assert 400 <= again.status_code < 500 and 'role="alert"' in again.text

    await people.resets.request(ANN)
    page = await site.browser.get(f"/account/reset?code={await people.code_to(ANN)}")
    weak = await site.browser.post("/account/reset", data={**fields_of(page), "password": "password"})
    is_a_page(weak, 422)
    is_a_page(await site.browser.post("/account/reset", data={**fields_of(weak), "password": OTHER_PASSWORD}))
    assert await people.users.authenticate(ANN, OTHER_PASSWORD)

    await people.registrations.invite("eve@lab.example", Role.MANAGER, by="root")
    page = await site.browser.get(f"/account/accept?code={await people.code_to('eve@lab.example')}")
    form = {**fields_of(page), "name": "Eve", "password": PASSWORD}
    is_a_page(await site.browser.post("/account/accept", data=form))
    eve = await people.find("eve@lab.example")
    assert eve is not None and eve.role is Role.MANAGER


async def test_the_login_page_shows_the_tokens_once(site: Site) -> None:
    page = await site.browser.get("/account/login")
    is_a_page(page)
    is_a_page(await site.browser.post("/account/login", data={**fields_of(page), "username": ANN}), 400)
    is_a_page(shown := await site.browser.post(
        "/account/login", data={**fields_of(page), "username": ANN, "password": PASSWORD}
    ))  # fmt: skip
    found = re.search(r">(eyJ[^<]*)</textarea>", shown.text)
    assert found is not None
    assert (await site.ask("GET", "/v1/users/me/sessions", found[1])).status_code == 200


# a product so long that a page's random guard does not hold it by chance
TEMPLATE, EXECUTED = "{{1234567*7654321}}", str(1234567 * 7654321)
HOSTILE = ["<script>alert(1)</script>", '"><img src=x onerror=alert(1)>', TEMPLATE, "%00", "\x00", "a" * 200, "'", "é"]


@pytest.mark.parametrize("text", HOSTILE)
async def test_nothing_that_is_sent_becomes_part_of_a_page(site: Site, text: str) -> None:
    for path in ("/account/verify", "/account/reset", "/account/accept"):
        page = await site.browser.get(path, params={"code": text})
        is_a_page(page, page.status_code)
        assert page.status_code in (200, 422) and EXECUTED not in page.text
        guard = fields_of(await site.browser.get(f"{path}?code=x"))["guard"]
        answer = await site.browser.post(path, data={"guard": guard, "code": text, "password": text, "name": text})
        is_a_page(answer, answer.status_code)
        assert 400 <= answer.status_code < 500 and EXECUTED not in answer.text
    page = await asked(site, state=text)
    assert page.status_code in (200, 303)
    if page.status_code == 200:
        is_a_page(page)


async def test_the_style_sheet_is_there(site: Site) -> None:
    sheet = await site.browser.get("/account/style.css")
    assert sheet.headers["content-type"].startswith("text/css") and "max-age" in sheet.headers["cache-control"]


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(body=st.binary(max_size=300), authorization=st.text(st.characters(max_codepoint=255), max_size=40))
async def test_no_form_and_no_header_is_a_crash(site: Site, body: bytes, authorization: str) -> None:
    headers = {b"Content-Type": FORM.encode(), b"Authorization": b"Basic " + authorization.encode("latin-1")}
    if any(byte in headers[b"Authorization"] for byte in b"\r\n\0"):
        return
    for path in ("/oauth/token", "/oauth/revoke", "/oauth/authorize", "/account/login"):
        answer = await site.browser.post(path, content=body, headers=headers)
        assert 400 <= answer.status_code < 500, (path, body)
