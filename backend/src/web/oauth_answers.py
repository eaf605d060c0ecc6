"""What the OAuth endpoints answer: JSON as RFC 6749 has it, with snake_case names, also for what is refused."""

from __future__ import annotations

import functools
import re
from collections.abc import Awaitable, Callable, Coroutine, Mapping
from typing import Any, Concatenate, ParamSpec, TypeVar

from pydantic import BaseModel, Field
from starlette.responses import Response

from backend.src.core.errors import Unauthenticated
from backend.src.services.accounts import Fault, OAuthRefused, TokenPair, TokenState
from backend.src.web.boilerplates import Boilerplates
from backend.src.web.http_codes import HttpCodes

NO_STORE = {"Cache-Control": "no-store", "Pragma": "no-cache"}
CLIENT_CHALLENGE = {"WWW-Authenticate": 'Basic realm="larder"'}
BEARER = "Bearer"

_not_in_a_description = re.compile(r"[^\x20\x21\x23-\x5b\x5d-\x7e]")  # RFC 6749, 5.2

Handled = ParamSpec("Handled")
Endpoint = TypeVar("Endpoint")


class TokenAnswer(BaseModel):
    """The tokens of a login (RFC 6749, 5.1)."""

    access_token: str = Field(examples=["eyJhbGciOiJIUzI1NiIs..."])
    token_type: str = BEARER
    expires_in: int = Field(examples=[900])
    refresh_token: str = Field(examples=["lrr_..."])
    scope: str = Field(examples=["read write restore"])

    @classmethod
    def of(cls, pair: TokenPair) -> TokenAnswer:
        """The wire's form."""
        return cls(
            access_token=pair.access_token,
            expires_in=pair.expires_in_s,
            refresh_token=pair.refresh_token,
            scope=" ".join(pair.scopes),
        )


class IntrospectionAnswer(BaseModel):
    """What a token is (RFC 7662, 2.2); of one that is not active, nothing else is told."""

    active: bool
    scope: str | None = None
    client_id: str | None = None
    username: str | None = None
    token_type: str | None = None
    exp: int | None = None
    iat: int | None = None
    sub: str | None = None
    sid: str | None = None
    jti: str | None = None

    @classmethod
    def of(cls, state: TokenState | None) -> IntrospectionAnswer:
        """The wire's form."""
        if state is None:
            return cls(active=False)
        return cls(
            active=True,
            scope=" ".join(state.scopes),
            client_id=state.client_id,
            username=state.username,
            token_type=BEARER if state.kind == "access_token" else state.kind,
            exp=state.expires_at,
            iat=state.issued_at,
            sub=str(state.user_id),
            sid=state.session_id,
            jti=state.id,
        )


class OAuthProblem(BaseModel):
    """Why it was refused (RFC 6749, 5.2)."""

    error: Fault
    error_description: str = Field(examples=["the address or the password is wrong"])


REFUSALS: Mapping[int, Mapping[str, Any]] = {
    int(HttpCodes.BAD_REQUEST): {"description": "Refused", "model": OAuthProblem},
    int(HttpCodes.UNAUTHORIZED): {"description": "The client is not known", "model": OAuthProblem},
}


def no_store(model: BaseModel) -> Response:
    """An answer with secrets in it."""
    return Boilerplates.json(model.model_dump(exclude_none=True), headers=NO_STORE)


def refusal(error: Unauthenticated) -> Response:
    """The error as RFC 6749 wants it; a person who was not let in is an invalid grant."""
    fault = error.fault if isinstance(error, OAuthRefused) else Fault.INVALID_GRANT
    headers = dict(NO_STORE)
    status = HttpCodes.BAD_REQUEST
    if fault is Fault.INVALID_CLIENT:
        status = HttpCodes.UNAUTHORIZED
        headers |= CLIENT_CHALLENGE
    wait_s: float | None = getattr(error, "retry_after_s", None)
    if wait_s is not None:
        headers["Retry-After"] = str(max(1, round(wait_s)))
    body = {"error": fault.value, "error_description": description_of(error)}
    return Boilerplates.json(body, status=status, headers=headers)


def description_of(error: Unauthenticated) -> str:
    """For people, in the characters that the RFC allows."""
    text = error.message if error.remedy is None else f"{error.message}: {error.remedy}"
    return _not_in_a_description.sub("'", text)


def in_rfc_form(
    handler: Callable[Concatenate[Endpoint, Handled], Awaitable[Response]],
) -> Callable[Concatenate[Endpoint, Handled], Coroutine[Any, Any, Response]]:
    """A handler whose refusals are answered as RFC 6749 wants them; all other problems are problem documents."""

    @functools.wraps(handler)
    async def handle(endpoint: Endpoint, /, *args: Handled.args, **kwargs: Handled.kwargs) -> Response:
        try:
            return await handler(endpoint, *args, **kwargs)
        except Unauthenticated as error:
            return refusal(error)

    return handle
