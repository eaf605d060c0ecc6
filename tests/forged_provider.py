"""A provider that says whatever a test wants: behind httpx, for what a real one never says."""

from __future__ import annotations

import base64
from collections.abc import Awaitable, Callable
from typing import Any
from urllib.parse import parse_qsl

import httpx
from joserfc import jwt
from joserfc.jwk import ECKey, OctKey

from backend.src.config.settings import ProviderSettings, Secret
from backend.src.infra.openid import Asked, OpenIdClient
from tests.manual_clock import ManualClock

ISSUER = "https://login.lab.example"
CLIENT_ID = "larder"
SECRET = "a secret: with / what / has to be escaped"
REDIRECT_URI = "https://larder.example/oauth/callback/lab"
ASKED = Asked("the state", "the nonce", "the-verifier-the-verifier-the-verifier-the-verifier")
SETTINGS = ProviderSettings(name="lab", issuer=ISSUER, client_id=CLIENT_ID, client_secret=Secret(SECRET), timeout_s=0.5)

Override = Callable[[httpx.Request], httpx.Response | Awaitable[httpx.Response]]


class ForgedProvider:
    """Changes to `metadata`, `claims`, `header`, `key` and `userinfo` show in its next answer; `asked` is its log."""

    def __init__(self, clock: ManualClock) -> None:
        self.key: ECKey | OctKey = ECKey.generate_key("P-256", {"kid": "one"})
        self.published: list[ECKey] = [self.key]
        self.header = {"alg": "ES256", "kid": "one"}
        now = int(clock.now().timestamp())
        self.claims: dict[str, Any] = {"iss": ISSUER, "aud": CLIENT_ID, "sub": "17", "iat": now, "exp": now + 60}
        self.claims |= {"email": "ada@example.org", "email_verified": True, "name": "Ada"}
        self.userinfo: dict[str, Any] = {}
        self.metadata = {
            "issuer": ISSUER,
            "authorization_endpoint": f"{ISSUER}/authorize?tenant=1",
            "token_endpoint": f"{ISSUER}/token",
            "jwks_uri": f"{ISSUER}/keys",
            "userinfo_endpoint": f"{ISSUER}/userinfo",
        }
        self.tokens: dict[str, Any] = {"access_token": "access", "token_type": "Bearer", "expires_in": 300}
        self.token_status = 200
        self.overrides: dict[str, Override] = {}
        self.nonce_of_code: Callable[[str], str] | None = None  # when several logins are under way
        self.asked: list[httpx.Request] = []

    def client(self, clock: ManualClock, settings: ProviderSettings = SETTINGS) -> OpenIdClient:
        """A client that reaches this and nothing else."""
        return OpenIdClient(settings, clock, self.transport())

    def transport(self) -> httpx.AsyncBaseTransport:
        """Reaches this, whatever the host is called."""
        return httpx.MockTransport(self._answer)

    def paths(self) -> list[str]:
        """What was asked, in order."""
        return [request.url.path for request in self.asked]

    def form(self) -> dict[str, str]:
        """The last form that was sent."""
        return dict(parse_qsl(self.asked[-1].content.decode(), keep_blank_values=True))

    def id_token(self) -> str:
        """Signed as `header` says."""
        return jwt.encode(self.header, self.claims, self.key, algorithms=[self.header["alg"]])

    async def _answer(self, request: httpx.Request) -> httpx.Response:
        self.asked.append(request)
        override = self.overrides.get(request.url.path)
        if override is not None:
            answer = override(request)
            return answer if isinstance(answer, httpx.Response) else await answer
        match request.url.path:
            case "/.well-known/openid-configuration":
                return httpx.Response(200, json=self.metadata)
            case "/keys":
                return httpx.Response(200, json={"keys": [key.as_dict(private=False) for key in self.published]})
            case "/token" if self.token_status == 200:
                if self.nonce_of_code is not None:
                    self.claims["nonce"] = self.nonce_of_code(self.form()["code"])
                return httpx.Response(200, json={"id_token": self.id_token(), **self.tokens})
            case "/token":
                return httpx.Response(self.token_status, json=self.tokens)
            case "/userinfo":
                return httpx.Response(200, json=self.userinfo)
        raise AssertionError(f"nobody should ask {request.url}")


def unsigned(claims: bytes) -> str:
    """A token of `alg: none`."""
    return ".".join([_part(b'{"alg":"none"}'), _part(claims), ""])


def _part(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()
