"""The authorization code flow with PKCE towards one provider (OpenID Connect Core 1.0, 3.1; RFC 7636)."""

from __future__ import annotations

import secrets
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from urllib.parse import quote_plus

import httpx
from authlib.oauth2.rfc6749.parameters import prepare_grant_uri
from authlib.oauth2.rfc7636 import create_s256_code_challenge

from backend.src.config.settings import ProviderSettings
from backend.src.core.clock import Clock
from backend.src.infra.openid.asking import Asking
from backend.src.infra.openid.claims import Claims, Expected, NotProven, UnknownKey, read_id_token
from backend.src.infra.openid.documents import Documents
from backend.src.infra.openid.errors import IdTokenRefused, ProviderAway, ProviderRefused
from backend.src.infra.openid.metadata import Metadata
from backend.src.infra.openid.tokens import ProviderTokens

RANDOM_BYTES = 32
OFFLINE = "offline_access"
LONGEST_ERROR = 100


@dataclass(frozen=True, slots=True, repr=False)
class Asked:
    """What a login under way has to remember: secrets of this server, but for the state, which the browser knows."""

    state: str
    nonce: str
    verifier: str

    @classmethod
    def fresh(cls) -> Asked:
        """256 random bits each."""
        return cls(*(secrets.token_urlsafe(RANDOM_BYTES) for _ in range(3)))


class OpenIdClient:
    """This server as one provider's client. Every call raises ProviderAway, in bounded time."""

    def __init__(
        self, settings: ProviderSettings, clock: Clock, transport: httpx.AsyncBaseTransport | None = None
    ) -> None:
        self._settings = settings
        self._clock = clock
        self._asking = Asking(settings.name, settings.timeout_s, transport)
        self._documents = Documents(settings.issuer, self._asking, clock)

    async def start(self) -> None:
        """Asks nothing yet: a provider that is away stops no start."""
        await self._asking.start()

    async def stop(self) -> None:
        """Closes the connections."""
        await self._asking.stop()

    async def ping(self) -> None:
        """Whether it can be used."""
        await self._documents.keys()

    async def login_address(self, asked: Asked, redirect_uri: str) -> str:
        """Where to send the browser."""
        metadata = await self._documents.metadata()
        # a refresh token has to be agreed to (Core, 11)
        prompt = {"prompt": "consent"} if OFFLINE in self._settings.scopes.split() else {}
        address: str = prepare_grant_uri(
            metadata.authorization_endpoint,
            client_id=self._settings.client_id,
            response_type="code",
            redirect_uri=redirect_uri,
            scope=self._settings.scopes,
            state=asked.state,
            nonce=asked.nonce,
            code_challenge=create_s256_code_challenge(asked.verifier),
            code_challenge_method="S256",
            **prompt,
        )
        return address

    async def check_sender(self, issuer: str | None) -> None:
        """That the browser comes from this provider, not from another one (RFC 9207). Raises IdTokenRefused."""
        metadata = await self._documents.metadata()
        if issuer != metadata.issuer and (issuer is not None or metadata.names_itself):
            raise IdTokenRefused(self._settings.name, "the answer comes from another provider")

    async def exchange(self, code: str, asked: Asked, redirect_uri: str) -> tuple[Claims, ProviderTokens]:
        """Who it is, proven. Raises ProviderRefused, IdTokenRefused."""
        form = {
            "grant_type": "authorization_code",
            "code": code,
            "redirect_uri": redirect_uri,
            "code_verifier": asked.verifier,
        }
        now, answer = self._clock.now(), await self._token_request(form)
        tokens = self._tokens(answer, now)
        try:
            claims = await self._proven(answer.get("id_token"), asked.nonce, tokens)
            return await self._completed(claims, tokens), tokens
        except NotProven as exc:
            raise IdTokenRefused(self._settings.name, str(exc)) from exc

    async def refresh(self, tokens: ProviderTokens) -> ProviderTokens:
        """Their successors. Raises ProviderRefused: they are good for nothing any more."""
        assert tokens.refresh_token is not None
        form = {"grant_type": "refresh_token", "refresh_token": tokens.refresh_token}
        now, answer = self._clock.now(), await self._token_request(form)
        return self._tokens(answer, now, refreshed=tokens.refresh_token)

    def _tokens(self, answer: dict[str, Any], now: datetime, refreshed: str | None = None) -> ProviderTokens:
        try:
            return ProviderTokens.of(answer, now, refreshed=refreshed)
        except ValueError as exc:
            raise self._asking.away(str(exc)) from exc

    async def _proven(self, id_token: object, nonce: str, tokens: ProviderTokens) -> Claims:
        if not isinstance(id_token, str):
            raise NotProven("there is no ID token in its answer")
        settings, now = self._settings, self._clock.now()
        expected = Expected(settings.issuer, settings.client_id, nonce, tokens.access_token, now)
        try:
            return read_id_token(id_token, await self._documents.keys(), expected)
        except UnknownKey:  # it may have new ones since
            return read_id_token(id_token, await self._documents.keys(newer=True), expected)

    async def _completed(self, claims: Claims, tokens: ProviderTokens) -> Claims:
        """Many providers leave the address out of the ID token (Core, 5.4)."""
        metadata = await self._documents.metadata()
        if claims.email is not None or metadata.userinfo_endpoint is None:
            return claims
        headers = {"Authorization": f"Bearer {tokens.access_token}"}
        return claims.completed(await self._asking.get(metadata.userinfo_endpoint, headers))

    async def _token_request(self, form: dict[str, str]) -> dict[str, Any]:
        metadata = await self._documents.metadata()
        auth, proof = self._proof(metadata)
        agreed, answer = await self._asking.post(metadata.token_endpoint, {**form, **proof}, auth)
        if agreed:
            return answer
        error = str(answer.get("error"))[:LONGEST_ERROR]
        if error in ("invalid_client", "unauthorized_client"):
            remedy = f"correct providers.client_id and {self._settings.secret_variable}"
            raise ProviderAway(self._settings.name, f"it refuses this server ({error})", remedy=remedy)
        raise ProviderRefused(self._settings.name, error)

    def _proof(self, metadata: Metadata) -> tuple[httpx.Auth | None, dict[str, str]]:
        """How this server proves itself (RFC 6749, 2.3.1)."""
        client_id, secret = self._settings.client_id, self._settings.client_secret.reveal()
        if not secret:
            return None, {"client_id": client_id}
        if metadata.secret_by_post:
            return None, {"client_id": client_id, "client_secret": secret}
        return httpx.BasicAuth(quote_plus(client_id), quote_plus(secret)), {}
