"""/v1/health, and outside /v1 what a supervisor asks for: /health/live, /health/ready, /metrics."""

from __future__ import annotations

from typing import Annotated, Any, Protocol

from fastapi import Query
from pydantic import Field
from starlette.responses import Response

from backend.src.core.errors import NotFound, Unavailable
from backend.src.services.health import Health
from backend.src.services.monitoring import Circuits, PVMonitor, Watchdog
from backend.src.web.access import Access
from backend.src.web.boilerplates import Boilerplates
from backend.src.web.health_models import (
    CircuitName,
    CircuitsAnswer,
    DisconnectedAnswer,
    Done,
    HeartbeatAnswer,
    MonitorAnswer,
    ReadyAnswer,
    StaleAnswer,
    SummaryAnswer,
    WatchdogAnswer,
    circuits_answer,
    heartbeat_answer,
    monitor_answer,
    ready_answer,
    summary_answer,
    watchdog_answer,
)
from backend.src.web.http_codes import HttpCodes
from backend.src.web.metrics import LarderMetrics
from backend.src.web.routes import Route

TAGS = ("Health",)
BASE = "/v1/health"
LONGEST_AGE_S = 1e9
EXPOSITION = "text/plain; version=0.0.4"
FIGURE = '# TYPE larder_pvs gauge\nlarder_pvs{state="connected"} 39998.0\n'

OldestS = Annotated[
    float | None,
    Query(
        ge=0, le=LONGEST_AGE_S, allow_inf_nan=False, description="also those not confirmed for longer", examples=[60]
    ),
]


class Described(Protocol):
    """infra.epics, as far as health shows it."""

    def describe(self) -> dict[str, Any]: ...


class HealthEndpoint:
    """Health of the service, the monitor and the machine. monitor, watchdog: None in a process that has none."""

    def __init__(
        self,
        health: Health,
        circuits: Circuits,
        monitor: PVMonitor | None,
        watchdog: Watchdog | None,
        epics: Described | None,
        metrics: LarderMetrics,
    ) -> None:
        self._health = health
        self._circuits = circuits
        self._monitor = monitor
        self._watchdog = watchdog
        self._epics = epics
        self._metrics = metrics

    def routes(self) -> tuple[Route, ...]:
        """Its routes, as data."""
        read, write, admin, free = Access.READ, Access.WRITE, Access.ADMIN, Access.OPEN
        text = {"text/plain": {"type": "string", "examples": [FIGURE]}}
        away, absent = (Unavailable,), (NotFound,)
        return (
            Route("GET", "/health/live", self.live, access=free, summary="The process answers", tags=TAGS),
            Route("GET", "/health/ready", self.ready, access=free, summary="Whether it can answer requests", tags=TAGS,
                  response_model=ReadyAnswer, errors=away),
            Route("GET", f"{BASE}/dependencies", self.dependencies, access=read, summary="What it needs", tags=TAGS),
            Route("GET", "/metrics", self.prometheus, access=read, summary="For Prometheus", tags=TAGS, content=text),
            Route("GET", f"{BASE}/heartbeat", self.heartbeat, access=free, summary="Is the monitor alive", tags=TAGS),
            Route("GET", f"{BASE}/summary", self.summary, access=read, summary="In a few numbers", tags=TAGS),
            Route("GET", f"{BASE}/disconnected", self.disconnected, access=read, summary="Not connected", tags=TAGS),
            Route("GET", f"{BASE}/stale", self.stale, access=read, summary="Values in doubt", tags=TAGS),
            Route("GET", f"{BASE}/circuits", self.circuits, access=read, summary="Devices left alone", tags=TAGS),
            Route("POST", f"{BASE}/circuits/{{name}}/close", self.close, access=admin, tags=TAGS,
                  summary="Let a device be asked again", errors=absent),
            Route("POST", f"{BASE}/circuits/{{name}}/open", self.open, access=admin, tags=TAGS,
                  summary="Leave a device alone"),
            Route("GET", f"{BASE}/monitor/status", self.monitor_status, access=read, tags=TAGS,
                  summary="The monitor that leads"),
            Route("GET", f"{BASE}/watchdog", self.watchdog, access=read, tags=TAGS, summary="The last audit",
                  errors=away),
            Route("POST", f"{BASE}/watchdog/check", self.check, access=write, tags=TAGS, summary="Audit now",
                  errors=away),
        )  # fmt: skip

    async def live(self) -> Annotated[dict[str, str], Field(examples=[{"status": "alive"}])]:
        """Answers for as long as the process does."""
        return {"status": "alive"}

    async def ready(self) -> Response:
        """200 when requests can be answered, even without what is not needed; 503 when not, or not for long."""
        readiness = await self._health.readiness()
        status = HttpCodes.OK if readiness.condition.serves else HttpCodes.SERVICE_UNAVAILABLE
        # open, because who starts and balances processes holds no key: so it names states, and no host or cause
        answer = ready_answer(readiness, causes=False)
        return Boilerplates.encoded_json(answer.model_dump_json(), status=status)

    async def dependencies(self) -> ReadyAnswer:
        """Every server that this one needs: state, latency, and the cause and remedy of what is wrong."""
        return ready_answer(await self._health.readiness(), causes=True)

    async def prometheus(self) -> Response:
        """The figures of this process, in Prometheus' exposition format."""
        return Boilerplates.text(await self._metrics.text(), media_type=EXPOSITION)

    async def heartbeat(self) -> HeartbeatAnswer:
        """Of the monitor that leads, whichever process answers."""
        return heartbeat_answer(self._health.heartbeat())

    async def summary(self) -> SummaryAnswer:
        """The machine in a few numbers, and what there is to worry about."""
        described = self._epics.describe() if self._epics else {}
        return summary_answer(self._health.summary(), self._watchdog, described)

    async def disconnected(self) -> DisconnectedAnswer:
        """Every channel that is not connected; those that never were are counted too."""
        gone, never = await self._health.disconnected()
        return DisconnectedAnswer(count=len(gone), pvs=gone, never_connected_count=len(never), never_connected=never)

    async def stale(self, max_age_seconds: OldestS = None) -> StaleAnswer:
        """Connected channels in doubt; with max_age_seconds also those not confirmed for longer."""
        names = await self._health.stale(max_age_seconds)
        return StaleAnswer(count=len(names), threshold_seconds=max_age_seconds, pvs=names)

    async def circuits(self) -> CircuitsAnswer:
        """Of single reads and writes, by device."""
        return circuits_answer(self._circuits.reports())

    async def close(self, name: CircuitName) -> Done:
        """Forgets the failures of a device."""
        self._circuits.close(name)
        return Done(success=True, message=f"{name} will be asked again")

    async def open(self, name: CircuitName) -> Done:
        """It is not asked again until somebody closes its circuit."""
        self._circuits.open(name)
        return Done(success=True, message=f"{name} is left alone until its circuit is closed")

    async def monitor_status(self) -> MonitorAnswer:
        """The monitor that leads, whichever process answers."""
        status = self._monitor.status if self._monitor else None
        return monitor_answer(self._health.heartbeat(), status)

    async def watchdog(self) -> WatchdogAnswer:
        """The last audit of the live table."""
        return watchdog_answer(self._watchdog_here())

    async def check(self) -> WatchdogAnswer:
        """Reads every channel now and compares."""
        watchdog = self._watchdog_here()
        await watchdog.check_once()
        return watchdog_answer(watchdog)

    def _watchdog_here(self) -> Watchdog:
        if self._watchdog is None:
            raise Unavailable("the watchdog runs in another process", remedy="ask the process that monitors")
        return self._watchdog
