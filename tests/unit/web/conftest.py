"""An app around any endpoints, with accounts that know four keys: each is called after its one scope."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

import httpx
import pytest
from fastapi import FastAPI

from backend.src.config.settings import DoorSettings, ServerSettings, Settings, StreamingSettings
from backend.src.core.errors import Unauthenticated
from backend.src.services.accounts import Principal, PrincipalKind, Scope
from backend.src.services.audit import Audit
from backend.src.web.app import build_app
from backend.src.web.endpoint_manager import Endpoint
from backend.src.web.path_manager import PathManager

SETTINGS = Settings(
    server=ServerSettings(request_body_bytes=1_000, import_body_bytes=5_000),
    streaming=StreamingSettings(auth_timeout_s=0.2),
    door=DoorSettings(logins_per_minute=0),  # tests log in more often than people: test_rate_limits.py has its own
)
EVERYTHING = "everything"


class KnownKeys:
    """Keys and tokens: the name of a scope, or "everything"; "token-" before it for a bearer token."""

    async def authenticate(self, token: str, address: str = "") -> Principal:
        """Raises Unauthenticated for any other text."""
        if token == EVERYTHING:
            return Principal(PrincipalKind.KEY, "1", token, frozenset(Scope))
        if token not in set(Scope):
            raise Unauthenticated("the API key is not known, or was revoked")
        return Principal(PrincipalKind.KEY, "1", token, frozenset({Scope(token)}))

    async def authenticate_bearer(self, token: str, address: str = "") -> Principal:
        """Raises Unauthenticated for any other text."""
        if not token.startswith("token-"):
            raise Unauthenticated("the token is not valid")
        return await self.authenticate(token.removeprefix("token-"))

    async def still_holds(self, principal: Principal) -> Principal:
        """Nobody's session ends here."""
        return principal


def make_app(*endpoints: Endpoint, audit: Audit | None = None) -> FastAPI:
    """The real frame around these endpoints."""
    paths = PathManager()
    paths.collect(endpoint.routes() for endpoint in endpoints)
    paths.freeze()
    return build_app(SETTINGS, paths, KnownKeys(), audit=audit)


@asynccontextmanager
async def client_of(
    app: FastAPI, key: str | None = EVERYTHING, *, host: str = "127.0.0.1"
) -> AsyncIterator[httpx.AsyncClient]:
    """A client in the same process, with this key, as if it called from this host."""
    headers = {"X-API-Key": key} if key else {}
    transport = httpx.ASGITransport(app, client=(host, 40_000))
    async with httpx.AsyncClient(transport=transport, base_url="http://larder", headers=headers) as client:
        yield client


@pytest.fixture
def app_of() -> Callable[..., FastAPI]:
    """make_app, for tests elsewhere."""
    return make_app
