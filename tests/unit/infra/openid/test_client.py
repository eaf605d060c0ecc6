"""What is asked of a provider, and what becomes of an answer that is none."""

from __future__ import annotations

import asyncio
import base64
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import replace
from datetime import timedelta
from typing import Any
from urllib.parse import parse_qs, urlsplit

import httpx
import pytest

from backend.src.config.settings import Secret
from backend.src.infra.openid import Asked, IdTokenRefused, OpenIdClient, ProviderAway, ProviderRefused, ProviderTokens
from tests.contracts.served_time import ServedTime
from tests.forged_provider import ASKED, ISSUER, REDIRECT_URI, SECRET, SETTINGS, ForgedProvider
from tests.manual_clock import ManualClock

CONFIGURATION = "/.well-known/openid-configuration"


def tokens_of(client: OpenIdClient, clock: ManualClock) -> ProviderTokens:
    return ProviderTokens("access", "refresh", clock.now())


async def test_the_browser_is_sent_with_all_that_ties_the_login_together(client: OpenIdClient) -> None:
    address = urlsplit(await client.login_address(ASKED, REDIRECT_URI))
    assert f"{address.scheme}://{address.netloc}{address.path}" == f"{ISSUER}/authorize"
    assert {name: value for name, (value,) in parse_qs(address.query).items()} == {
        "tenant": "1",
        "client_id": "larder",
        "response_type": "code",
        "redirect_uri": REDIRECT_URI,
        "scope": "openid email profile",
        "state": "the state",
        "nonce": "the nonce",
        "code_challenge": "nw3bP0NDIXIAy_EPEaOdBZBfqfbhPzV6EEMqYQTxV80",
        "code_challenge_method": "S256",
    }
    assert SECRET not in address.query and ASKED.verifier not in address.query


async def test_tokens_that_are_to_be_kept_are_agreed_to(provider: ForgedProvider, clock: ManualClock) -> None:
    client = provider.client(clock, replace(SETTINGS, scopes="openid offline_access", timeout_s=60.0))
    await client.start()
    assert "prompt=consent" in await client.login_address(ASKED, REDIRECT_URI)
    await client.stop()


async def test_each_secret_is_fresh_and_none_is_shown() -> None:
    one, other = Asked.fresh(), Asked.fresh()
    assert len({one.state, one.nonce, one.verifier, other.state, other.nonce, other.verifier}) == 6
    assert one.nonce not in repr(one) and one.verifier not in repr(one)


@pytest.mark.parametrize(
    ("methods", "secret", "in_header"),
    [
        (None, SECRET, True),
        (["client_secret_post", "client_secret_basic"], SECRET, True),
        (["client_secret_post"], SECRET, False),
        (["none"], "", False),
    ],
)
async def test_the_client_proves_itself_as_the_provider_wants_it(
    provider: ForgedProvider, clock: ManualClock, methods: list[str] | None, secret: str, in_header: bool
) -> None:
    if methods is not None:
        provider.metadata["token_endpoint_auth_methods_supported"] = methods  # type: ignore[assignment]
    client = provider.client(clock, replace(SETTINGS, client_secret=Secret(secret), timeout_s=60.0))
    await client.start()
    await client.refresh(tokens_of(client, clock))
    authorization, form = provider.asked[-1].headers.get("authorization"), provider.form()
    if in_header:
        escaped = base64.b64encode(b"larder:a+secret%3A+with+%2F+what+%2F+has+to+be+escaped").decode()
        assert authorization == f"Basic {escaped}" and "client_secret" not in form
    else:
        assert authorization is None
        assert (form["client_id"], form.get("client_secret", "")) == ("larder", secret)
    await client.stop()


async def test_a_code_is_exchanged_with_its_verifier(provider: ForgedProvider, client: OpenIdClient) -> None:
    await client.exchange("the code", ASKED, REDIRECT_URI)
    sent = next(request for request in provider.asked if request.url.path == "/token").content.decode()
    assert "code=the+code" in sent and f"code_verifier={ASKED.verifier}" in sent and "redirect_uri=https" in sent


async def test_documents_are_asked_for_once_an_hour(
    provider: ForgedProvider, client: OpenIdClient, clock: ManualClock
) -> None:
    for _ in range(3):
        await client.exchange("the code", ASKED, REDIRECT_URI)
    assert (provider.paths().count(CONFIGURATION), provider.paths().count("/keys")) == (1, 1)
    clock.advance(3_601)
    provider.claims["exp"] += 3_601
    await client.exchange("the code", ASKED, REDIRECT_URI)
    assert (provider.paths().count(CONFIGURATION), provider.paths().count("/keys")) == (2, 2)


async def test_a_provider_that_names_itself_has_to_and_nobody_else_may(
    provider: ForgedProvider, client: OpenIdClient, clock: ManualClock
) -> None:
    """Mix-up (RFC 9207): an honest provider's code must not be taken for another's."""
    await client.check_sender(None)
    await client.check_sender(ISSUER)
    with pytest.raises(IdTokenRefused):
        await client.check_sender("https://login.other.example")
    provider.metadata["authorization_response_iss_parameter_supported"] = True  # type: ignore[assignment]
    clock.advance(3_601)
    with pytest.raises(IdTokenRefused):
        await client.check_sender(None)


async def test_a_refresh_token_without_a_successor_stays_good(
    provider: ForgedProvider, client: OpenIdClient, clock: ManualClock
) -> None:
    renewed = await client.refresh(tokens_of(client, clock))
    assert (renewed.refresh_token, renewed.expires_at) == ("refresh", clock.now() + timedelta(seconds=300))
    provider.tokens["refresh_token"] = "next"
    assert (await client.refresh(renewed)).refresh_token == "next"


def test_tokens_survive_being_kept_and_show_nothing(clock: ManualClock) -> None:
    tokens = ProviderTokens("access", "refresh", clock.now())
    assert ProviderTokens.unpack(tokens.pack()) == tokens
    assert "access" not in repr(tokens).replace("access_token", "")


@pytest.mark.parametrize("lifetime", [None, -1, "soon", float("1e300"), True])
def test_a_lifetime_that_makes_no_sense_is_an_hour(clock: ManualClock, lifetime: Any) -> None:
    tokens = ProviderTokens.of({"access_token": "a", "expires_in": lifetime}, clock.now())
    assert tokens.expires_at - clock.now() in (timedelta(hours=1), timedelta(seconds=1))


@pytest.mark.parametrize(
    ("error", "kind", "remedy"),
    [
        ("invalid_grant", ProviderRefused, "begin the login again"),
        ("invalid_client", ProviderAway, "correct providers.client_id and OIDC_LAB_CLIENT_SECRET"),
    ],
)
async def test_a_refusal_says_who_has_to_do_what(
    provider: ForgedProvider, client: OpenIdClient, error: str, kind: type[ProviderAway], remedy: str
) -> None:
    provider.token_status, provider.tokens = 400, {"error": error}
    with pytest.raises(kind, match=error) as caught:
        await client.exchange("the code", ASKED, REDIRECT_URI)
    assert caught.value.remedy == remedy


async def hangs(_: httpx.Request) -> httpx.Response:
    await asyncio.sleep(60)
    raise AssertionError("nobody waits that long")


def refuses(request: httpx.Request) -> httpx.Response:
    raise httpx.ConnectError("connection refused", request=request)


async def drips(_: httpx.Request) -> httpx.Response:
    """A byte now and then: httpx alone would wait for ever."""

    async def body() -> AsyncIterator[bytes]:
        while True:
            yield b" "
            await asyncio.sleep(0.05)

    return httpx.Response(200, content=body())


NO_ANSWERS: dict[str, Callable[[httpx.Request], httpx.Response | Awaitable[httpx.Response]]] = {
    "hangs": hangs,
    "drips": drips,
    "refuses": refuses,
    "error": lambda _: httpx.Response(500, json={}),
    "page": lambda _: httpx.Response(200, html="<h1>Maintenance</h1>"),
    "list": lambda _: httpx.Response(200, json=[]),
    "redirect": lambda _: httpx.Response(302, headers={"location": "https://elsewhere.example/"}, json={}),
    "flood": lambda _: httpx.Response(200, content=b" " * 2_000_000),
    "nothing": lambda _: httpx.Response(200, json={}),
}


# an empty object at /userinfo is of nobody: refused, and tested with the ID tokens
ASKED_FOR = [CONFIGURATION, "/token", "/keys", "/userinfo"]
CASES = [(path, how) for path in ASKED_FOR for how in NO_ANSWERS if (path, how) != ("/userinfo", "nothing")]


@pytest.mark.parametrize(("path", "how"), CASES)
async def test_whatever_is_no_answer_counts_as_away_and_takes_no_time(
    provider: ForgedProvider, clock: ManualClock, path: str, how: str
) -> None:
    client = provider.client(clock, replace(SETTINGS, timeout_s=0.1))
    del provider.claims["email"]
    provider.overrides[path] = NO_ANSWERS[how]
    await client.start()
    async with ServedTime() as took:
        with pytest.raises(ProviderAway, match="lab cannot be used") as caught:
            await client.exchange("the code", ASKED, REDIRECT_URI)
    assert took.seconds < 1.5 and caught.value.remedy
    await client.stop()


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("issuer", "https://login.other.example"),
        ("issuer", None),
        ("token_endpoint", "http://login.lab.example/token"),
        ("token_endpoint", "/token"),
        ("authorization_endpoint", "javascript:alert(1)"),
        ("jwks_uri", None),
        ("userinfo_endpoint", "https://["),
    ],
)
async def test_metadata_that_leads_elsewhere_is_not_followed(
    provider: ForgedProvider, client: OpenIdClient, key: str, value: str | None
) -> None:
    provider.metadata[key] = value  # type: ignore[assignment]
    with pytest.raises(ProviderAway):
        await client.login_address(ASKED, REDIRECT_URI)


async def test_one_persons_cookies_are_not_sent_with_anothers_question(
    provider: ForgedProvider, client: OpenIdClient
) -> None:
    setting = {"set-cookie": "who=ada; path=/"}
    provider.overrides[CONFIGURATION] = lambda _: httpx.Response(200, json=provider.metadata, headers=setting)
    await client.exchange("the code", ASKED, REDIRECT_URI)
    assert len(provider.asked) == 3 and not [one for one in provider.asked if "cookie" in one.headers]
