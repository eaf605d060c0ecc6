"""/oauth/providers, /oauth/login, /oauth/callback: logging in with an identity provider; /v1/users/me/identities."""

from __future__ import annotations

import hashlib
from dataclasses import asdict
from datetime import datetime
from typing import Annotated, Any

from fastapi import Path, Query
from pydantic import Field, StringConstraints
from starlette.requests import Request
from starlette.responses import Response

from backend.src.core.errors import Conflict, FieldError, Forbidden, Invalid, Unauthenticated, Unavailable
from backend.src.services.accounts import Principal, Scope
from backend.src.services.providers import Answer, Identity, LoginStarted, Providers, SentBack, Wish
from backend.src.web.access import Access, CurrentPrincipal
from backend.src.web.boilerplates import Boilerplates
from backend.src.web.client_address import client_address
from backend.src.web.endpoints.profile import ME, person_of
from backend.src.web.http_codes import HttpCodes
from backend.src.web.inputs import IdText, PathId
from backend.src.web.models import ResponseModel
from backend.src.web.oauth_answers import TokenAnswer
from backend.src.web.rate_limits import RateClass
from backend.src.web.routes import Route

TAGS = ("Identity providers",)
LOGIN, CALLBACK = "/oauth/login", "/oauth/callback"
GO, COME_BACK = "Log in with a provider: redirects to it", "Where a provider sends people back to"
BROWSER: dict[str, Any] = {"httponly": True, "samesite": "lax", "path": "/"}
LONGEST_DEVICE = 255

ProviderName = Annotated[
    str, Path(pattern=r"^[a-z][a-z0-9-]{0,31}$", description="of the list of providers", examples=["lab"])
]
# what other programs make up: bounded, and of characters that every part on the way takes
Opaque = Annotated[
    str,
    StringConstraints(min_length=1, max_length=4_000, pattern=r"^[\x20-\x7e]+$"),
    Field(description="as the provider sends it", examples=["0SUD2XNpgKq8"]),
]
Challenge = Annotated[
    str,
    StringConstraints(pattern=r"^[A-Za-z0-9_-]{43}$"),
    Field(examples=["E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM"]),
]
Address = Annotated[
    str,
    StringConstraints(min_length=1, max_length=2_000, pattern=r"^[!-\[\]-~]+$"),
    Field(examples=["/_docs/oauth2-redirect"]),
]
Scopes = Annotated[str, StringConstraints(max_length=200, pattern=r"^[\x20-\x7e]*$"), Field(examples=["read write"])]


class ProviderAnswer(ResponseModel):
    """A provider that people may choose."""

    name: str = Field(examples=["lab"])
    label: str = Field(examples=["the laboratory"])
    login: str = Field(examples=["/oauth/login/lab"])


class IdentityAnswer(ResponseModel):
    """Yourself at a provider. renewedBy: until when its tokens are renewed; null when none are kept."""

    id: IdText
    provider: str = Field(examples=["lab"])
    subject: str = Field(examples=["248289761001"])
    email: str | None = Field(examples=["ann@lab.example"])
    created_at: datetime
    last_login_at: datetime | None
    renewed_by: datetime | None

    @classmethod
    def of(cls, identity: Identity) -> IdentityAnswer:
        """The wire's form."""
        return cls.model_validate(asdict(identity))


class ProvidersEndpoint:
    """There and back again."""

    def __init__(self, providers: Providers) -> None:
        self._providers = providers

    def routes(self) -> tuple[Route, ...]:
        """Its routes, as data. Those without a session are open: they are how people get one.

        The callback is not counted as a login: that was, when it began, and nobody guesses its state.
        """
        mine: dict[str, Any] = {"tags": TAGS, "access": Access.READ}
        stranger: dict[str, Any] = {"tags": TAGS, "access": Access.OPEN}
        tried: dict[str, Any] = {**stranger, "limited": RateClass.LOGIN}
        refused = (Unauthenticated, Forbidden, Unavailable)
        sent: dict[str, Any] = {"content": {}, "status": HttpCodes.SEE_OTHER}
        one = f"{ME}/identities/{{identity_id}}"
        return (
            Route("GET", "/oauth/providers", self.providers, summary="Identity providers", **stranger),
            Route("GET", f"{LOGIN}/{{provider}}", self.login, summary=GO, errors=(Unavailable,), **sent, **tried),
            Route(
                "GET", f"{CALLBACK}/{{provider}}", self.callback,
                summary=COME_BACK, response_model=TokenAnswer, errors=refused, **stranger,
            ),
            Route("GET", f"{ME}/identities", self.identities, summary="Your identities at providers", **mine),
            Route("DELETE", one, self.unlink, summary="Unlink an identity", errors=(Conflict,), **mine),
        )  # fmt: skip

    async def providers(self) -> list[ProviderAnswer]:
        """Those that a login page may offer."""
        found = self._providers.all()
        return [ProviderAnswer(name=one.name, label=one.label, login=f"{LOGIN}/{one.name}") for one in found]

    async def login(
        self,
        provider: ProviderName,
        return_to: Annotated[Address | None, Query(description="a page of this server, which then gets a code")] = None,
        code_challenge: Annotated[Challenge | None, Query(description="S256, needed with return_to")] = None,
        state: Annotated[Opaque | None, Query(description="given back to return_to")] = None,
        scope: Annotated[Scopes | None, Query(description="space-separated; fewer than your role allows")] = None,
    ) -> Response:
        """Sends the browser to the provider. In the end it gets tokens; with return_to, that page gets a code.

        The code is exchanged by POST /oauth/token: grant_type=authorization_code, redirect_uri being return_to.
        """
        wish = Wish(return_to, code_challenge, state, _scopes(scope))
        started = await self._providers.begin(provider, wish)
        answer = Boilerplates.redirect(started.address)
        self._remember(answer, started)
        return answer

    async def callback(
        self,
        provider: ProviderName,
        request: Request,
        response: Response,
        state: Annotated[Opaque, Query()],
        code: Annotated[Opaque | None, Query()] = None,
        error: Annotated[Opaque | None, Query()] = None,
        iss: Annotated[Opaque | None, Query()] = None,
    ) -> Any:
        """Ends a login that this browser began within the last ten minutes, once."""
        cookie = self._cookie(state)
        answer = Answer(
            state=state,
            browser=request.cookies.get(cookie),
            code=code,
            error=error,
            issuer=iss,
            device=request.headers.get("user-agent", "")[:LONGEST_DEVICE] or None,
            address=client_address(request.scope) or None,
        )
        end = await self._providers.finish(provider, answer)
        if isinstance(end, SentBack):
            response = Boilerplates.redirect(end.address)
        response.delete_cookie(cookie, secure=self._providers.by_https, **BROWSER)
        return response if isinstance(end, SentBack) else TokenAnswer.of(end)

    async def identities(self, principal: Principal = CurrentPrincipal) -> list[IdentityAnswer]:
        """Whoever they belong to may log in as you."""
        person = person_of(principal)
        return [IdentityAnswer.of(one) for one in await self._providers.identities(person)]

    async def unlink(self, identity_id: PathId, principal: Principal = CurrentPrincipal) -> bool:
        """Not the last way into an account without a password."""
        person = person_of(principal)
        await self._providers.unlink(person, identity_id)
        return True

    def _remember(self, answer: Response, started: LoginStarted) -> None:
        """Who comes back with this state has to be the browser that left with it."""
        secure, lifetime = self._providers.by_https, int(started.lifetime_s)
        answer.set_cookie(self._cookie(started.state), started.browser, lifetime, secure=secure, **BROWSER)

    def _cookie(self, state: str) -> str:
        """Another one for each login: two tabs may log in at once. __Host-: no neighbour domain can set it."""
        prefix = "__Host-" if self._providers.by_https else ""
        return f"{prefix}larder_login_{hashlib.sha256(state.encode()).hexdigest()[:12]}"


def _scopes(text: str | None) -> frozenset[Scope] | None:
    if text is None:
        return None
    known = set(Scope)
    unknown = [word for word in text.split() if word not in known]
    if unknown or not text.split():
        raise Invalid("scope names none of: " + ", ".join(Scope), errors=[FieldError(("query", "scope"), "unknown")])
    return frozenset(map(Scope, text.split()))
