"""The framework's routes with the gate in front: nobody's body is read before they have been let in."""

from __future__ import annotations

import functools
import inspect
import logging
from collections.abc import Callable, Coroutine
from typing import Any

from fastapi import Depends, FastAPI
from fastapi.routing import APIRoute
from starlette.exceptions import HTTPException
from starlette.requests import HTTPConnection, Request
from starlette.responses import Response
from starlette.types import Message, Receive, Scope, Send
from starlette.websockets import WebSocket

from backend.src.core.errors import Forbidden
from backend.src.services.audit import Audit
from backend.src.web.access import CurrentPrincipal, Gate, principal_of
from backend.src.web.audit_trail import AuditTrail
from backend.src.web.conditional import refuse_stale_change
from backend.src.web.http_codes import HttpCodes
from backend.src.web.openapi import operation_extras, problem_responses
from backend.src.web.routes import Inferred, Route

log = logging.getLogger(__name__)


def add_guarded_route(app: FastAPI, route: Route, gate: Gate, most_bytes: int, audit: Audit | None = None) -> None:
    """Adds an HTTP route whose access and body limit hold before FastAPI sees the request.

    What it changes is noted in `audit`; without one nothing is.
    """
    app.router.add_api_route(
        route.path,
        _with_principal(route.handler),
        methods=[route.method],
        summary=route.summary or None,
        description=route.description,
        tags=list(route.tags),
        status_code=int(route.status),
        responses=problem_responses(route),
        openapi_extra=operation_extras(route),
        operation_id=route.operation_id,
        name=route.operation_id,
        include_in_schema=route.documented,
        route_class_override=_guarded(gate, route, most_bytes, audit),
        **_answer(route),
    )


def add_guarded_socket(app: FastAPI, route: Route, gate: Gate) -> None:
    """Adds a WebSocket route; its handler gets a socket that is accepted and authenticated."""

    async def admit(socket: WebSocket) -> None:
        await gate.admit_socket(socket, route.access)

    app.router.add_api_websocket_route(route.path, route.handler, dependencies=[Depends(admit)])


def _answer(route: Route) -> dict[str, Any]:
    if route.content is not None:  # no media type of its own: the document names those of `content` alone
        return {"response_model": None, "response_class": Response}
    return {} if route.response_model is Inferred.INFERRED else {"response_model": route.response_model}


def _with_principal(handler: Callable[..., Any]) -> Callable[..., Any]:
    """Passes the principal as an argument: resolving it as a dependency takes a fifth of a small request's time."""
    signature = inspect.signature(handler, eval_str=True)
    names = [name for name, parameter in signature.parameters.items() if parameter.default is CurrentPrincipal]
    if not names:
        return handler

    @functools.wraps(handler)
    async def call(*, connection_: HTTPConnection, **arguments: Any) -> Any:
        principal = principal_of(connection_.scope)
        return await handler(**arguments, **dict.fromkeys(names, principal))

    others = [parameter for name, parameter in signature.parameters.items() if name not in names]
    connection = inspect.Parameter("connection_", inspect.Parameter.KEYWORD_ONLY, annotation=HTTPConnection)
    call.__signature__ = signature.replace(parameters=[*others, connection])  # type: ignore[attr-defined]
    return call


def _guarded(gate: Gate, route: Route, most_bytes: int, audit: Audit | None) -> type[APIRoute]:
    class GuardedRoute(APIRoute):
        """Closes over its own gate: FastAPI builds routes itself and passes only its own arguments."""

        def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
            handle = super().get_route_handler()

            async def admit_and_handle(request: Request) -> Response:
                await gate.admit(request.scope, route.access, route.limited)
                _refuse_unread(request, most_bytes)
                return _as_declared(route, await handle(request))

            if audit is None or not route.leaves_trace:
                return admit_and_handle
            trail = AuditTrail(audit, route, [field.alias for field in self.dependant.query_params])

            async def admit_and_follow(request: Request) -> Response:
                try:
                    await gate.admit(request.scope, route.access, route.limited)
                except Forbidden:
                    await trail.refuse(request)
                    raise
                _refuse_unread(request, most_bytes)
                return _as_declared(route, await trail.follow(request, handle))

            return admit_and_follow

        async def handle(self, scope: Scope, receive: Receive, send: Send) -> None:
            await super().handle(scope, _counted(receive, most_bytes), send)

    return GuardedRoute


def _refuse_unread(request: Request, most_bytes: int) -> None:
    if request.method != "GET":
        refuse_stale_change(request.headers)
    announced = request.headers.get("content-length", "")
    if announced.isdecimal() and int(announced[:20]) > most_bytes:
        raise _too_large(most_bytes)


def _as_declared(route: Route, response: Response) -> Response:
    """Raises ValueError for an answer of which the document would say nothing, for it follows from the declaration.

    What a request other than GET did is done: then it is logged, for a 500 would deny it.
    """
    status, declared = response.status_code, route.conditional or not route.documented
    if not declared and (status == HttpCodes.NOT_MODIFIED or "etag" in response.headers):
        _complain(route, "conditional")
    if not route.by_parts and status == HttpCodes.PARTIAL_CONTENT:
        _complain(route, "sent by parts")
    return response


def _complain(route: Route, what: str) -> None:
    wrong = f"{route.method} {route.path} is not declared as {what}"
    if route.method == "GET":
        raise ValueError(wrong)
    log.error(wrong)


def _counted(receive: Receive, most_bytes: int) -> Receive:
    """Counts what really comes: a chunked body announces no length."""
    total = 0

    async def receive_counted() -> Message:
        nonlocal total
        message = await receive()
        if message["type"] == "http.request":
            total += len(message.get("body", b""))
            if total > most_bytes:
                raise _too_large(most_bytes)
        return message

    return receive_counted


def _too_large(most_bytes: int) -> HTTPException:
    # not TooLarge: while FastAPI reads a body it passes on nothing but HTTPException
    return HTTPException(HttpCodes.CONTENT_TOO_LARGE, f"the body is larger than {most_bytes} bytes")
