"""/account: the pages that links in mail lead to. Each form does what the route of the same act does in /v1/users."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from typing import TypeVar

from pydantic import BaseModel, ValidationError
from starlette.requests import Request
from starlette.responses import Response

from backend.src.core.errors import FieldError, Invalid, LarderError
from backend.src.services.accounts import OAuthAuthentication
from backend.src.services.providers import Provider
from backend.src.web.access import Access
from backend.src.web.endpoints.oauth import visit_of
from backend.src.web.endpoints.registration import RegistrationEndpoint
from backend.src.web.form_guard import FIELD, check_guard, guard_of, keep_guard
from backend.src.web.oauth_form import Form, needed, read_form
from backend.src.web.page_frame import HTML, Field, FormPage, Link, message_page, style_sheet
from backend.src.web.rate_limits import RateClass
from backend.src.web.routes import Route
from backend.src.web.user_models import AcceptedInvitation, NewPassword, UsedCode

VERIFY, RESET, ACCEPT, LOGIN = "/account/verify", "/account/reset", "/account/accept", "/account/login"
STYLE = "/account/style.css"
CODE = "code"
LONGEST_CODE = 128
NEW = Field("password", "New password", "password", "new-password")

# to open a link must change nothing: programs that scan mail open every one
PAGES = {
    VERIFY: FormPage("Confirm your address", VERIFY, "Confirm"),
    RESET: FormPage("Set a new password", RESET, "Set password", (NEW,), "You will be logged out everywhere."),
    ACCEPT: FormPage(
        "Accept the invitation", ACCEPT, "Make the account", (Field("name", "Your name", "text", "name"), NEW)
    ),
}
SHOWN_ONCE = "For a script or the pages that show the interface. Nobody can look these up later."

Model = TypeVar("Model", bound=BaseModel)
Act = Callable[[Request, Form], Awaitable[str]]


class AccountPagesEndpoint:
    """HTML for people; the acts are those of the registration endpoint."""

    def __init__(
        self, registration: RegistrationEndpoint, oauth: OAuthAuthentication, providers: Sequence[Provider]
    ) -> None:
        self._registration = registration
        self._oauth = oauth
        self._providers = providers

    def routes(self) -> tuple[Route, ...]:
        """Its routes, as data; pages are not part of the API's document."""
        acts: dict[str, Act] = {VERIFY: self._verify, RESET: self._reset, ACCEPT: self._accept}
        shown = [_shows(path, page) for path, page in PAGES.items()]
        done = [_does(path, PAGES[path], act) for path, act in acts.items()]
        return (
            *shown,
            *done,
            Route("GET", LOGIN, self.ask_who, access=Access.OPEN, content=HTML, documented=False),
            Route(
                "POST", LOGIN, self.log_in,
                access=Access.OPEN, content=HTML, documented=False, limited=RateClass.LOGIN,
            ),
            Route(
                "GET", STYLE, self.style,
                access=Access.OPEN, content={"text/css": {"type": "string"}}, documented=False,
            ),
        )  # fmt: skip

    async def style(self) -> Response:
        """One sheet for all."""
        return style_sheet()

    async def ask_who(self, request: Request) -> Response:
        """A login without a client that waits for it."""
        return self._login_page(request)

    async def log_in(self, request: Request) -> Response:
        """Shows the tokens, once: how people whose password is at a provider, or who have a browser only, get them."""
        try:
            form = await _guarded_form(request)
            email, password = needed(form, "username"), needed(form, "password")
            pair = await self._oauth.log_in(email, password, visit_of(request, None, None))
        except LarderError as error:
            return self._login_page(request, error)
        shown = {"Access token": pair.access_token, "Refresh token": pair.refresh_token}
        return message_page("You are logged in", text=SHOWN_ONCE, shown=shown)

    def _login_page(self, request: Request, error: LarderError | None = None) -> Response:
        fields = (
            Field("username", "E-mail address", "email", "username"),
            Field("password", "Password", "password", "current-password"),
        )
        links = tuple(Link(f"/oauth/login/{one.name}", f"Log in with {one.label}") for one in self._providers)
        return _render(request, FormPage("Log in", LOGIN, "Log in", fields, "", links), {}, error)

    async def _verify(self, request: Request, form: Form) -> str:
        await self._registration.verify(_model(UsedCode, code=needed(form, CODE)), request)
        return "Your address is confirmed."

    async def _reset(self, request: Request, form: Form) -> str:
        new = _model(NewPassword, code=needed(form, CODE), new_password=needed(form, "password"))
        await self._registration.reset(new, request)
        return "Your password is set. Log in with it."

    async def _accept(self, request: Request, form: Form) -> str:
        name, password = needed(form, "name"), needed(form, "password")
        accepted = _model(AcceptedInvitation, code=needed(form, CODE), name=name, password=password)
        await self._registration.accept(accepted, request)
        return "The account is made."


def _shows(path: str, page: FormPage) -> Route:
    async def show(request: Request) -> Response:
        code = request.query_params.get(CODE, "")
        if not code or len(code) > LONGEST_CODE:
            error = Invalid("the link is not complete", remedy="copy it from the mail as a whole")
            return message_page(page.title, error=error)
        return _render(request, page, {CODE: code})

    return Route("GET", path, show, access=Access.OPEN, content=HTML, documented=False)


def _does(path: str, page: FormPage, act: Act) -> Route:
    async def do(request: Request) -> Response:
        form: Form = {}
        try:
            form = await _guarded_form(request)
            text = await act(request, form)
        except LarderError as error:
            return _render(request, page, {CODE: form.get(CODE, "")[:LONGEST_CODE]}, error)
        return message_page(page.title, text=text, links=(Link(LOGIN, "Log in"),))

    return Route("POST", path, do, access=Access.OPEN, content=HTML, documented=False, limited=RateClass.LOGIN)


def _render(request: Request, page: FormPage, hidden: dict[str, str], error: LarderError | None = None) -> Response:
    guard = guard_of(request)
    return keep_guard(request, page.render({**hidden, FIELD: guard}, error), guard)


async def _guarded_form(request: Request) -> Form:
    form = await read_form(request)
    check_guard(request, form)
    return form


def _model(kind: type[Model], **values: str) -> Model:
    """Raises Invalid where FastAPI would have refused the body."""
    try:
        return kind(**values)
    except ValidationError as exc:
        errors = [FieldError(tuple(one["loc"]), one["msg"]) for one in exc.errors()]
        raise Invalid("that cannot be accepted", errors=errors) from exc
