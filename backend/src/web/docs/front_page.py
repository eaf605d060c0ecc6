"""/: the front page. Where people who know nothing but the address find the way, and see how the service is.

It is open, so it tells states alone: no causes, no PVs, and no numbers of them.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import assert_never

from starlette.responses import Response

from backend.src.core.clock import Clock
from backend.src.services.health import Condition, Dependency, Health, Readiness, Summary
from backend.src.services.live import Heartbeat
from backend.src.web.access import Access
from backend.src.web.boilerplates import HTML
from backend.src.web.docs.assets import Assets
from backend.src.web.docs.entry import Entry
from backend.src.web.docs.templates import render
from backend.src.web.routes import Route
from backend.src.web.version import VERSION

A_MOMENT_MS = 0.05
# what people call what health has short names for
NAMES = {
    "sql": "Database",
    "cache": "Cache",
    "bucket": "Archives",
    "epics": "EPICS",
    "monitor": "Monitor here",
    "mail": "Mail",
    "jobs": "Jobs",
    "crons": "Crons",
    "ffmpeg": "ffmpeg",
}


@dataclass(frozen=True, slots=True)
class Line:
    """One thing and its state: good, poor or bad."""

    name: str
    state: str
    grade: str


class FrontPage:
    """Leads to `entries`."""

    def __init__(self, health: Health, entries: Sequence[Entry], assets: Assets, clock: Clock) -> None:
        self._health = health
        self._entries = tuple(entries)
        self._assets = assets
        self._clock = clock

    def routes(self) -> tuple[Route, ...]:
        """Its route, as data."""
        content = {HTML: {"type": "string"}}
        return (
            Route("GET", "/", self.show, access=Access.OPEN, content=content, documented=False, summary="Front page"),
        )

    async def show(self) -> Response:
        """The page; 200 whatever it has to tell."""
        readiness, machine = await self._health.readiness(), self._health.summary()
        return render(
            "front.html",
            style=self._assets.own("front.css").address,
            icon=self._assets.own("icon.svg").address,
            version=VERSION,
            entries=self._entries,
            verdict=_verdict(readiness, machine),
            lines=[_monitor_line(machine.heartbeat), _machine_line(machine), *map(_line, readiness.dependencies)],
            looked=self._clock.now().strftime("%Y-%m-%d %H:%M:%S UTC"),
        )


def _verdict(readiness: Readiness, machine: Summary) -> Line:
    """The whole in one sentence; the worst first."""
    match readiness.condition:
        case Condition.STOPPING:
            return Line("Stopping", "this server is about to end", "bad")
        case Condition.UNAVAILABLE:
            away = [_name(one) for one in readiness.dependencies if one.needed and not one.up]
            return Line("Out of order", f"without: {', '.join(away)}", "bad")
        case Condition.READY | Condition.DEGRADED:
            return _verdict_of_serving(readiness, machine)
        case _:
            assert_never(readiness.condition)


def _verdict_of_serving(readiness: Readiness, machine: Summary) -> Line:
    if not machine.heartbeat.alive:
        return Line("Live values stand still", "the monitor gives no sign of life", "bad")
    if machine.issues:
        return Line("Working, but the machine needs a look", f"PVs: {_machine_line(machine).state}", "poor")
    if readiness.degraded:
        away = [_name(one) for one in readiness.dependencies if not one.up]
        return Line("Working, with something away", ", ".join(away), "poor")
    return Line("Everything works", "all that is needed answers, and the machine is watched", "good")


def _line(one: Dependency) -> Line:
    if one.up:
        # what is in this process has no way to go
        told = "works" if one.latency_ms < A_MOMENT_MS else f"answers in {one.latency_ms:.1f} ms"
        return Line(_name(one), told, "good")
    return Line(_name(one), "away", "bad" if one.needed else "poor")


def _monitor_line(beat: Heartbeat) -> Line:
    if beat.alive and beat.age_s is not None:
        return Line("Watching the machine", f"last sign of life {beat.age_s:.1f} s ago", "good")
    told = "never since the start" if beat.age_s is None else f"last sign of life {beat.age_s:.0f} s ago"
    return Line("Watching the machine", told, "bad")


def _machine_line(machine: Summary) -> Line:
    counts = machine.counts
    if not machine.heartbeat.alive:
        return Line("Machine", "not known", "bad")
    if not counts.tracked:
        return Line("Machine", "no PVs yet", "good")
    if counts.disconnected:
        return Line("Machine", "some connected" if counts.connected else "none connected", "poor")
    if machine.issues:
        return Line("Machine", "all connected, some values in doubt", "poor")
    return Line("Machine", "all connected", "good")


def _name(one: Dependency) -> str:
    return NAMES.get(one.name, one.name)
