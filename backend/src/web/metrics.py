"""/metrics for Prometheus: read when asked, so that counting costs the hot path nothing."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import accumulate

from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily, Metric
from prometheus_client.registry import Collector

from backend.src.infra.sql import BOUNDS_S, SqlFigures
from backend.src.services.live import LiveTable
from backend.src.services.monitoring import Circuits, CircuitState, PVMonitor
from backend.src.services.streaming import SubscriptionRegistry


class LarderMetrics(Collector):
    """The figures of this process."""

    def __init__(
        self,
        live: LiveTable,
        monitor: PVMonitor | None,
        registry: SubscriptionRegistry,
        circuits: Circuits,
        sql: SqlFigures,
    ) -> None:
        self._live = live
        self._monitor = monitor
        self._registry = registry
        self._circuits = circuits
        self._sql = sql
        self._collectors = CollectorRegistry(auto_describe=False)
        self._collectors.register(self)

    def text(self) -> bytes:
        """The exposition format, version 0.0.4."""
        return generate_latest(self._collectors)

    def collect(self) -> Iterator[Metric]:
        """Called by prometheus_client."""
        yield from self._of_live_table()
        yield from self._of_monitor()
        clients = self._registry.counts()
        yield GaugeMetricFamily("larder_stream_clients", "WebSocket clients", value=clients.clients)
        yield GaugeMetricFamily("larder_stream_subscriptions", "PVs subscribed to", value=clients.subscriptions)
        yield CounterMetricFamily("larder_stream_diffs", "diffs sent to clients", value=clients.messages)
        opened = sum(report.state is not CircuitState.CLOSED for report in self._circuits.reports())
        yield GaugeMetricFamily("larder_circuits_open", "devices left alone", value=opened)
        yield from self._of_sql()

    def _of_live_table(self) -> Iterator[Metric]:
        counts, beat = self._live.counts(), self._live.heartbeat()
        pvs = GaugeMetricFamily("larder_pvs", "channels of the catalogue by state", labels=["state"])
        for state in ("connected", "disconnected", "never_seen", "stale", "in_alarm"):
            pvs.add_metric([state], getattr(counts, state))
        yield pvs
        yield CounterMetricFamily("larder_pv_updates", "changes taken into the live table", value=self._live.updates)
        yield GaugeMetricFamily("larder_monitor_alive", "1 while the monitor gives signs of life", value=beat.alive)

    def _of_monitor(self) -> Iterator[Metric]:
        if self._monitor is None:
            return
        status = self._monitor.status
        yield CounterMetricFamily("larder_drains", "drains of the ingest", value=status.drains)
        yield GaugeMetricFamily("larder_drain_seconds", "duration of the last drain", value=status.last_drain_s)
        yield GaugeMetricFamily("larder_drain_longest_seconds", "longest drain", value=status.longest_drain_s)
        yield GaugeMetricFamily("larder_leading", "1 while this process leads", value=status.state == "leading")

    def _of_sql(self) -> Iterator[Metric]:
        statements = self._sql.statements
        yield CounterMetricFamily("larder_sql_statements", "statements sent to the database", value=statements)
        reads = CounterMetricFamily("larder_cached_reads", "reads through the cache", labels=["kind", "outcome"])
        for (kind, outcome), count in self._sql.reads.items():
            reads.add_metric([kind, outcome], count)
        yield reads
        durations = HistogramMetricFamily(
            "larder_cached_read_seconds", "durations of reads through the cache", labels=["outcome"]
        )
        bounds = [*map(str, BOUNDS_S), "+Inf"]
        for outcome, taken in self._sql.durations.items():
            durations.add_metric([outcome], list(zip(bounds, accumulate(taken.counts), strict=True)), taken.total_s)
        yield durations
