"""The ASGI application: middlewares, problems, routes.

Pure ASGI middlewares only: BaseHTTPMiddleware costs a task and two streams a request.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from typing import Any

from fastapi import FastAPI
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import Response

from backend.src.config.settings import Settings
from backend.src.services.audit import Audit
from backend.src.web import openapi, problems
from backend.src.web.access import Authenticator, Gate, SocketRefused
from backend.src.web.compression import Compression
from backend.src.web.crash_border import CrashBorder
from backend.src.web.large_json import orjson_response
from backend.src.web.path_manager import PathManager
from backend.src.web.request_id import RequestIds
from backend.src.web.route_index import index_routes
from backend.src.web.server_header import ServerHeaders

VERSION = "0.1.0"

Lifespan = Callable[[FastAPI], AbstractAsyncContextManager[None]]


def build_app(
    settings: Settings,
    paths: PathManager,
    accounts: Authenticator,
    lifespan: Lifespan | None = None,
    *,
    audit: Audit | None = None,
) -> FastAPI:
    """The app with every route of `paths` (frozen) behind its gate. Any failure aborts the start."""
    app = FastAPI(
        title="Larder",
        version=VERSION,
        description="Keeps the state of an EPICS machine: live, saved, compared and put back.",
        docs_url=None,
        redoc_url=None,
        openapi_url=None,
        lifespan=lifespan,
        middleware=_middlewares(),
        telemetry={"tracing": False, "metrics": False, "logs": False, "auto_configure": False},
    )
    problems.install(app)
    app.add_exception_handler(SocketRefused, _nothing_left)
    gate = Gate(accounts, socket_timeout_s=settings.streaming.auth_timeout_s)
    paths.inject(app, gate, settings.server, audit)
    app.add_route("/openapi.json", _openapi, include_in_schema=False)
    index_routes(app)
    return app


def _middlewares() -> list[Middleware]:
    """From the outside in; the crash border is inside the two that every answer must pass."""
    return [Middleware(RequestIds), Middleware(ServerHeaders), Middleware(CrashBorder), Middleware(Compression)]


async def _openapi(request: Request) -> Response:
    # the first time it takes a third of a second, in which live values must go on
    return orjson_response(await asyncio.to_thread(openapi.document, request.app))


async def _nothing_left(_socket: Any, _refused: Exception) -> None:
    return None
