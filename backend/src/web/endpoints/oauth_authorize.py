"""/oauth/authorize: the page on which people log in for the server's own client (RFC 6749, 4.1, with PKCE).

No consent is asked for: the client is this server. Nothing is sent to an address that is not this server's.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from urllib.parse import urlencode

from starlette.requests import Request
from starlette.responses import Response

from backend.src.core.errors import Forbidden, Invalid, TooMany, Unauthenticated
from backend.src.services.accounts import CodeRequest, Fault, OAuthAuthentication, OAuthClients, OAuthRefused
from backend.src.services.accounts.authorization_codes import is_challenge
from backend.src.services.accounts.oauth_clients import REDIRECT_PATH
from backend.src.services.accounts.principal import in_order
from backend.src.services.providers import Provider
from backend.src.web.access import Access
from backend.src.web.boilerplates import Boilerplates
from backend.src.web.endpoints.oauth import visit_of
from backend.src.web.form_guard import FIELD, check_guard, guard_of, keep_guard
from backend.src.web.oauth_answers import description_of
from backend.src.web.oauth_form import Form, each_once, needed, read_form, scopes_of
from backend.src.web.page_frame import HTML, Field, FormPage, Link, message_page
from backend.src.web.rate_limits import RateClass
from backend.src.web.routes import Route

PATH = "/oauth/authorize"
ASKED = ("response_type", "client_id", "redirect_uri", "scope", "state", "code_challenge", "code_challenge_method")
LONGEST = 2_000
TITLE = "The login page of the server's own client (HTML)"
CREDENTIALS = (
    Field("username", "E-mail address", "email", "username"),
    Field("password", "Password", "password", "current-password"),
)


@dataclass(frozen=True, slots=True)
class Ask:
    """What the client wants; checked."""

    request: CodeRequest
    state: str | None
    scope: str | None

    def back(self, **parameters: str) -> Response:
        """To the client, with the state that it sent."""
        state = {} if self.state is None else {"state": self.state}
        query = urlencode({**parameters, **state})
        return Boilerplates.redirect(f"{self.request.redirect_uri}?{query}")


class AuthorizeEndpoint:
    """Shows the page, takes what was typed, sends the browser back with a code."""

    def __init__(
        self, oauth: OAuthAuthentication, clients: OAuthClients, public_url: str, providers: Sequence[Provider]
    ) -> None:
        self._oauth = oauth
        self._clients = clients
        self._public_url = public_url
        self._providers = providers

    def routes(self) -> tuple[Route, ...]:
        """Its routes, as data; pages are not part of the API's document."""
        return (
            Route("GET", PATH, self.ask, access=Access.OPEN, content=HTML, documented=False, summary=TITLE),
            Route(
                "POST", PATH, self.log_in,
                access=Access.OPEN, content=HTML, documented=False, limited=RateClass.LOGIN, summary=TITLE,
            ),
        )  # fmt: skip

    async def ask(self, request: Request) -> Response:
        """The login page, or what is wrong with the way here."""
        try:
            form = each_once(request.query_params.multi_items())
            ask = self._read(request, form)
        except OAuthRefused as error:
            return self._refuse(request, error, dict(request.query_params))
        return self._page(request, form, ask)

    async def log_in(self, request: Request) -> Response:
        """Back to the client with a code, or the page again."""
        form: Form = {}
        try:
            form = await read_form(request)
            check_guard(request, form)
            ask = self._read(request, form)
        except OAuthRefused as error:
            return self._refuse(request, error, form)
        except Forbidden as error:
            return message_page("Log in", error=error)
        visit = visit_of(request, ask.request.client_id, None)
        try:
            email, password = needed(form, "username"), needed(form, "password")
            code = await self._oauth.make_code(email, password, ask.request, visit)
        except (Unauthenticated, TooMany, Invalid) as error:
            return self._page(request, form, ask, error)
        return ask.back(code=code)

    def _page(
        self, request: Request, form: Form, ask: Ask, error: Unauthenticated | TooMany | Invalid | None = None
    ) -> Response:
        guard = guard_of(request)
        hidden = {name: form[name] for name in ASKED if name in form} | {FIELD: guard}
        links = tuple(_login_link(provider, ask) for provider in self._providers)
        page = FormPage("Log in", PATH, "Log in", CREDENTIALS, "to the pages of this server", links)
        return keep_guard(request, page.render(hidden, error), guard)

    def _read(self, request: Request, form: Form) -> Ask:
        """Raises OAuthRefused."""
        client_id, redirect_uri = needed(form, "client_id"), needed(form, "redirect_uri")
        self._check_client(request, client_id, redirect_uri)
        if any(len(form.get(name, "")) > LONGEST for name in ASKED):
            raise OAuthRefused(Fault.INVALID_REQUEST, "a parameter is too long")
        if form.get("response_type") != "code":
            raise OAuthRefused(Fault.UNSUPPORTED_RESPONSE_TYPE, "response_type must be code")
        challenge = needed(form, "code_challenge")
        if form.get("code_challenge_method") != "S256" or not is_challenge(challenge):
            raise OAuthRefused(Fault.INVALID_REQUEST, "PKCE with code_challenge_method=S256 is needed")
        scopes = scopes_of(form)
        asked = CodeRequest(client_id, redirect_uri, challenge, None if scopes is None else in_order(scopes))
        return Ask(asked, form.get("state"), form.get("scope"))

    def _check_client(self, request: Request, client_id: str, redirect_uri: str) -> None:
        if not self._clients.knows(client_id):
            raise OAuthRefused(Fault.INVALID_CLIENT, "this server does not know the client")
        here = f"{request.scope['scheme']}://{request.headers.get('host', '')}"
        if redirect_uri not in (f"{self._public_url}{REDIRECT_PATH}", f"{here}{REDIRECT_PATH}"):
            raise OAuthRefused(Fault.INVALID_CLIENT, "redirect_uri is not a page of this server")

    def _refuse(self, request: Request, error: OAuthRefused, form: Mapping[str, str]) -> Response:
        """To the client when it is ours and told where; otherwise nobody is sent anywhere (RFC 6749, 4.1.2.1)."""
        client_id, redirect_uri = form.get("client_id", ""), form.get("redirect_uri", "")
        try:
            self._check_client(request, client_id, redirect_uri)
        except OAuthRefused:
            return message_page("Log in", error=error)
        ask = Ask(CodeRequest(client_id, redirect_uri, "", None), form.get("state", "")[:LONGEST] or None, None)
        return ask.back(error=error.fault.value, error_description=description_of(error))


def _login_link(provider: Provider, ask: Ask) -> Link:
    wish = {
        "return_to": ask.request.redirect_uri,
        "code_challenge": ask.request.code_challenge,
        "state": ask.state,
        "scope": ask.scope,
    }
    query = urlencode({key: value for key, value in wish.items() if value is not None})
    return Link(f"/oauth/login/{provider.name}?{query}", f"Log in with {provider.label}")
