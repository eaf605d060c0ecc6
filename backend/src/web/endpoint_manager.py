"""The endpoints of Larder: which there are, built from the services in RuntimeManager."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

from backend.src.web.path_manager import PathManager
from backend.src.web.routes import Route


class Endpoint(Protocol):
    """A group of routes over one service."""

    def routes(self) -> tuple[Route, ...]:
        """Its routes, as data."""


class EndpointManager:
    """Builds the endpoints and hands their routes over. The list of builders is explicit: web/endpoints/__init__.py."""

    def __init__(self, builders: tuple[Callable[[], Endpoint], ...]) -> None:
        self._builders = builders

    def collect(self, paths: PathManager) -> None:
        """Builds every endpoint, hands its routes to `paths` and freezes them. Raises what a service lacks."""
        paths.collect(build().routes() for build in self._builders)
        paths.freeze()
