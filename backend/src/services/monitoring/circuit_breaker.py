"""Keeps single reads and writes away from a device that does not answer.

closed --N failures in a row--> open --after the reset time--> half-open --one try--> closed, or open again.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from backend.src.config.settings import MonitorSettings
from backend.src.core.clock import Clock
from backend.src.core.errors import NotFound, Unavailable
from backend.src.infra.epics.address import PvAddress

MOST_CIRCUITS = 10_000


class CircuitState(StrEnum):
    """Whether calls pass."""

    CLOSED = "closed"
    OPEN = "open"
    HALF_OPEN = "half_open"


class CircuitOpen(Unavailable):
    """The device failed too often; it is left alone for a while."""

    def __init__(self, name: str, wait_s: float) -> None:
        super().__init__(
            f"{name} did not answer several times; it is left alone for {wait_s:.0f} s more",
            remedy="check the device, or close its circuit: POST /v1/health/circuits/{name}/close",
        )


@dataclass(frozen=True, slots=True)
class CircuitReport:
    """A circuit as health shows it; times in ns since 1970, 0 for never."""

    name: str
    state: CircuitState
    failure_count: int
    success_count: int
    call_count: int
    last_failure_ns: int
    opened_ns: int


class CircuitBreaker:
    """One device's circuit. Call `admit` before a call, then `succeeded` or `failed`."""

    def __init__(self, name: str, clock: Clock, *, failures: int, reset_s: float) -> None:
        self.name = name
        self._clock = clock
        self._failures = failures
        self._reset_s = reset_s
        self._opened_at: float | None = None
        self._trying_since: float | None = None
        self._by_hand = False
        self._in_a_row = self._calls = self._successes = 0
        self._last_failure_ns = self._opened_ns = 0

    @property
    def state(self) -> CircuitState:
        """Whether the next call would pass."""
        if self._opened_at is None:
            return CircuitState.CLOSED
        return CircuitState.OPEN if self._by_hand or self._wait_s() > 0 else CircuitState.HALF_OPEN

    @property
    def idle(self) -> bool:
        """Whether there is nothing to remember."""
        return self._opened_at is None and self._in_a_row == 0

    def admit(self) -> None:
        """Raises CircuitOpen when the device is to be left alone; in half-open state one caller passes."""
        match self.state:
            case CircuitState.OPEN:
                raise CircuitOpen(self.name, self._wait_s())
            case CircuitState.HALF_OPEN:
                self._admit_one_try()
            case CircuitState.CLOSED:
                pass
        self._calls += 1

    def _admit_one_try(self) -> None:
        now = self._clock.monotonic()
        # a try that never reported, because its request was cancelled, must not block the circuit for ever
        if self._trying_since is not None and now - self._trying_since < self._reset_s:
            raise CircuitOpen(self.name, self._reset_s - (now - self._trying_since))
        self._trying_since = now

    def succeeded(self) -> None:
        """The call that was admitted got its answer. A circuit that was opened by hand stays open."""
        self._successes += 1
        if not self._by_hand:
            self._close()

    def failed(self) -> None:
        """The call that was admitted got no answer."""
        self._in_a_row += 1
        self._last_failure_ns = self._clock.time_ns()
        if self._trying_since is not None or self._in_a_row >= self._failures:
            self._open()

    def open_by_hand(self) -> None:
        """Open until somebody closes it."""
        self._by_hand = True
        self._open()

    def close_by_hand(self) -> None:
        """Closed, the failures forgotten."""
        self._by_hand = False
        self._close()

    def report(self) -> CircuitReport:
        """Its state and counts."""
        return CircuitReport(
            self.name,
            self.state,
            self._in_a_row,
            self._successes,
            self._calls,
            self._last_failure_ns,
            self._opened_ns,
        )

    def _open(self) -> None:
        self._opened_at = self._clock.monotonic()
        self._opened_ns = self._clock.time_ns()
        self._trying_since = None

    def _close(self) -> None:
        self._opened_at = self._trying_since = None
        self._in_a_row = 0

    def _wait_s(self) -> float:
        if self._opened_at is None:
            return 0.0
        return self._opened_at + self._reset_s - self._clock.monotonic()


class Circuits:
    """The circuits of all devices; only those with something to remember are kept."""

    def __init__(self, clock: Clock, settings: MonitorSettings) -> None:
        self._clock = clock
        self._settings = settings
        self._circuits: dict[str, CircuitBreaker] = {}

    def of(self, address: PvAddress) -> CircuitBreaker:
        """The circuit of an address's device."""
        return self._named(device_of(address))

    def reports(self) -> list[CircuitReport]:
        """Every circuit that is kept, by name."""
        return [self._circuits[name].report() for name in sorted(self._circuits)]

    def open(self, name: str) -> None:
        """Opens a device's circuit until somebody closes it."""
        self._named(name).open_by_hand()

    def close(self, name: str) -> None:
        """Closes a device's circuit. Raises NotFound when there is none."""
        if name not in self._circuits:
            raise NotFound(f"no circuit is named {name}")
        self._circuits[name].close_by_hand()

    def _named(self, name: str) -> CircuitBreaker:
        circuit = self._circuits.get(name)
        if circuit is None:
            self._make_room()
            circuit = CircuitBreaker(
                name,
                self._clock,
                failures=self._settings.circuit_failures,
                reset_s=self._settings.circuit_reset_s,
            )
            self._circuits[name] = circuit
        return circuit

    def _make_room(self) -> None:
        """Names come from requests, so their number must have an end: the idle ones go first, then the oldest."""
        if len(self._circuits) < MOST_CIRCUITS:
            return
        self._circuits = {name: circuit for name, circuit in self._circuits.items() if not circuit.idle}
        while len(self._circuits) >= MOST_CIRCUITS:
            del self._circuits[next(iter(self._circuits))]


def device_of(address: PvAddress) -> str:
    """The text before the last colon, by convention the device; a name without one is its own device."""
    return address.name.rpartition(":")[0] or address.name
