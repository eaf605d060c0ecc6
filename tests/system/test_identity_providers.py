"""Logging in with a real OpenID Connect provider, over HTTP, as a browser and as a page do it."""

from __future__ import annotations

import base64
import hashlib
import html
import re
import sqlite3
import time
from collections.abc import Iterator
from typing import Any

import httpx
import pytest

from tests.servers.larder import Larder
from tests.servers.openid_provider import CLIENT_ID, CLIENT_SECRET, OpenIdServer, client
from tests.servers.ports import free_port
from tests.system.browser import PUBLIC_URL, Browser, parameters

VERIFIER = "a-verifier-of-forty-three-characters-or-more"
CHALLENGE = base64.urlsafe_b64encode(hashlib.sha256(VERIFIER.encode()).digest()).rstrip(b"=").decode()
PASSWORD = "plum hatch orbit vellum"
TIMEOUT_S = 4.0  # of a provider that hangs, in one test; all others get an answer, from a busy machine too
GIVES_UP_WITHIN_S = 15.0
CONFIGURATION = """
[accounts]
registration = "open"
bcrypt_rounds = 10
[door]
logins_per_minute = 0
[crons]
provider_tokens = "off"  # every five minutes otherwise, and so perhaps between two lines of a test
[[providers]]
name = "lab"
label = "The laboratory"
issuer = "{issuer}"
client_id = "{client_id}"
scopes = "openid email profile offline_access"
timeout_s = {timeout}
[[providers]]
name = "gone"
issuer = "http://127.0.0.1:{nobody}"
client_id = "{client_id}"
"""


@pytest.fixture(scope="module")
def provider() -> Iterator[OpenIdServer]:
    with OpenIdServer(client(CLIENT_ID, [f"{PUBLIC_URL}/oauth/callback/lab"])) as provider:
        yield provider


@pytest.fixture(scope="module")
def larder(provider: OpenIdServer, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Larder]:
    folder = tmp_path_factory.mktemp("providers")
    config = folder / "config.toml"
    names = {"issuer": provider.issuer, "client_id": CLIENT_ID, "timeout": TIMEOUT_S, "nobody": free_port()}
    config.write_text(CONFIGURATION.format(**names))
    environment = {"PUBLIC_URL": PUBLIC_URL, "OIDC_LAB_CLIENT_SECRET": CLIENT_SECRET, "DEBUG": "1"}
    with Larder(folder / "data", environment, config=config) as larder:
        yield larder


@pytest.fixture
def browser(larder: Larder) -> Iterator[Browser]:
    with Browser(larder) as browser:
        yield browser


def ask(larder: Larder, method: str, path: str, token: str, expect: int = 200) -> Any:
    answer = httpx.request(method, larder.url + path, headers={"Authorization": f"Bearer {token}"}, timeout=30)
    assert answer.status_code == expect, answer.text
    return answer.json()


def me(larder: Larder, login: httpx.Response) -> dict[str, Any]:
    assert login.status_code == 200, login.text
    found: dict[str, Any] = ask(larder, "GET", "/v1/users/me", login.json()["access_token"])
    return found


def exchange(larder: Larder, code: str, verifier: str = VERIFIER, redirect_uri: str = "/page") -> httpx.Response:
    form = {"grant_type": "authorization_code", "code": code, "code_verifier": verifier, "redirect_uri": redirect_uri}
    return httpx.post(f"{larder.url}/oauth/token", data={**form, "client_id": "larder-docs"}, timeout=30)


def identities(larder: Larder) -> list[dict[str, Any]]:
    """As they lie in the database."""
    with sqlite3.connect(larder.data_dir / "larder.sqlite3") as database:
        database.row_factory = sqlite3.Row
        rows = [dict(row) for row in database.execute("SELECT * FROM identities ORDER BY id")]
    database.close()
    return rows


# ---- the whole way ----


def test_a_login_page_can_list_the_providers(larder: Larder) -> None:
    assert httpx.get(f"{larder.url}/oauth/providers").json() == [
        {"name": "lab", "label": "The laboratory", "login": "/oauth/login/lab"},
        {"name": "gone", "label": "gone", "login": "/oauth/login/gone"},
    ]


def test_a_person_logs_in_and_is_the_same_the_next_time(larder: Larder, browser: Browser) -> None:
    login = browser.log_in("ada")
    assert login.headers["cache-control"] == "no-store"
    first = me(larder, login)
    assert (first["email"], first["name"], first["role"]) == ("ada@example.org", "ada", "viewer")
    assert login.json()["scope"] == "read" and login.json()["refresh_token"].startswith("lrr_")
    with Browser(larder) as other:
        assert me(larder, other.log_in("ada"))["id"] == first["id"]
    sessions = ask(larder, "GET", "/v1/users/me/sessions", login.json()["access_token"])
    assert "provider" in str(sessions) and str(sessions).count("python-httpx") == 2


def test_an_address_that_changes_at_the_provider_changes_nobody_here(larder: Larder) -> None:
    found = []
    for _ in range(2):
        with Browser(larder) as browser:
            found.append(me(larder, browser.log_in("renamed")))
    assert found[0]["id"] == found[1]["id"] and found[0]["email"] == found[1]["email"]


def test_an_account_with_a_password_is_found_by_its_verified_address(larder: Larder, browser: Browser) -> None:
    body = {"email": "Eve@example.org", "name": "Eve", "role": "operator", "password": PASSWORD}
    made = larder.api.call("POST", "/v1/users", json=body)
    assert me(larder, browser.log_in("eve"))["id"] == made["id"]


def test_a_page_gets_a_code_that_its_verifier_alone_opens(larder: Larder, browser: Browser) -> None:
    end = browser.log_in("ada", return_to="/page", code_challenge=CHALLENGE, state="its own", scope="read")
    assert end.status_code == 303 and end.headers["location"].startswith(f"{PUBLIC_URL}/page?")
    sent = parameters(end.headers["location"])
    assert set(sent) == {"code", "state"} and sent["state"] == "its own"
    assert exchange(larder, sent["code"], verifier="x" * 43).status_code == 400
    tokens = exchange(larder, sent["code"])
    assert me(larder, tokens)["email"] == "ada@example.org"
    assert exchange(larder, sent["code"]).status_code == 400
    ask(larder, "GET", "/v1/users/me", tokens.json()["access_token"], expect=401)


def test_the_login_page_offers_the_providers(larder: Larder, browser: Browser) -> None:
    redirect_uri = f"{PUBLIC_URL}/_docs/oauth2-redirect"
    asked = {"response_type": "code", "client_id": "larder-docs", "redirect_uri": redirect_uri, "state": "its own"}
    query = httpx.QueryParams({**asked, "code_challenge": CHALLENGE, "code_challenge_method": "S256"})
    page = browser.get(f"/oauth/authorize?{query}").text
    button = re.search(r'href="(/oauth/login/lab[^"]*)"[^>]*>\s*Log in with The laboratory', page)
    assert button is not None, page
    there = browser.get(html.unescape(button[1])).headers["location"]
    end = parameters(browser.get(browser.log_in_there(there, "ada")).headers["location"])
    assert end["state"] == "its own"
    assert me(larder, exchange(larder, end["code"], redirect_uri=redirect_uri))["email"] == "ada@example.org"


def test_no_login_leads_to_another_server(browser: Browser) -> None:
    for elsewhere in ("https://elsewhere.example/", "//elsewhere.example", f"{PUBLIC_URL}.elsewhere.example/"):
        query = httpx.QueryParams({"return_to": elsewhere, "code_challenge": CHALLENGE})
        assert browser.get(f"/oauth/login/lab?{query}").status_code == 422


def test_whoever_changes_their_mind_at_the_provider_hears_so(larder: Larder, browser: Browser) -> None:
    end = browser.get(browser.log_in_there(browser.begin(), "ada", aborts=True))
    assert end.status_code == 403 and "access_denied" in end.json()["detail"]
    page = browser.begin(return_to="/page", code_challenge=CHALLENGE)
    end = browser.get(browser.log_in_there(page, "ada", aborts=True))
    assert parameters(end.headers["location"])["error"] == "access_denied"


@pytest.mark.parametrize("name", ["unverified-ada", "nameless"])
def test_an_address_that_is_not_verified_makes_no_account(larder: Larder, browser: Browser, name: str) -> None:
    end = browser.log_in(name)
    assert end.status_code == 403 and end.json()["remedy"]
    assert name not in [row["subject"] for row in identities(larder)]


# ---- what an attacker tries ----


def test_a_callback_is_good_once_and_in_its_browser(larder: Larder, browser: Browser) -> None:
    callback = browser.log_in_there(browser.begin(), "ada")
    with Browser(larder) as thief:
        thief.begin()
        assert thief.get(callback).status_code == 401
    assert browser.get(callback).status_code == 401  # the thief used it up
    callback = browser.log_in_there(browser.begin(), "ada")
    assert browser.get(callback).status_code == 200
    assert browser.get(callback).status_code == 401


def test_a_made_up_state_is_refused(browser: Browser) -> None:
    callback = browser.log_in_there(browser.begin(), "ada")
    state = parameters(callback)["state"]
    assert browser.get(callback.replace(state, "x" * len(state))).status_code == 401


def test_a_code_is_good_once_and_for_its_own_login(browser: Browser) -> None:
    """A code of one login in the callback of another: PKCE stops it, and the provider the second use."""
    first, second, third = (browser.log_in_there(browser.begin(), "ada") for _ in range(3))
    code = parameters(first)["code"]
    mixed = browser.get(second.replace(parameters(second)["code"], code))
    assert mixed.status_code == 401 and "invalid_grant" in mixed.json()["detail"]
    assert browser.get(first).status_code == 200
    replayed = browser.get(third.replace(parameters(third)["code"], code))
    assert replayed.status_code == 401 and "invalid_grant" in replayed.json()["detail"]


def test_another_provider_cannot_finish_it(browser: Browser) -> None:
    callback = browser.log_in_there(browser.begin(), "ada")
    assert browser.get(callback.replace("/lab?", "/gone?")).status_code == 401


@pytest.mark.parametrize("iss", ["", "&iss=https%3A%2F%2Felsewhere.example"])
def test_a_callback_that_does_not_say_from_whom_it_comes_is_refused(browser: Browser, iss: str) -> None:
    callback = browser.log_in_there(browser.begin(), "ada")
    assert browser.get(callback[: callback.index("&iss=")] + iss).status_code == 401


def test_the_disabled_stay_out(larder: Larder, browser: Browser) -> None:
    user = me(larder, browser.log_in("mallory"))
    larder.api.call("PUT", f"/v1/users/{user['id']}/disable")
    end = browser.log_in("mallory")
    assert end.status_code == 403 and "disabled" in end.json()["detail"]


def test_nothing_secret_is_written_into_the_log_or_the_database(larder: Larder, browser: Browser) -> None:
    callback = browser.log_in_there(browser.begin(), "ada")
    login = browser.get(callback).json()
    secrets = [parameters(callback)["code"], parameters(callback)["state"], CLIENT_SECRET, *login.values()]
    written = larder.log + str(identities(larder))
    assert [secret for secret in secrets if len(str(secret)) > 10 and str(secret) in written] == []


# ---- when something is away ----


def test_a_provider_that_is_not_there_is_said_to_be(larder: Larder) -> None:
    began = time.monotonic()
    answer = httpx.get(f"{larder.url}/oauth/login/gone", timeout=30)
    assert answer.status_code == 503 and answer.json()["remedy"] and time.monotonic() - began < GIVES_UP_WITHIN_S
    assert httpx.get(f"{larder.url}/oauth/login/unknown").status_code == 404


def test_a_provider_that_hangs_keeps_nobody_waiting(larder: Larder, provider: OpenIdServer, browser: Browser) -> None:
    callback = browser.log_in_there(browser.begin(), "ada")
    provider.freeze()
    try:
        began = time.monotonic()
        answer = browser.get(callback)
        assert answer.status_code == 503 and "lab" in answer.json()["detail"] and answer.json()["remedy"]
        assert time.monotonic() - began < GIVES_UP_WITHIN_S
    finally:
        provider.thaw()
    assert browser.log_in("ada").status_code == 200


def run_renewal(larder: Larder) -> str:
    """Has the cron run now; what it says of it."""

    def of(crons: list[dict[str, Any]]) -> dict[str, Any]:
        return next(one for one in crons if one["name"] == "provider_tokens")

    def has_ended(crons: list[dict[str, Any]]) -> bool:
        cron = of(crons)
        return bool(cron["runs"] > runs and not cron["requested"] and cron["runner"] is None)

    runs = of(larder.api.call("GET", "/v1/admin/crons"))["runs"]
    larder.api.call("POST", "/v1/admin/crons/provider_tokens/run")
    return str(of(larder.wait_for("/v1/admin/crons", has_ended))["lastResult"])


def test_tokens_are_renewed_with_rotation_and_heal_after_a_death_in_between(larder: Larder, browser: Browser) -> None:
    """The provider's tokens live shorter than the cron looks ahead, so every run renews them."""
    browser.log_in("ada")
    before = {row["id"]: row["tokens"] for row in identities(larder)}
    assert all(token is not None for token in before.values())
    assert run_renewal(larder) == f"renewed the tokens of {len(before)} identities"
    after = {row["id"]: row["tokens"] for row in identities(larder)}
    assert [key for key in before if after[key] in (None, before[key])] == []
    # as if a process had died after the provider's answer, before its own commit
    with sqlite3.connect(larder.data_dir / "larder.sqlite3") as database:
        database.executemany("UPDATE identities SET tokens = ? WHERE id = ?", [(t, i) for i, t in before.items()])
    database.close()
    run_renewal(larder)
    assert {row["tokens"] for row in identities(larder)} == {None}
    assert browser.log_in("ada").status_code == 200
    assert [row["tokens"] is not None for row in identities(larder) if row["subject"] == "ada"] == [True]


def test_a_login_survives_the_server_that_began_it(larder: Larder, browser: Browser) -> None:
    callback = browser.log_in_there(browser.begin(), "ada")
    larder.kill()
    larder.start()
    assert browser.get(callback).status_code == 200


# ---- one's identities ----


def test_people_see_and_unlink_their_identities(larder: Larder, browser: Browser) -> None:
    body = {"email": "grace@example.org", "name": "Grace", "role": "viewer", "password": PASSWORD}
    larder.api.call("POST", "/v1/users", json=body)
    token = browser.log_in("grace").json()["access_token"]
    (one,) = ask(larder, "GET", "/v1/users/me/identities", token)
    assert (one["provider"], one["subject"], one["email"]) == ("lab", "grace", "grace@example.org")
    assert one["renewedBy"] and "tokens" not in one
    ask(larder, "DELETE", f"/v1/users/me/identities/{one['id']}", token)
    ask(larder, "DELETE", f"/v1/users/me/identities/{one['id']}", token, expect=404)
    assert ask(larder, "GET", "/v1/users/me/identities", token) == []


def test_the_last_way_in_stays_and_a_key_has_none(larder: Larder, browser: Browser) -> None:
    token = browser.log_in("linus").json()["access_token"]
    (one,) = ask(larder, "GET", "/v1/users/me/identities", token)
    ask(larder, "DELETE", f"/v1/users/me/identities/{one['id']}", token, expect=409)
    key = {"X-API-Key": larder.key("read", name="a program")}
    assert httpx.get(f"{larder.url}/v1/users/me/identities", headers=key).status_code == 403
