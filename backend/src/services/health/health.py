"""How the service is: what it depends on, the machine as the monitor sees it, what it keeps away from."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Protocol, runtime_checkable

import numpy as np

from backend.src.core.clock import Clock
from backend.src.core.errors import LarderError
from backend.src.core.lifecycle import Service
from backend.src.infra.epics.frame import Flag, ValueType
from backend.src.services.live import Counts, Heartbeat, Inventories, LiveNames, LiveTable
from backend.src.services.live.table import Mask

log = logging.getLogger(__name__)

PING_TIMEOUT_S = 2.0
MANY_DISCONNECTED_PERCENT = 10.0
NS = 1_000_000_000


class Condition(StrEnum):
    """Of the whole: ready, without something it can do without, without something it needs, or about to end."""

    READY = "ready"
    DEGRADED = "degraded"
    UNAVAILABLE = "unavailable"
    STOPPING = "stopping"

    @property
    def serves(self) -> bool:
        """Whether requests should be sent here."""
        return self in (Condition.READY, Condition.DEGRADED)


@runtime_checkable
class Detailed(Protocol):
    """A dependency that says what it is, such as a program and its version."""

    @property
    def detail(self) -> str:
        """One line."""


@dataclass(frozen=True, slots=True)
class Dependency:
    """One thing that is pinged; error and remedy are None while it is up; detail: what it is."""

    name: str
    up: bool
    needed: bool
    latency_ms: float
    error: str | None = None
    remedy: str | None = None
    detail: str | None = None


@dataclass(frozen=True, slots=True)
class Readiness:
    """All dependencies, and what follows from them; degraded: the names of those that are away and not needed."""

    condition: Condition
    degraded: tuple[str, ...]
    dependencies: tuple[Dependency, ...]


@dataclass(frozen=True, slots=True)
class Summary:
    """The machine in a few numbers, and what there is to worry about."""

    status: str
    heartbeat: Heartbeat
    counts: Counts
    disconnected_percentage: float
    issues: tuple[str, ...]


class Health:
    """needed: names of dependencies without which this process is of no use. stopping: whether it is about to end."""

    def __init__(
        self,
        dependencies: Mapping[str, Service],
        live: LiveTable,
        names: LiveNames,
        catalog: Inventories,
        clock: Clock,
        *,
        needed: frozenset[str] = frozenset({"sql"}),
        stopping: Callable[[], bool] = lambda: False,
    ) -> None:
        self._dependencies = dict(dependencies)
        self._live = live
        self._names = names
        self._catalog = catalog
        self._clock = clock
        self._needed = needed
        self._stopping = stopping
        self._one_look = asyncio.Lock()
        self._begun = 0  # looks
        self._last: tuple[int, Readiness] | None = None  # the number of a look, and what it found

    async def readiness(self) -> Readiness:
        """Pings everything at once. However many ask, and anybody may, one look is under way at a time."""
        before = self._begun
        async with self._one_look:
            if self._last is not None and self._last[0] > before:  # it began, and ended, while this was waiting
                return self._last[1]
            self._begun = number = self._begun + 1
            found = await self._look()
            self._last = number, found
            return found

    async def _look(self) -> Readiness:
        pings = [self._ping(name, service) for name, service in self._dependencies.items()]
        found = tuple(await asyncio.gather(*pings))
        away = [one for one in found if not one.up]
        degraded = tuple(one.name for one in away if not one.needed)
        if self._stopping():
            return Readiness(Condition.STOPPING, degraded, found)
        if any(one.needed for one in away):
            return Readiness(Condition.UNAVAILABLE, degraded, found)
        return Readiness(Condition.DEGRADED if degraded else Condition.READY, degraded, found)

    async def _ping(self, name: str, service: Service) -> Dependency:
        began = self._clock.monotonic()
        error: str | None = None
        remedy: str | None = None
        try:
            async with asyncio.timeout(PING_TIMEOUT_S):
                await service.ping()
        except LarderError as exc:
            error, remedy = exc.message, exc.remedy
        except TimeoutError:
            error = f"no answer in {PING_TIMEOUT_S:g} s"
        latency_ms = (self._clock.monotonic() - began) * 1000
        detail = service.detail if isinstance(service, Detailed) else None
        return Dependency(name, error is None, name in self._needed, latency_ms, error, remedy, detail)

    def heartbeat(self) -> Heartbeat:
        """Of the monitor that leads, whichever process that is."""
        return self._live.heartbeat()

    def counts(self) -> Counts:
        """How many channels are in which state."""
        return self._live.counts()

    def summary(self) -> Summary:
        """The machine in a few numbers."""
        beat, counts = self._live.heartbeat(), self._live.counts()
        percentage = 100.0 * counts.disconnected / counts.tracked if counts.tracked else 0.0
        issues = _issues(beat, counts, percentage)
        status = "unhealthy" if not beat.alive else "degraded" if issues else "healthy"
        return Summary(status, beat, counts, percentage, issues)

    async def disconnected(self) -> tuple[list[str], list[str]]:
        """Names of the channels that are not connected, and of those among them that never were; sorted."""
        named = self._names.everything(await self._catalog.inventory())
        rows = self._live.frame(named.slots).rows
        gone = (rows["flags"] & Flag.CONNECTED) == 0
        return _pick(named.names, gone), _pick(named.names, gone & (rows["type"] == ValueType.NONE))

    async def stale(self, max_age_s: float | None) -> list[str]:
        """Names of connected channels whose value may not be the present one; sorted.

        max_age_s: also those that neither an update nor an audit has confirmed for longer.
        """
        named = self._names.everything(await self._catalog.inventory())
        connected = self._live.frame(named.slots).connected
        doubted = self._live.stale(named.slots)
        if max_age_s is not None:
            confirmed_ns = self._live.confirmed_ns(named.slots)
            doubted |= confirmed_ns < self._clock.time_ns() - int(max_age_s * NS)
        return _pick(named.names, doubted & connected)


def _pick(names: list[str], mask: Mask) -> list[str]:
    return sorted(names[row] for row in np.flatnonzero(mask).tolist())


def _issues(beat: Heartbeat, counts: Counts, percentage: float) -> tuple[str, ...]:
    issues = []
    if not beat.alive:
        issues.append("the monitor gives no sign of life: every live value is stale")
    if percentage > MANY_DISCONNECTED_PERCENT:
        issues.append(f"{percentage:.1f} % of the channels are not connected")
    elif counts.disconnected:
        issues.append(f"{counts.disconnected} channels are not connected")
    if counts.never_seen:
        issues.append(f"{counts.never_seen} channels were never connected")
    doubted = counts.stale - counts.disconnected
    if beat.alive and doubted > 0:
        issues.append(f"{doubted} values differ from what the machine says")
    return tuple(issues)
