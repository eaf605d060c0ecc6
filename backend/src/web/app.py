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
from starlette.middleware.cors import CORSMiddleware
from starlette.requests import Request
from starlette.responses import Response
from uvicorn.middleware.proxy_headers import ProxyHeadersMiddleware

from backend.src.config.door import ANY, cors_origins, trusted_hosts, trusted_proxies
from backend.src.config.settings import DoorSettings, Settings
from backend.src.core.clock import SystemClock
from backend.src.infra.cache import RateCounter
from backend.src.services.audit import Audit
from backend.src.web import openapi, problems
from backend.src.web.access import Authenticator, Gate, SocketRefused
from backend.src.web.boilerplates import Boilerplates
from backend.src.web.compression import Compression
from backend.src.web.conditional import Validators
from backend.src.web.crash_border import CrashBorder
from backend.src.web.door import Door
from backend.src.web.http_figures import HttpFigures
from backend.src.web.path_manager import PathManager
from backend.src.web.rate_limits import RateLimits
from backend.src.web.route_index import index_routes
from backend.src.web.server_header import ServerHeaders
from backend.src.web.trusted_hosts import TrustedHosts
from backend.src.web.version import VERSION

READ_BY_US = (
    "Authorization",
    "X-API-Key",
    "Content-Type",
    "X-Request-ID",
    "If-Match",
    "If-Unmodified-Since",
    "If-None-Match",
    "If-Modified-Since",
    "If-Range",
    "Range",
)
READ_BY_PAGES = (
    "X-Request-ID",
    "Link",
    "Location",
    "Content-Disposition",
    "ETag",
    "Last-Modified",
    "Content-Range",
    "Accept-Ranges",
    "Retry-After",
    "RateLimit",
    "RateLimit-Policy",
    "WWW-Authenticate",
    "X-Unknown-PVs",
)
PREFLIGHT_LIVES_S = 600

Lifespan = Callable[[FastAPI], AbstractAsyncContextManager[None]]


def build_app(
    settings: Settings,
    paths: PathManager,
    accounts: Authenticator,
    lifespan: Lifespan | None = None,
    *,
    audit: Audit | None = None,
    counter: RateCounter | None = None,
    figures: HttpFigures | None = None,
) -> FastAPI:
    """The app with every route of `paths` (frozen) behind its gate. Any failure aborts the start.

    counter: what the rate limits count with; without one this process counts for itself. figures: of its requests.
    """
    limits = RateLimits((counter or RateCounter()).take, settings.door, SystemClock())
    app = FastAPI(
        title="Larder",
        version=VERSION,
        description="Keeps the state of an EPICS machine: live, saved, compared and put back.",
        docs_url=None,
        redoc_url=None,
        openapi_url=None,
        lifespan=lifespan,
        middleware=_middlewares(settings.door, limits, figures or HttpFigures()),
        telemetry={"tracing": False, "metrics": False, "logs": False, "auto_configure": False},
    )
    problems.install(app)
    app.add_exception_handler(SocketRefused, _nothing_left)
    gate = Gate(accounts, limits, socket_timeout_s=settings.streaming.auth_timeout_s)
    paths.inject(app, gate, settings.server, audit)
    app.add_route("/openapi.json", _openapi, include_in_schema=False)
    index_routes(app)
    return app


def _middlewares(door: DoorSettings, limits: RateLimits, figures: HttpFigures) -> list[Middleware]:
    """From the outside in; the crash border is inside the door, which every answer must pass."""
    headers, hosts = ServerHeaders(door.hsts_s), TrustedHosts(trusted_hosts(door))
    middlewares = [Middleware(Door, headers=headers, hosts=hosts, limits=limits, figures=figures), *_cross_origin(door)]
    if door.trusted_proxies:
        middlewares.insert(0, Middleware(ProxyHeadersMiddleware, trusted_hosts=list(trusted_proxies(door))))
    return [*middlewares, Middleware(CrashBorder), Middleware(Compression)]


def _cross_origin(door: DoorSettings) -> list[Middleware]:
    origins = cors_origins(door)
    if not origins:
        return []
    return [
        Middleware(
            CORSMiddleware,
            allow_origins=origins,
            # with credentials, any origin would be every page that a logged-in person opens
            allow_credentials=ANY not in origins,
            allow_methods=("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE"),
            allow_headers=READ_BY_US,
            expose_headers=READ_BY_PAGES,
            max_age=PREFLIGHT_LIVES_S,
        )
    ]


async def _openapi(request: Request) -> Response:
    # the first time it takes a third of a second, in which live values must go on
    content = await asyncio.to_thread(openapi.encoded, request.app)
    state = Validators.weak(request, content)
    return state.unchanged(request) or Boilerplates.encoded_json(content, headers=state.headers())


async def _nothing_left(_socket: Any, _refused: Exception) -> None:
    return None
