"""What goes over the wire about health: snake_case, as the interface has it."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import BaseModel, Field, StringConstraints

from backend.src.services.health import Dependency, Readiness, Summary
from backend.src.services.live import Heartbeat
from backend.src.services.monitoring import Audit, CircuitReport, CircuitState, MonitorStatus, State, Watchdog

NS = 1e9
CAUSES = ("error", "remedy", "detail")

CircuitName = Annotated[
    str,
    StringConstraints(min_length=1, max_length=255, pattern=r"^[^\x00\s]+$"),
    Field(description="of the list of circuits", examples=["QUAD:LI21"]),
]


class HeartbeatAnswer(BaseModel):
    """The monitor's last sign of life, seconds since 1970."""

    timestamp: float | None = Field(examples=[1772440200.25])
    alive: bool
    age_seconds: float | None = Field(examples=[0.3])
    error: str | None


class DependencyAnswer(BaseModel):
    """One thing that the server depends on; detail: what it is, such as a program and its version."""

    state: str = Field(examples=["up"])
    needed: bool
    latency_ms: float = Field(examples=[0.42])
    error: str | None
    remedy: str | None
    detail: str | None = None


class ReadyAnswer(BaseModel):
    """degraded: what is away and not needed, comma-separated; null for nothing."""

    status: str = Field(examples=["ready"])
    degraded: str | None
    dependencies: dict[Annotated[str, Field(examples=["sql"])], DependencyAnswer]


class SummaryAnswer(BaseModel):
    """The machine in a few numbers."""

    status: str = Field(examples=["healthy"])
    monitor_alive: bool
    heartbeat_age_seconds: float | None = Field(examples=[0.3])
    total_pvs: int = Field(examples=[40000])
    connected_pvs: int = Field(examples=[39998])
    disconnected_pvs: int = Field(examples=[2])
    never_connected_pvs: int = Field(examples=[1])
    stale_pvs: int = Field(examples=[0])
    pvs_in_alarm: int = Field(examples=[12])
    disconnected_percentage: float = Field(examples=[0.005])
    watchdog_running: bool
    last_watchdog_check: float | None = Field(examples=[1772440150.0])
    issues: list[str] = Field(examples=[["2 PVs are disconnected"]])
    epics: dict[str, Any] = Field(examples=[{"ingest": "native"}])


class DisconnectedAnswer(BaseModel):
    """Names of channels that are not connected; never_connected is a part of them."""

    count: int = Field(examples=[2])
    pvs: list[str] = Field(examples=[["BPMS:LI21:233:X", "QUAD:LI21:999:BDES"]])
    never_connected_count: int = Field(examples=[1])
    never_connected: list[str] = Field(examples=[["QUAD:LI21:999:BDES"]])


class StaleAnswer(BaseModel):
    """Names of connected channels whose value may not be the present one."""

    count: int = Field(examples=[1])
    threshold_seconds: float | None = Field(examples=[60])
    pvs: list[str] = Field(examples=[["BPMS:LI21:233:X"]])


class CircuitAnswer(BaseModel):
    """One device's circuit; times in seconds since 1970."""

    name: str = Field(examples=["QUAD:LI21"])
    state: CircuitState
    failure_count: int = Field(examples=[5])
    success_count: int = Field(examples=[0])
    call_count: int = Field(examples=[5])
    last_failure: float | None
    opened_at: float | None


class CircuitsAnswer(BaseModel):
    """Every circuit with something to remember."""

    open_circuit_count: int = Field(examples=[1])
    total_circuits: int = Field(examples=[1])
    open_circuits: list[str] = Field(examples=[["QUAD:LI21"]])
    circuits: list[CircuitAnswer]


class Done(BaseModel):
    """It was done."""

    success: bool
    message: str = Field(examples=["QUAD:LI21 will be asked again"])


class MonitorAnswer(BaseModel):
    """The monitor that leads; null where that is not known here."""

    status: str = Field(examples=["healthy"])
    message: str = Field(examples=["the monitor is alive"])
    age_seconds: float | None = Field(examples=[0.3])
    leader: str | None = Field(examples=["control-1:4120"])
    state: str | None = Field(examples=["leading"])
    epoch: int | None = Field(examples=[7])
    watched_pvs: int | None = Field(examples=[40000])
    updates: int | None = Field(examples=[91200311])
    drains: int | None = Field(examples=[51200])
    last_drain_ms: float | None = Field(examples=[1.9])
    longest_drain_ms: float | None = Field(examples=[14.2])


class WatchdogAnswer(BaseModel):
    """The last audit of the live table; last_check in seconds since 1970."""

    running: bool
    last_check: float | None = Field(examples=[1772440150.0])
    check_count: int = Field(examples=[120])
    duration_seconds: float | None = Field(examples=[0.12])
    checked_count: int = Field(examples=[40000])
    confirmed_count: int = Field(examples=[31200])
    moving_count: int = Field(examples=[8798])
    stale_count: int = Field(examples=[0])
    unanswered_count: int = Field(examples=[0])
    disconnected_count: int = Field(examples=[2])
    resubscribed_total: int = Field(examples=[3])


def heartbeat_answer(beat: Heartbeat) -> HeartbeatAnswer:
    """The last sign of life."""
    return HeartbeatAnswer(
        timestamp=_seconds(beat.beat_ns),
        alive=beat.alive,
        age_seconds=beat.age_s,
        error=None if beat.alive else "the monitor gives no sign of life",
    )


def ready_answer(readiness: Readiness, *, causes: bool) -> ReadyAnswer:
    """All dependencies; with what is wrong and what to do about it when `causes`."""
    return ReadyAnswer(
        status=readiness.condition.value,
        degraded=",".join(readiness.degraded) or None,
        dependencies={one.name: _dependency(one, causes=causes) for one in readiness.dependencies},
    )


def _dependency(one: Dependency, *, causes: bool) -> DependencyAnswer:
    state = "up" if one.up else "down"
    latency_ms = round(one.latency_ms, 3)
    told = {"error": one.error, "remedy": one.remedy, "detail": one.detail} if causes else dict.fromkeys(CAUSES)
    return DependencyAnswer(state=state, needed=one.needed, latency_ms=latency_ms, **told)


def summary_answer(summary: Summary, watchdog: Watchdog | None, epics: dict[str, Any]) -> SummaryAnswer:
    """The machine in a few numbers."""
    last = watchdog.last if watchdog else None
    return SummaryAnswer(
        status=summary.status,
        monitor_alive=summary.heartbeat.alive,
        heartbeat_age_seconds=summary.heartbeat.age_s,
        total_pvs=summary.counts.tracked,
        connected_pvs=summary.counts.connected,
        disconnected_pvs=summary.counts.disconnected,
        never_connected_pvs=summary.counts.never_seen,
        stale_pvs=summary.counts.stale,
        pvs_in_alarm=summary.counts.in_alarm,
        disconnected_percentage=summary.disconnected_percentage,
        watchdog_running=watchdog is not None and watchdog.running,
        last_watchdog_check=_seconds(last.at_ns) if last else None,
        issues=list(summary.issues),
        epics=epics,
    )


def circuits_answer(reports: list[CircuitReport]) -> CircuitsAnswer:
    """Every circuit."""
    opened = [report.name for report in reports if report.state is CircuitState.OPEN]
    circuits = [
        CircuitAnswer(
            name=report.name,
            state=report.state,
            failure_count=report.failure_count,
            success_count=report.success_count,
            call_count=report.call_count,
            last_failure=_seconds(report.last_failure_ns),
            opened_at=_seconds(report.opened_ns),
        )
        for report in reports
    ]
    return CircuitsAnswer(
        open_circuit_count=len(opened), total_circuits=len(circuits), open_circuits=opened, circuits=circuits
    )


def monitor_answer(beat: Heartbeat, status: MonitorStatus | None) -> MonitorAnswer:
    """The monitor that leads; status: that of this process, which tells nothing of the leader while it stands by."""
    known = beat.beat_ns != 0
    if status is not None and status.state is State.STANDBY:
        status = None
    return MonitorAnswer(
        status="healthy" if beat.alive else "stale" if known else "unknown",
        message=_monitor_message(beat),
        age_seconds=beat.age_s,
        leader=status.instance if status else None,
        state=status.state.value if status else None,
        epoch=status.epoch if status else None,
        watched_pvs=status.watched if status else None,
        updates=status.updates if status else None,
        drains=status.drains if status else None,
        last_drain_ms=status.last_drain_s * 1000 if status else None,
        longest_drain_ms=status.longest_drain_s * 1000 if status else None,
    )


def _monitor_message(beat: Heartbeat) -> str:
    if beat.alive:
        return "the monitor is alive"
    if beat.age_s is None:
        return "no monitor keeps the live values true"
    return f"the monitor's last sign of life is {beat.age_s:.1f} s old"


def watchdog_answer(watchdog: Watchdog) -> WatchdogAnswer:
    """The last audit."""
    last: Audit | None = watchdog.last
    return WatchdogAnswer(
        running=watchdog.running,
        last_check=_seconds(last.at_ns) if last else None,
        check_count=watchdog.checks,
        duration_seconds=last.duration_s if last else None,
        checked_count=last.checked if last else 0,
        confirmed_count=last.confirmed if last else 0,
        moving_count=last.moving if last else 0,
        stale_count=last.differing if last else 0,
        unanswered_count=last.unanswered if last else 0,
        disconnected_count=last.absent if last else 0,
        resubscribed_total=watchdog.resubscribed,
    )


def _seconds(time_ns: int) -> float | None:
    return time_ns / NS if time_ns else None
