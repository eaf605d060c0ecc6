"""Server: the composition root. How each service is made stands in wiring/, an area a file."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from fastapi import FastAPI

from backend.src.config.settings import Settings
from backend.src.core.runtime_control import RuntimeControl
from backend.src.core.runtime_manager import RuntimeManager
from backend.src.core.server_management import ServerManagement, Step
from backend.src.core.supervisor import Supervisor
from backend.src.infra.cache import Redis
from backend.src.services.accounts import Accounts
from backend.src.services.audit import Audit
from backend.src.services.cameras import Clips
from backend.src.services.monitoring import Publisher, Replica
from backend.src.services.providers import Providers
from backend.src.services.restore import Restores
from backend.src.services.snapshots import SnapshotCreation
from backend.src.web.app import build_app
from backend.src.web.endpoint_manager import EndpointManager
from backend.src.web.http_figures import HttpFigures
from backend.src.web.path_manager import PathManager
from backend.src.wiring import INFRASTRUCTURE, STARTED, WORKING, endpoint_builders, register

get = RuntimeManager.get


class Server:
    """One process of Larder. Building it opens nothing; `running()` starts and stops it."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self.control = RuntimeControl()
        self.paths = PathManager()
        RuntimeManager.register(RuntimeControl, factory=lambda: self.control)
        register(settings)
        if settings.server.role in WORKING:
            get(SnapshotCreation).register()
            get(Restores).register()
            get(Clips).register()
        EndpointManager(endpoint_builders(settings, self.control)).collect(self.paths)
        frame: dict[str, Any] = {"audit": get(Audit), "counter": get(Redis).rate_counter()}
        frame["figures"] = get(HttpFigures)
        self.app = build_app(settings, self.paths, get(Accounts), self._lifespan, **frame)

    @property
    def steps(self) -> tuple[Step, ...]:
        """The services of this role, in start order."""
        started = STARTED[self.settings.server.role]
        if self.settings.cache.embedded:  # nobody to publish to and nobody to copy from
            started = tuple(key for key in started if key not in (Publisher, Replica))
        return tuple(Step(key.__name__, get(key)) for key in started)

    @property
    def dependencies(self) -> tuple[Step, ...]:
        """The servers outside this process, each of which can be started and pinged alone."""
        own = (Step(key.__name__, get(key)) for key in INFRASTRUCTURE)
        return (*own, *(Step(f"provider {name}", client) for name, client in get(Providers).clients.items()))

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Started inside, stopped after. Raises StartFailed; what had started is stopped again."""
        async with self.app.router.lifespan_context(self.app):
            yield

    @asynccontextmanager
    async def _lifespan(self, _app: FastAPI) -> AsyncIterator[None]:
        limits = self.settings.server
        management = ServerManagement(
            self.steps, start_timeout_s=limits.start_timeout_s, stop_timeout_s=limits.stop_timeout_s
        )
        try:
            await management.start()
            yield
        finally:
            await management.stop()
            await get(Supervisor).stop()
            RuntimeManager.reset()
