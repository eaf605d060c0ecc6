"""Routes as data: collected before the app exists, frozen, then injected in one step.

PathManager turns each route's access into the gate that enforces it and into what /openapi.json says of it, so
that documents and enforcement cannot differ.
"""

from __future__ import annotations

from collections.abc import Iterable

from fastapi import FastAPI

from backend.src.config.settings import ServerSettings
from backend.src.core.errors import Conflict
from backend.src.services.audit import Audit
from backend.src.web.access import Gate
from backend.src.web.guarded_routes import add_guarded_route, add_guarded_socket
from backend.src.web.routes import SOCKET, BodyLimit, Route


class PathManager:
    """Every route of the process: collect, freeze, inject."""

    def __init__(self) -> None:
        self._routes: dict[tuple[str, str], Route] = {}
        self._frozen = False
        self._injected = False

    def add(self, *routes: Route) -> None:
        """Collects routes. Raises Conflict for a second one of the same method and path, and after freeze."""
        for route in routes:
            if self._frozen:
                raise Conflict(f"{route.method} {route.path} comes too late: the paths are frozen")
            if route.shape in self._routes:
                raise Conflict(f"{route.method} {route.path} exists already, as {self._routes[route.shape].path}")
            self._routes[route.shape] = route

    def collect(self, sources: Iterable[Iterable[Route]]) -> None:
        """Collects the routes of several endpoints."""
        for source in sources:
            self.add(*source)

    def freeze(self) -> None:
        """Ends the collecting."""
        self._frozen = True

    @property
    def frozen(self) -> bool:
        """Whether no route can be added any more."""
        return self._frozen

    def routes(self) -> tuple[Route, ...]:
        """Every route, with its access: fixed paths before those with parameters that would swallow them."""
        return tuple(sorted(self._routes.values(), key=_precedence))

    def inject(self, app: FastAPI, gate: Gate, settings: ServerSettings, audit: Audit | None = None) -> None:
        """Adds every route to the app. Raises Conflict when not frozen, or a second time."""
        if not self._frozen or self._injected:
            raise Conflict("the paths are injected once, after freeze")
        self._injected = True
        most_bytes = {BodyLimit.REQUEST: settings.request_body_bytes, BodyLimit.IMPORT: settings.import_body_bytes}
        for route in self.routes():
            if route.method == SOCKET:
                add_guarded_socket(app, route, gate)
            else:
                add_guarded_route(app, route, gate, most_bytes[route.body_limit], audit)


def _precedence(route: Route) -> tuple[tuple[bool, str], ...]:
    """Segment by segment, text before parameter: /v1/pvs/paged is asked before /v1/pvs/{id}."""
    return tuple(("{" in segment, segment) for segment in route.path.split("/"))
