"""The families of /metrics, an area each: their names are what dashboards and alerts rely on (docker/grafana)."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator
from itertools import accumulate

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily, Metric

from backend.src.core.histogram import Histogram
from backend.src.infra.sql import SqlFigures
from backend.src.services.health import BacklogFigures
from backend.src.services.jobs import JobStatus
from backend.src.services.live import LiveTable
from backend.src.services.mailing.queued_mail import MailStatus
from backend.src.services.monitoring import CircuitReport, CircuitState, PVMonitor, State
from backend.src.services.streaming import StreamingCounts
from backend.src.web.http_figures import HttpFigures

PV_STATES = ("connected", "disconnected", "never_seen", "stale", "in_alarm")


def of_live_table(live: LiveTable, coalesced: int) -> Iterator[Metric]:
    """The machine, as this process sees it."""
    counts, beat = live.counts(), live.heartbeat()
    states = {state: getattr(counts, state) for state in PV_STATES}
    yield _gauges("larder_pvs", "channels of the catalogue by state", "state", states.items())
    yield CounterMetricFamily("larder_pv_updates", "changes taken into the live table", value=live.updates)
    yield CounterMetricFamily(
        "larder_pv_updates_coalesced", "updates that a later one replaced before they were taken", value=coalesced
    )
    yield GaugeMetricFamily("larder_monitor_alive", "1 while the monitor gives signs of life", value=beat.alive)


def of_monitor(monitor: PVMonitor) -> Iterator[Metric]:
    """The monitor of this process, whether it leads or stands by."""
    status = monitor.status
    leads = status.state is State.LEADING  # not while it watches for itself alone, which several may do at once
    yield GaugeMetricFamily("larder_leading", "1 while this process watches the machine for all", value=leads)
    yield GaugeMetricFamily("larder_watched_channels", "channels this process watches", value=status.watched)
    drains = HistogramMetricFamily("larder_drain_seconds", "durations of the ingest's drains", labels=[])
    _add(drains, [], monitor.drains)
    yield drains
    yield GaugeMetricFamily("larder_drain_longest_seconds", "longest drain", value=status.longest_drain_s)


def of_streaming(counts: StreamingCounts) -> Iterator[Metric]:
    """Those who listen over WebSocket."""
    yield GaugeMetricFamily("larder_stream_clients", "WebSocket clients", value=counts.clients)
    yield GaugeMetricFamily("larder_stream_subscriptions", "PVs subscribed to", value=counts.subscriptions)
    yield CounterMetricFamily("larder_stream_diffs", "diffs sent to clients", value=counts.messages)
    yield CounterMetricFamily(
        "larder_stream_diffs_skipped", "diffs not sent because a client still read an earlier one", value=counts.skipped
    )
    yield CounterMetricFamily(
        "larder_stream_clients_sent_away", "clients that did not read at all", value=counts.sent_away
    )
    yield CounterMetricFamily("larder_stream_clients_refused", "clients beyond the limit", value=counts.refused)


def of_circuits(reports: Iterable[CircuitReport]) -> Iterator[Metric]:
    """Devices that single reads and writes leave alone."""
    found = Counter(report.state for report in reports)
    states = ((state.value, found[state]) for state in CircuitState)
    yield _gauges("larder_circuits", "devices that are remembered, by the state of their circuit", "state", states)


def of_sql(sql: SqlFigures) -> Iterator[Metric]:
    """The database and its cache."""
    yield CounterMetricFamily("larder_sql_statements", "statements sent to the database", value=sql.statements)
    reads = CounterMetricFamily("larder_cached_reads", "reads through the cache", labels=["kind", "outcome"])
    for (kind, outcome), count in sql.reads.items():
        reads.add_metric([kind, outcome], count)
    yield reads
    durations = HistogramMetricFamily(
        "larder_cached_read_seconds", "durations of reads through the cache", labels=["outcome"]
    )
    for outcome, taken in sql.durations.items():
        _add(durations, [outcome], taken)
    yield durations


def of_http(http: HttpFigures) -> Iterator[Metric]:
    """Requests, by the template of their route."""
    yield GaugeMetricFamily("larder_http_requests_in_progress", "requests and WebSockets open", value=http.in_progress)
    durations = HistogramMetricFamily(
        "larder_http_request_seconds",
        "requests by route, method and class of status",
        labels=["route", "method", "status"],
    )
    for kind, taken in http.durations.items():
        _add(durations, list(kind), taken)
    yield durations


def of_backlog(backlog: BacklogFigures | None) -> Iterator[Metric]:
    """What the database says, the same from every process; nothing but that it is away while it is."""
    yield GaugeMetricFamily("larder_database_answers", "1 while the database answers", value=backlog is not None)
    if backlog is None:
        return
    jobs = ((status.value, backlog.jobs.get(status.value, 0)) for status in JobStatus)
    yield _gauges("larder_jobs", "jobs that are kept, by status", "status", jobs)
    yield GaugeMetricFamily("larder_oldest_pending_job_seconds", "age of the oldest", value=backlog.oldest_job_s)
    mail = ((status.value, backlog.mail.get(status.value, 0)) for status in MailStatus)
    yield _gauges("larder_mail", "mail that is kept, by status", "status", mail)
    yield GaugeMetricFamily("larder_oldest_waiting_mail_seconds", "age of the oldest", value=backlog.oldest_mail_s)
    yield GaugeMetricFamily("larder_sessions", "sessions that people have open", value=backlog.sessions)
    yield GaugeMetricFamily("larder_snapshots", "snapshots that are kept", value=backlog.snapshots)
    yield from _of_crons(backlog)


def _of_crons(backlog: BacklogFigures) -> Iterator[Metric]:
    crons = backlog.crons.items()
    ages = ((name, cron.success_age_s) for name, cron in crons if cron.success_age_s is not None)
    yield _gauges("larder_cron_success_age_seconds", "time since it last succeeded", "cron", ages)
    yield _gauges(
        "larder_cron_failing",
        "1 while its last run failed; 0 while it is off or paused",
        "cron",
        ((name, cron.failing) for name, cron in crons),
    )
    yield _gauges("larder_cron_paused", "1 while it is paused", "cron", ((name, cron.paused) for name, cron in crons))
    failures = CounterMetricFamily("larder_cron_failures", "runs that failed", labels=["cron"])
    for name, cron in crons:
        failures.add_metric([name], cron.failures)
    yield failures


def _gauges(name: str, meaning: str, label: str, values: Iterable[tuple[str, float]]) -> Metric:
    family = GaugeMetricFamily(name, meaning, labels=[label])
    for value_of, value in values:
        family.add_metric([value_of], value)
    return family


def _add(family: HistogramMetricFamily, labels: list[str], taken: Histogram) -> None:
    bounds = [*map(str, taken.bounds_s), "+Inf"]
    family.add_metric(labels, list(zip(bounds, accumulate(taken.counts), strict=True)), taken.total_s)
