"""/oauth: tokens for people (RFC 6749), their revocation (RFC 7009) and introspection (RFC 7662)."""

from __future__ import annotations

from typing import Any

from pydantic import BaseModel, Field
from starlette.requests import Request
from starlette.responses import Response

from backend.src.core.errors import Unavailable
from backend.src.services.accounts import (
    Fault,
    OAuthAuthentication,
    OAuthClients,
    OAuthRefused,
    Principal,
    Scope,
    Sessions,
    TokenInspection,
    TokenPair,
    Visit,
)
from backend.src.web.access import Access, CurrentPrincipal
from backend.src.web.boilerplates import Boilerplates
from backend.src.web.client_address import client_address
from backend.src.web.endpoints.profile import person_of
from backend.src.web.http_codes import HttpCodes
from backend.src.web.oauth_answers import REFUSALS, IntrospectionAnswer, TokenAnswer, in_rfc_form, no_store
from backend.src.web.oauth_form import FORM, Form, client_of, needed, read_form, scopes_of
from backend.src.web.rate_limits import count_login
from backend.src.web.routes import Route

TAGS = ("Logins",)
PASSWORD, REFRESH, CODE = "password", "refresh_token", "authorization_code"

_text = {"type": "string"}
_token_request: dict[str, Any] = {
    "type": "object",
    "required": ["grant_type"],
    "properties": {
        "grant_type": {"type": "string", "enum": [PASSWORD, REFRESH, CODE]},
        "username": {"type": "string", "description": "password: the e-mail address"},
        "password": {"type": "string", "format": "password"},
        "refresh_token": {"type": "string", "description": "refresh_token: used up by this"},
        "code": {"type": "string", "description": "authorization_code"},
        "code_verifier": {"type": "string", "description": "authorization_code: PKCE (RFC 7636)"},
        "redirect_uri": {"type": "string", "description": "authorization_code: as it was when the code was asked for"},
        "scope": {"type": "string", "description": f"some of: {' '.join(Scope)}; without it all that the role allows"},
        "client_id": _text,
        "client_secret": _text,
    },
    "examples": [
        {"grant_type": PASSWORD, "username": "ann@lab.example", "password": "four words that differ"},
        {"grant_type": REFRESH, "refresh_token": "lrr_..."},
    ],
}
_token_alone: dict[str, Any] = {
    "type": "object",
    "required": ["token"],
    "properties": {"token": _text, "token_type_hint": _text, "client_id": _text, "client_secret": _text},
    "examples": [{"token": "lrr_..."}],
}


class Metadata(BaseModel):
    """Where everything is (RFC 8414)."""

    issuer: str = Field(examples=["https://larder.lab.example"])
    authorization_endpoint: str = Field(examples=["https://larder.lab.example/oauth/authorize"])
    token_endpoint: str = Field(examples=["https://larder.lab.example/oauth/token"])
    revocation_endpoint: str = Field(examples=["https://larder.lab.example/oauth/revoke"])
    introspection_endpoint: str = Field(examples=["https://larder.lab.example/oauth/introspect"])
    scopes_supported: list[str] = list(Scope)
    response_types_supported: list[str] = ["code"]
    response_modes_supported: list[str] = ["query"]
    grant_types_supported: list[str] = [CODE, REFRESH, PASSWORD]
    code_challenge_methods_supported: list[str] = ["S256"]
    token_endpoint_auth_methods_supported: list[str] = ["none", "client_secret_basic", "client_secret_post"]
    revocation_endpoint_auth_methods_supported: list[str] = ["none", "client_secret_basic", "client_secret_post"]


class OAuthEndpoint:
    """The endpoints that programs call for a person."""

    def __init__(
        self,
        oauth: OAuthAuthentication,
        inspection: TokenInspection,
        sessions: Sessions,
        clients: OAuthClients,
        public_url: str,
    ) -> None:
        self._oauth = oauth
        self._inspection = inspection
        self._sessions = sessions
        self._clients = clients
        self._public_url = public_url

    def routes(self) -> tuple[Route, ...]:
        """Its routes, as data."""
        anybody: dict[str, Any] = {"access": Access.OPEN, "tags": TAGS, "responses": REFUSALS, "errors": (Unavailable,)}
        of_one = {FORM: _token_alone}
        return (
            Route(
                "POST", "/oauth/token", self.token, summary="Log in, or go on being logged in",
                request_content={FORM: _token_request}, response_model=TokenAnswer, **anybody,
            ),
            Route(
                "POST", "/oauth/revoke", self.revoke, summary="End the session of a token",
                request_content=of_one, content={}, **anybody,
            ),
            Route(
                "POST", "/oauth/introspect", self.introspect, summary="What a token is", tags=TAGS,
                access=Access.ADMIN, request_content=of_one, response_model=IntrospectionAnswer, responses=REFUSALS,
            ),
            Route(
                "POST", "/oauth/logout", self.logout, summary="End this session", tags=TAGS,
                access=Access.KNOWN, status=HttpCodes.NO_CONTENT, response_model=None,
            ),
            Route(
                "GET", "/.well-known/oauth-authorization-server", self.metadata, summary="Where everything is",
                tags=TAGS, access=Access.OPEN,
            ),
        )  # fmt: skip

    @in_rfc_form
    async def token(self, request: Request) -> Response:
        """An access token, which is good for minutes, and a refresh token, which is used once to get the next two.

        Using a refresh token twice ends its session: two hold it. A lost answer may be asked for again within 30 s.
        """
        form = await read_form(request)
        visit = self._visit(request, form)
        return no_store(TokenAnswer.of(await self._granted(request, form, visit)))

    @in_rfc_form
    async def revoke(self, request: Request) -> Response:
        """Of a refresh token or an access token; 200 for any other text, too (RFC 7009, 2.2)."""
        form = await read_form(request)
        self._clients.identify(*client_of(request, form))
        await self._inspection.revoke(needed(form, "token"), client_address(request.scope) or None)
        return Boilerplates.empty(HttpCodes.OK)

    @in_rfc_form
    async def introspect(self, request: Request) -> Response:
        """Of a refresh token or an access token of this server."""
        form = await read_form(request)
        return no_store(IntrospectionAnswer.of(await self._inspection.state(needed(form, "token"))))

    async def logout(self, principal: Principal = CurrentPrincipal) -> Response:
        """Every token of the session that asks is refused from now on."""
        user_id = person_of(principal)
        if principal.session is not None:
            await self._sessions.revoke(principal.session, "logout", user_id=user_id)
        return Boilerplates.empty()

    async def metadata(self) -> Metadata:
        """RFC 8414. The `iss` of access tokens is another: they are for this server alone."""
        url = self._public_url
        return Metadata(
            issuer=url,
            authorization_endpoint=f"{url}/oauth/authorize",
            token_endpoint=f"{url}/oauth/token",
            revocation_endpoint=f"{url}/oauth/revoke",
            introspection_endpoint=f"{url}/oauth/introspect",
        )

    def _visit(self, request: Request, form: Form) -> Visit:
        client = self._clients.identify(*client_of(request, form))
        return visit_of(request, client, scopes_of(form))

    async def _granted(self, request: Request, form: Form, visit: Visit) -> TokenPair:
        match needed(form, "grant_type"):
            case "password":
                email, password = needed(form, "username"), needed(form, "password")
                await count_login(request.scope)
                return await self._oauth.log_in(email, password, visit)
            case (
                "refresh_token"
            ):  # not counted as a login: nobody guesses 256 bits, and a control room has many screens
                return await self._oauth.refresh(needed(form, "refresh_token"), visit)
            case "authorization_code":
                if visit.client_id is None:
                    raise OAuthRefused(Fault.INVALID_CLIENT, "client_id is missing")
                code, verifier = needed(form, "code"), needed(form, "code_verifier")
                return await self._oauth.redeem_code(code, verifier, needed(form, "redirect_uri"), visit)
            case _:
                grants = ", ".join((PASSWORD, REFRESH, CODE))
                raise OAuthRefused(Fault.UNSUPPORTED_GRANT_TYPE, f"grant_type is one of {grants}")


def visit_of(request: Request, client_id: str | None, scopes: frozenset[Scope] | None) -> Visit:
    """From where a request comes, as the person's list of sessions shows it."""
    return Visit(client_id, request.headers.get("user-agent"), client_address(request.scope) or None, scopes)
