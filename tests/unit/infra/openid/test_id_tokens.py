"""Whose word is taken for who somebody is: the provider's, for this login, and nobody else's."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest
from joserfc.jwk import ECKey, OctKey

from backend.src.infra.openid import IdTokenRefused, OpenIdClient, ProviderTokens
from backend.src.infra.openid.claims import Claims
from tests.forged_provider import ASKED, CLIENT_ID, ISSUER, REDIRECT_URI, SECRET, ForgedProvider, unsigned
from tests.manual_clock import ManualClock

HOUR = 3_600


async def exchanged(client: OpenIdClient) -> tuple[Claims, ProviderTokens]:
    return await client.exchange("the code", ASKED, REDIRECT_URI)


async def test_what_the_provider_says_of_this_login_is_taken(client: OpenIdClient) -> None:
    claims, tokens = await exchanged(client)
    assert claims == Claims("17", "ada@example.org", True, "Ada")
    assert tokens.access_token == "access" and tokens.refresh_token is None


def claiming(**changed: Any) -> Callable[[ForgedProvider], None]:
    def forge(provider: ForgedProvider) -> None:
        provider.claims |= changed
        for name, value in changed.items():
            if value is None:
                del provider.claims[name]

    return forge


def signed_by_a_stranger(provider: ForgedProvider) -> None:
    provider.key = ECKey.generate_key("P-256", {"kid": "one"})


def signed_by_an_unknown_key(provider: ForgedProvider) -> None:
    provider.key = ECKey.generate_key("P-256", {"kid": "two"})
    provider.header["kid"] = "two"


def signed_with_the_client_secret(provider: ForgedProvider) -> None:
    """Which a provider may do (Core, 10.1), and so could whoever else has it."""
    provider.header["alg"] = "HS256"
    provider.key = OctKey.import_key(SECRET * 2)


def signed_with_the_public_key_as_a_secret(provider: ForgedProvider) -> None:
    key = provider.published[0].as_pem(private=False)
    provider.header["alg"] = "HS256"
    # joserfc warns of a public key in the place of a secret, which is the attack
    provider.key = OctKey.import_key({"kty": "oct", "k": key.hex()})


def not_signed(provider: ForgedProvider) -> None:
    provider.tokens["id_token"] = unsigned(json.dumps(provider.claims).encode())


def tampered(provider: ForgedProvider) -> None:
    head, _, signature = provider.id_token().split(".")
    body = unsigned(json.dumps({**provider.claims, "sub": "18"}).encode()).split(".")[1]
    provider.tokens["id_token"] = f"{head}.{body}.{signature}"


def saying(id_token: Any) -> Callable[[ForgedProvider], None]:
    def forge(provider: ForgedProvider) -> None:
        provider.tokens["id_token"] = id_token

    return forge


@pytest.mark.parametrize(
    "forge",
    [
        pytest.param(claiming(nonce="of another login"), id="wrong nonce"),
        pytest.param(claiming(nonce=None), id="no nonce"),
        pytest.param(claiming(aud="another-program"), id="wrong audience"),
        pytest.param(claiming(aud="another-program", azp=CLIENT_ID), id="for another, asked for by us"),
        pytest.param(claiming(aud=None), id="no audience"),
        pytest.param(claiming(aud=[CLIENT_ID, "another-program"]), id="for two, and not said by whom it was asked"),
        pytest.param(claiming(azp="another-program"), id="asked for by another"),
        pytest.param(claiming(iss="https://login.other.example"), id="wrong issuer"),
        pytest.param(claiming(iss=ISSUER + "/"), id="nearly the issuer"),
        pytest.param(claiming(iss=None), id="no issuer"),
        pytest.param(claiming(exp=1), id="expired"),
        pytest.param(claiming(exp=float("nan")), id="expires never"),
        pytest.param(claiming(exp="tomorrow"), id="expires at some time"),
        pytest.param(claiming(exp=None), id="no expiry"),
        pytest.param(claiming(iat=2**40), id="of the future"),
        pytest.param(claiming(at_hash="of-another-access-token"), id="with another access token"),
        pytest.param(claiming(sub=None), id="of nobody"),
        pytest.param(claiming(sub=""), id="of nobody much"),
        pytest.param(claiming(sub=17), id="of a number"),
        pytest.param(claiming(sub="1\x007"), id="of something unspeakable"),
        pytest.param(claiming(sub="1" * 256), id="of somebody too long"),
        pytest.param(signed_by_a_stranger, id="signed by a stranger"),
        pytest.param(signed_by_an_unknown_key, id="signed by an unknown key"),
        pytest.param(signed_with_the_client_secret, id="signed with the client's secret"),
        pytest.param(signed_with_the_public_key_as_a_secret, id="signed with the public key as a secret"),
        pytest.param(not_signed, id="alg none"),
        pytest.param(tampered, id="tampered"),
        pytest.param(saying(None), id="null"),
        pytest.param(saying(""), id="empty"),
        pytest.param(saying(17), id="a number"),
        pytest.param(saying("a.b.c"), id="three letters"),
        pytest.param(saying(unsigned(b"[" * 100_000)), id="brackets"),
    ],
)
async def test_anything_else_is_refused(
    provider: ForgedProvider, client: OpenIdClient, forge: Callable[[ForgedProvider], None]
) -> None:
    forge(provider)
    with pytest.raises(IdTokenRefused) as caught:
        await exchanged(client)
    assert caught.value.remedy


async def test_clocks_may_differ_a_little_and_no_more(
    provider: ForgedProvider, client: OpenIdClient, clock: ManualClock
) -> None:
    clock.advance(60 + 59)
    await exchanged(client)
    clock.advance(2)
    with pytest.raises(IdTokenRefused, match="expired"):
        await exchanged(client)


async def test_new_keys_are_fetched_once_they_are_used(
    provider: ForgedProvider, client: OpenIdClient, clock: ManualClock
) -> None:
    await exchanged(client)
    clock.advance(11)
    signed_by_an_unknown_key(provider)
    provider.published = [provider.key]  # type: ignore[list-item]
    assert (await exchanged(client))[0].subject == "17"
    assert provider.paths().count("/keys") == 2


async def test_made_up_keys_do_not_make_it_ask_again_and_again(provider: ForgedProvider, client: OpenIdClient) -> None:
    signed_by_an_unknown_key(provider)
    for _ in range(5):
        with pytest.raises(IdTokenRefused):
            await exchanged(client)
    assert provider.paths().count("/keys") == 1


async def test_an_address_that_the_id_token_leaves_out_is_asked_for(
    provider: ForgedProvider, client: OpenIdClient
) -> None:
    del provider.claims["email"]
    provider.userinfo = {"sub": "17", "email": "ada@example.org", "email_verified": "true", "name": "Other"}
    assert (await exchanged(client))[0] == Claims("17", "ada@example.org", True, "Ada")
    assert provider.asked[-1].headers["authorization"] == "Bearer access"


async def test_userinfo_of_somebody_else_is_refused(provider: ForgedProvider, client: OpenIdClient) -> None:
    del provider.claims["email"]
    provider.userinfo = {"sub": "18", "email": "ada@example.org", "email_verified": True}
    with pytest.raises(IdTokenRefused, match="somebody else"):
        await exchanged(client)


@pytest.mark.parametrize("said", [False, None, "false", "yes", 1, [True]])
async def test_an_address_is_verified_when_the_provider_says_true(
    provider: ForgedProvider, client: OpenIdClient, said: Any
) -> None:
    provider.claims["email_verified"] = said
    assert (await exchanged(client))[0].email_verified is False
