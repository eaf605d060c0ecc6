"""The cookie that ties a login to its browser, and what is refused before any provider is asked."""

from __future__ import annotations

import re
from collections.abc import Callable
from http.cookies import SimpleCookie

import httpx
import pytest
from fastapi import FastAPI

from backend.src.services.accounts.principal import Scope
from backend.src.services.accounts.token_pair import TokenPair
from backend.src.services.providers import Answer, LoginStarted, Provider, SentBack, Wish
from backend.src.web.endpoints.oauth_providers import ProvidersEndpoint
from tests.unit.web.conftest import client_of

STATE, BROWSER = "the-state", "the-browser"
PAGE = "https://larder.example/page?code=1"
CHALLENGE = "c" * 43


class KnownProviders:
    """One provider; it notes what it is asked, and sends back whom a page waits for."""

    def __init__(self, *, by_https: bool = True, end: TokenPair | SentBack | None = None) -> None:
        self.by_https = by_https
        self.end = end or TokenPair("access", "refresh", 600, (Scope.READ,), "0123456789abcdef")
        self.wishes: list[Wish] = []
        self.answers: list[Answer] = []

    def all(self) -> list[Provider]:
        return [Provider("lab", "The laboratory")]

    async def begin(self, name: str, wish: Wish) -> LoginStarted:
        assert name == "lab"
        self.wishes.append(wish)
        return LoginStarted("https://login.lab.example/authorize?state=the-state", STATE, BROWSER)

    async def finish(self, name: str, answer: Answer) -> TokenPair | SentBack:
        assert name == "lab"
        self.answers.append(answer)
        return self.end


def app(app_of: Callable[..., FastAPI], providers: KnownProviders) -> FastAPI:
    return app_of(ProvidersEndpoint(providers))  # type: ignore[arg-type]


@pytest.mark.parametrize(("by_https", "prefix"), [(True, "__Host-"), (False, "")])
async def test_the_cookie_is_for_this_login_and_nothing_else_reads_it(
    app_of: Callable[..., FastAPI], by_https: bool, prefix: str
) -> None:
    async with client_of(app(app_of, KnownProviders(by_https=by_https)), None) as client:
        answer = await client.get("/oauth/login/lab")
    assert answer.status_code == 303 and answer.headers["location"].startswith("https://login.lab.example/")
    ((name, cookie),) = SimpleCookie(answer.headers["set-cookie"]).items()
    assert re.fullmatch(rf"{prefix}larder_login_[0-9a-f]{{12}}", name) and STATE not in name
    assert (cookie.value, cookie["path"], cookie["domain"], cookie["max-age"]) == (BROWSER, "/", "", "600")
    assert (cookie["httponly"], cookie["samesite"], bool(cookie["secure"])) == (True, "lax", by_https)


async def test_the_cookie_comes_back_to_its_own_login_alone_and_goes(app_of: Callable[..., FastAPI]) -> None:
    providers = KnownProviders(by_https=False)
    async with client_of(app(app_of, providers), None) as client:
        await client.get("/oauth/login/lab")
        for state in (STATE, "another-state"):
            answer = await client.get(f"/oauth/callback/lab?state={state}&code=1&iss=i&session_state=2")
            assert answer.status_code == 200
        assert dict(client.cookies) == {}
    assert [one.browser for one in providers.answers] == [BROWSER, None]
    assert (providers.answers[0].code, providers.answers[0].issuer) == ("1", "i")
    assert answer.json() == {
        "access_token": "access", "token_type": "Bearer", "expires_in": 600, "refresh_token": "refresh", "scope": "read"
    }  # fmt: skip


async def test_a_page_is_sent_its_code(app_of: Callable[..., FastAPI]) -> None:
    providers = KnownProviders(end=SentBack(PAGE))
    async with client_of(app(app_of, providers), None) as client:
        query = {"return_to": "/page", "code_challenge": CHALLENGE, "state": "its own", "scope": "read write"}
        await client.get("/oauth/login/lab", params=query)
        answer = await client.get(f"/oauth/callback/lab?state={STATE}&code=1")
    assert (answer.status_code, answer.headers["location"]) == (303, PAGE)
    assert "Max-Age=0" in answer.headers["set-cookie"] and answer.content == b""
    assert providers.wishes == [Wish("/page", CHALLENGE, "its own", frozenset({Scope.READ, Scope.WRITE}))]


@pytest.mark.parametrize(
    "path",
    [
        "/oauth/login/LAB",
        "/oauth/login/lab%00",
        "/oauth/login/lab?return_to=",
        "/oauth/login/lab?return_to=/page%0d%0aSet-Cookie:x",
        "/oauth/login/lab?return_to=/%5Celsewhere",
        f"/oauth/login/lab?return_to=/{'a' * 2_000}",
        "/oauth/login/lab?code_challenge=short",
        "/oauth/login/lab?scope=everything",
        "/oauth/login/lab?scope=",
        "/oauth/login/lab?state=%00",
        "/oauth/callback/lab",
        "/oauth/callback/lab?code=1",
        "/oauth/callback/lab?state=",
        "/oauth/callback/lab?state=%00&code=1",
        f"/oauth/callback/lab?state={'a' * 4_001}",
        "/oauth/callback/lab?state=a&code=%ED%A0%80",
    ],
)
async def test_what_makes_no_sense_reaches_no_provider(app_of: Callable[..., FastAPI], path: str) -> None:
    providers = KnownProviders()
    async with client_of(app(app_of, providers), None) as client:
        answer = await client.get(path)
    assert answer.status_code == 422 and providers.wishes == [] and providers.answers == []


async def test_anybody_may_see_the_list_and_a_key_has_no_identities(app_of: Callable[..., FastAPI]) -> None:
    frame = app(app_of, KnownProviders())
    async with client_of(frame, None) as client:
        listed: httpx.Response = await client.get("/oauth/providers")
        assert (await client.get("/v1/users/me/identities")).status_code == 401
    assert listed.json() == [{"name": "lab", "label": "The laboratory", "login": "/oauth/login/lab"}]
    async with client_of(frame) as client:
        refused = [await client.get("/v1/users/me/identities"), await client.delete("/v1/users/me/identities/1")]
    assert [one.status_code for one in refused] == [403, 403]
