"""/metrics for Prometheus: read when asked, so that counting costs the hot path next to nothing."""

from __future__ import annotations

import asyncio
import platform
from collections.abc import AsyncIterator, Iterable
from dataclasses import dataclass
from typing import Protocol

from prometheus_client import CollectorRegistry, GCCollector, ProcessCollector, generate_latest
from prometheus_client.core import CounterMetricFamily, InfoMetricFamily, Metric
from prometheus_client.registry import Collector

from backend.src.infra.sql import SqlFigures
from backend.src.services.health import Backlog
from backend.src.services.live import LiveTable
from backend.src.services.monitoring import Circuits, PVMonitor
from backend.src.services.streaming import SubscriptionRegistry
from backend.src.web import metric_families as families
from backend.src.web.http_figures import HttpFigures
from backend.src.web.version import VERSION


class Updates(Protocol):
    """infra.epics, as far as its updates are counted."""

    @property
    def coalesced(self) -> int: ...


class Crashes(Protocol):
    """core.supervisor, as far as it counts."""

    def crashes(self) -> dict[str, int]: ...


@dataclass(frozen=True, slots=True)
class Sources:
    """What is counted where. backlog: None where there is no database to ask."""

    role: str
    live: LiveTable
    epics: Updates
    monitor: PVMonitor | None
    registry: SubscriptionRegistry
    circuits: Circuits
    sql: SqlFigures
    http: HttpFigures
    supervisor: Crashes
    backlog: Backlog | None


class LarderMetrics:
    """The figures of this process, and what the database says of all of them."""

    def __init__(self, sources: Sources) -> None:
        self._sources = sources
        self._process = CollectorRegistry(auto_describe=False)
        ProcessCollector(registry=self._process)
        GCCollector(registry=self._process)

    async def text(self) -> bytes:
        """The exposition format, version 0.0.4."""
        found = [metric async for metric in self._collect()]
        return await asyncio.to_thread(self._rendered, found)  # thousands of lines: live values must go on

    def _rendered(self, found: Iterable[Metric]) -> bytes:
        ours = CollectorRegistry(auto_describe=False)
        ours.register(_Found(found))
        return generate_latest(ours) + generate_latest(self._process)

    async def _collect(self) -> AsyncIterator[Metric]:
        sources = self._sources
        yield self._build()
        for part in (
            families.of_live_table(sources.live, sources.epics.coalesced),
            families.of_monitor(sources.monitor) if sources.monitor else (),
            families.of_streaming(sources.registry.counts()),
            families.of_circuits(sources.circuits.reports()),
            families.of_sql(sources.sql),
            families.of_http(sources.http),
            (self._crashes(),),
        ):
            for metric in part:
                yield metric
        if sources.backlog is not None:
            for metric in families.of_backlog(await sources.backlog.figures()):
                yield metric

    def _build(self) -> Metric:
        labels = {"version": VERSION, "python": platform.python_version(), "role": self._sources.role}
        return InfoMetricFamily("larder_build", "what runs here", value=labels)

    def _crashes(self) -> Metric:
        crashes = sum(self._sources.supervisor.crashes().values())
        return CounterMetricFamily("larder_background_crashes", "background tasks that failed", value=crashes)


class _Found(Collector):
    """What was collected already, as prometheus_client wants it."""

    def __init__(self, found: Iterable[Metric]) -> None:
        self._found = found

    def collect(self) -> Iterable[Metric]:
        return self._found
