"""What the requests of this process came to: how many, how long, with which kind of answer."""

from __future__ import annotations

import logging

from starlette.types import Message, Scope

from backend.src.core.histogram import Histogram

log = logging.getLogger(__name__)

# a cached read, a list, a large archive, a slow machine, a restore that is waited for
BOUNDS_S = (0.001, 0.002_5, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 1.0, 5.0)
STATUS_KEY = "larder.status"
UNMATCHED, ANY, CUT = "(unmatched)", "*", "cut"

Kind = tuple[str, str, str]  # template of the route, method, class of the status


class HttpFigures:
    """By route and never by address, whose number has no end; what matches no route counts as one."""

    def __init__(self) -> None:
        self.durations: dict[Kind, Histogram] = {}
        self.in_progress = 0

    def begin(self) -> None:
        """A request has come."""
        self.in_progress += 1

    def end(self, scope: Scope, seconds: float) -> None:
        """It is answered, or over without an answer."""
        self.in_progress -= 1
        if scope["type"] == "http":
            kind = _kind(scope)
            histogram = self.durations.get(kind)
            if histogram is None:
                histogram = self.durations[kind] = Histogram(BOUNDS_S)
            histogram.add(seconds)
        if log.isEnabledFor(logging.DEBUG):  # the path alone: what follows it may be a secret
            method, status = scope.get("method", "WebSocket"), scope.get(STATUS_KEY, "-")
            log.debug("%s %s %s in %.1f ms", method, scope["path"], status, seconds * 1000)


def note_status(scope: Scope, message: Message) -> None:
    """The answer's status, for when it has ended."""
    scope[STATUS_KEY] = message.get("status")


def _kind(scope: Scope) -> Kind:
    status, route = scope.get(STATUS_KEY), scope.get("route")
    answered = _CLASSES[status // 100] if status else CUT
    if route is None:
        return UNMATCHED, ANY, answered
    return route.path, scope["method"], answered


_CLASSES = tuple(f"{hundred}xx" for hundred in range(10))
