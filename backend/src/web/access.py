"""Who may call a route: declared as data, enforced before the handler (and before the body is read).

HTTP: `X-API-Key: <key>` or `Authorization: Bearer <JWT>`. WebSocket: the same headers, or, for browsers that cannot
set them, the first message `{"type": "auth", "token" | "apiKey": ...}`. When both headers come, the key decides: a
proxy may add an Authorization of its own.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Awaitable, Callable
from enum import Enum
from typing import Any, Protocol

import orjson
from fastapi import Depends
from starlette.datastructures import Headers
from starlette.requests import HTTPConnection
from starlette.types import Scope as AsgiScope
from starlette.websockets import WebSocket, WebSocketDisconnect

from backend.src.core.errors import Forbidden, LarderError, Unauthenticated, Unavailable
from backend.src.services.accounts.principal import Principal, Scope
from backend.src.web.client_address import client_address
from backend.src.web.rate_limits import LIMITS_KEY, RateClass, RateLimits

SCOPE_KEY = "larder.principal"
ATTEMPT_KEY = "larder.attempt"
RECHECK_KEY = "larder.recheck"
POLICY_VIOLATION = 1008  # RFC 6455 close code
RECHECK_S = 2.0  # for what stays open: with the 1.3 s until every process knows, a revocation ends it within five
LONGEST_CREDENTIAL = 4_096
LONGEST_CLOSE_REASON = 120  # bytes; a control frame holds 125 with its code


Recheck = Callable[[], Awaitable[None]]


class Access(Enum):
    """What a route asks of its caller: any one of these scopes, nothing when open. There is no default."""

    OPEN = ()
    READ = (Scope.READ,)
    WRITE = (Scope.WRITE,)
    RESTORE = (Scope.RESTORE,)
    MANAGE = (Scope.MANAGE, Scope.ADMIN)
    ADMIN = (Scope.ADMIN,)
    # stopping what runs must not fail for want of the one right scope
    INTERVENE = (Scope.WRITE, Scope.RESTORE, Scope.ADMIN)
    # one's own affairs: whoever is known, whatever else they may do
    KNOWN = tuple(Scope)


class Authenticator(Protocol):
    """services/accounts, as far as the web needs it."""

    async def authenticate(self, token: str, address: str = "") -> Principal:
        """The owner of an API key that is used from this client address. Raises Unauthenticated."""

    async def authenticate_bearer(self, token: str, address: str = "") -> Principal:
        """The owner of a JWT. Raises Unauthenticated."""

    async def still_holds(self, principal: Principal) -> Principal:
        """Who came by a JWT, as they are by now: the session counts, not the token's time. Raises Unauthenticated."""


class SocketRefused(Exception):
    """The socket was closed with 1008 already; there is nothing left to do with it."""


class Gate:
    """Decides, for every route but the open ones, whether the caller may pass."""

    def __init__(self, authenticator: Authenticator, limits: RateLimits, *, socket_timeout_s: float) -> None:
        self._authenticator = authenticator
        self._limits = limits
        self._socket_timeout_s = socket_timeout_s

    async def admit(self, scope: AsgiScope, access: Access, limited: RateClass | None = None) -> None:
        """Notes the principal in the ASGI scope. Raises Unauthenticated, Forbidden or TooMany."""
        if limited is RateClass.LOGIN:
            await self._limits.count_login(scope, client_address(scope))
        if access is Access.OPEN:
            scope[LIMITS_KEY] = self._limits
            return
        headers = Headers(scope=scope)
        principal = await self._by_headers(headers, client_address(scope))
        if principal is None:
            raise Unauthenticated("this needs an API key or a token", remedy="send X-API-Key or Authorization: Bearer")
        await self._admit(scope, principal, access)
        scope[RECHECK_KEY] = self._recheck(scope, principal, _key_of(headers), access)

    async def admit_socket(self, socket: WebSocket, access: Access) -> None:
        """Accepts the socket and authenticates it; refusal closes it with 1008 and raises SocketRefused."""
        await socket.accept()  # before: only an accepted socket can be closed with a code and a reason
        if access is Access.OPEN:
            return
        try:
            key = _key_of(socket.headers)
            principal = await self._by_headers(socket.headers, client_address(socket.scope))
            if principal is None:
                principal, key = await self._by_message(socket)
            await self._admit(socket.scope, principal, access)
            socket.scope[RECHECK_KEY] = self._recheck(socket.scope, principal, key, access)
        except LarderError as refusal:
            await _refuse(socket, refusal.message)
            raise SocketRefused(refusal.message) from refusal

    async def _admit(self, scope: AsgiScope, principal: Principal, access: Access) -> None:
        scope[ATTEMPT_KEY] = principal
        await self._limits.count_account(scope, principal)
        _check(principal, access)
        scope[SCOPE_KEY] = principal

    def _recheck(self, scope: AsgiScope, principal: Principal, key: str | None, access: Access) -> Recheck:
        address = client_address(scope)

        async def recheck() -> None:
            if key is None:
                _check(await self._authenticator.still_holds(principal), access)
            else:
                _check(await self._authenticator.authenticate(key, address), access)

        return recheck

    async def _by_headers(self, headers: Headers, address: str) -> Principal | None:
        key = headers.get("x-api-key")
        if key is not None:
            return await self._authenticator.authenticate(_credential(key), address)
        authorization = headers.get("authorization")
        if authorization is None:
            return None
        scheme, _, token = authorization.partition(" ")
        if scheme.lower() != "bearer":
            raise Unauthenticated("Authorization must be Bearer with a token")
        return await self._authenticator.authenticate_bearer(_credential(token), address)

    async def _by_message(self, socket: WebSocket) -> tuple[Principal, str | None]:
        try:
            async with asyncio.timeout(self._socket_timeout_s):
                text = await socket.receive_text()
        except TimeoutError as exc:
            raise Unauthenticated("no auth message came in time") from exc
        except (WebSocketDisconnect, KeyError) as exc:  # KeyError: a binary frame has no text
            raise Unauthenticated("the first message must be auth") from exc
        kind, credential = _auth_message(text)
        address = client_address(socket.scope)
        if kind == "apiKey":
            return await self._authenticator.authenticate(credential, address), credential
        return await self._authenticator.authenticate_bearer(credential, address), None


async def recheck(connection: HTTPConnection) -> None:
    """Whether who opened it may still hold it; what takes long asks again. Raises LarderError if not."""
    check: Recheck | None = connection.scope.get(RECHECK_KEY)
    if check is not None:  # None: the route is open
        with contextlib.suppress(Unavailable):  # nobody can say now: it holds until it is asked again
            await check()


def _check(principal: Principal, access: Access) -> None:
    if not any(principal.may(scope) for scope in access.value):
        raise Forbidden(f"{principal.name} has no {' or '.join(access.value)} access")


def _key_of(headers: Headers) -> str | None:
    key = headers.get("x-api-key")
    return key if key is None else key.strip()


def _credential(text: str) -> str:
    credential = text.strip()
    plain = credential.isascii() and credential.isprintable()
    if not plain or not 0 < len(credential) <= LONGEST_CREDENTIAL:
        raise Unauthenticated("the key or token is malformed")
    return credential


def _auth_message(text: str) -> tuple[str, str]:
    try:
        message: Any = orjson.loads(text)
    except orjson.JSONDecodeError as exc:
        raise Unauthenticated("the first message must be auth, in JSON") from exc
    if isinstance(message, dict) and message.get("type") == "auth":
        for kind in ("apiKey", "token"):
            if isinstance(message.get(kind), str):
                return kind, _credential(message[kind])
    raise Unauthenticated('the first message must be {"type": "auth", "token" or "apiKey": ...}')


async def _refuse(socket: WebSocket, reason: str) -> None:
    try:
        await socket.send_json({"type": "error", "message": reason})
        await socket.close(POLICY_VIOLATION, reason.encode()[:LONGEST_CLOSE_REASON].decode(errors="ignore"))
    except (WebSocketDisconnect, RuntimeError):
        return  # the client left first


def principal_of(scope: AsgiScope) -> Principal:
    """Who the gate let in. Raises Unauthenticated on an open route, which has nobody."""
    principal = scope.get(SCOPE_KEY)
    if not isinstance(principal, Principal):
        raise Unauthenticated("this needs an API key or a token")
    return principal


def attempting(scope: AsgiScope) -> Principal | None:
    """Who asks, let in or not; None when nobody is known."""
    principal = scope.get(ATTEMPT_KEY)
    return principal if isinstance(principal, Principal) else None


async def current_principal(connection: HTTPConnection) -> Principal:
    """principal_of, as a dependency."""
    return principal_of(connection.scope)


CurrentPrincipal: Any = Depends(current_principal)
"""`principal: Principal = CurrentPrincipal` in a handler, HTTP or WebSocket."""
