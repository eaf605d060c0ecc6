"""Forms as the OAuth endpoints and the pages take them: application/x-www-form-urlencoded, each parameter once."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Iterable
from urllib.parse import parse_qsl, unquote_plus

from starlette.requests import Request

from backend.src.services.accounts import Fault, OAuthRefused, Scope

FORM = "application/x-www-form-urlencoded"
LARGEST_BYTES = 32_768
MOST_FIELDS = 40

Form = dict[str, str]


async def read_form(request: Request) -> Form:
    """The parameters that have a value. Raises OAuthRefused (invalid_request)."""
    if request.headers.get("content-type", "").partition(";")[0].strip().lower() != FORM:
        raise _malformed(f"the body must be {FORM}")
    body = await request.body()
    if len(body) > LARGEST_BYTES:
        raise _malformed("the form is too large")
    try:
        pairs = parse_qsl(body.decode(), keep_blank_values=True, max_num_fields=MOST_FIELDS, errors="strict")
    except ValueError as exc:  # also UnicodeDecodeError
        raise _malformed("the form cannot be read") from exc
    return each_once(pairs)


def each_once(pairs: Iterable[tuple[str, str]]) -> Form:
    """By name; those without a value count as omitted (RFC 6749, 3.1). Raises OAuthRefused (invalid_request)."""
    form: Form = {}
    for name, value in pairs:
        if name in form:
            raise _malformed("a parameter was sent twice")
        if "\x00" in value:
            raise _malformed("a parameter holds a NUL")
        form[name] = value
    return {name: value for name, value in form.items() if value}


def needed(form: Form, name: str) -> str:
    """Raises OAuthRefused (invalid_request) when it is missing; the names are ours, never what was sent."""
    if name not in form:
        raise _malformed(f"{name} is missing")
    return form[name]


def client_of(request: Request, form: Form) -> tuple[str | None, str | None]:
    """Name and secret of the client: HTTP Basic, or in the form (RFC 6749, 2.3.1). Raises OAuthRefused."""
    named, secret = form.get("client_id"), form.get("client_secret")
    scheme, _, credentials = request.headers.get("authorization", "").partition(" ")
    if scheme.lower() != "basic":
        return named, secret
    if secret is not None:
        raise _malformed("the client proves itself in two ways")
    user, password = _basic(credentials)
    if named not in (None, user):
        raise _malformed("two clients are named")
    return user, password


def scopes_of(form: Form) -> frozenset[Scope] | None:
    """What was asked for, None for whatever is allowed. Raises OAuthRefused (invalid_scope)."""
    if "scope" not in form:
        return None
    try:
        scopes = frozenset(Scope(word) for word in form["scope"].split(" ") if word)
    except ValueError as exc:
        raise OAuthRefused(Fault.INVALID_SCOPE, f"the scopes are {', '.join(Scope)}") from exc
    if not scopes:
        raise OAuthRefused(Fault.INVALID_SCOPE, "no scope is named")
    return scopes


def _basic(credentials: str) -> tuple[str, str]:
    try:
        text = base64.b64decode(credentials.strip(), validate=True).decode()
    except (binascii.Error, ValueError) as exc:
        raise OAuthRefused(Fault.INVALID_CLIENT, "Authorization cannot be read") from exc
    user, _, password = text.partition(":")
    return unquote_plus(user), unquote_plus(password)


def _malformed(message: str) -> OAuthRefused:
    return OAuthRefused(Fault.INVALID_REQUEST, message)
