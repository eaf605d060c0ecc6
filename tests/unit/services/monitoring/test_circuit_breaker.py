"""A circuit breaker that opens, tries once, and closes."""

from __future__ import annotations

import pytest

from backend.src.config.settings import MonitorSettings
from backend.src.core.errors import NotFound
from backend.src.infra.epics.address import PvAddress
from backend.src.services.monitoring import circuit_breaker
from backend.src.services.monitoring.circuit_breaker import (
    CircuitBreaker,
    CircuitOpen,
    Circuits,
    CircuitState,
    device_of,
)
from tests.manual_clock import ManualClock


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock()


@pytest.fixture
def circuit(clock: ManualClock) -> CircuitBreaker:
    return CircuitBreaker("SR:Q1", clock, failures=3, reset_s=30.0)


def fail(circuit: CircuitBreaker, times: int) -> None:
    for _ in range(times):
        circuit.admit()
        circuit.failed()


def state_of(circuit: CircuitBreaker) -> CircuitState:
    """By a call, as mypy takes an attribute that was asserted for unchanged."""
    return circuit.state


def test_it_opens_after_enough_failures_in_a_row(circuit: CircuitBreaker) -> None:
    fail(circuit, 2)
    assert state_of(circuit) is CircuitState.CLOSED
    fail(circuit, 1)
    assert state_of(circuit) is CircuitState.OPEN
    with pytest.raises(CircuitOpen):
        circuit.admit()
    assert circuit.report().call_count == 3


def test_a_success_in_between_starts_the_count_again(circuit: CircuitBreaker) -> None:
    fail(circuit, 2)
    circuit.admit()
    circuit.succeeded()
    fail(circuit, 2)
    assert state_of(circuit) is CircuitState.CLOSED


def test_after_the_reset_time_one_caller_may_try(circuit: CircuitBreaker, clock: ManualClock) -> None:
    fail(circuit, 3)
    clock.advance(30.0)
    assert state_of(circuit) is CircuitState.HALF_OPEN
    circuit.admit()
    with pytest.raises(CircuitOpen):
        circuit.admit()
    circuit.succeeded()
    assert state_of(circuit) is CircuitState.CLOSED
    fail(circuit, 2)
    assert state_of(circuit) is CircuitState.CLOSED


def test_a_failed_try_opens_it_again_at_once(circuit: CircuitBreaker, clock: ManualClock) -> None:
    fail(circuit, 3)
    clock.advance(31.0)
    fail(circuit, 1)
    assert state_of(circuit) is CircuitState.OPEN
    clock.advance(29.0)
    assert state_of(circuit) is CircuitState.OPEN
    clock.advance(1.0)
    assert state_of(circuit) is CircuitState.HALF_OPEN


def test_a_try_that_never_reported_does_not_block_for_ever(circuit: CircuitBreaker, clock: ManualClock) -> None:
    fail(circuit, 3)
    clock.advance(30.0)
    circuit.admit()
    clock.advance(30.0)
    circuit.admit()


def test_opened_by_hand_it_stays_open_until_closed_by_hand(circuit: CircuitBreaker, clock: ManualClock) -> None:
    circuit.admit()
    circuit.open_by_hand()
    circuit.succeeded()
    clock.advance(10_000.0)
    assert state_of(circuit) is CircuitState.OPEN
    circuit.close_by_hand()
    circuit.admit()


def test_circuits_are_kept_by_device(clock: ManualClock) -> None:
    circuits = Circuits(clock, MonitorSettings(circuit_failures=1))
    fail(circuits.of(PvAddress.parse("SR:Q1:I")), 1)
    with pytest.raises(CircuitOpen, match="SR:Q1 "):
        circuits.of(PvAddress.parse("SR:Q1:V")).admit()
    circuits.of(PvAddress.parse("SR:Q2:V")).admit()
    circuits.close("SR:Q1")
    circuits.of(PvAddress.parse("SR:Q1:V")).admit()
    with pytest.raises(NotFound):
        circuits.close("SR:Q9")


def test_a_device_is_the_text_before_the_last_colon() -> None:
    assert device_of(PvAddress.parse("pva://A:B:C")) == "A:B"
    assert device_of(PvAddress.parse("ALONE")) == "ALONE"
    assert device_of(PvAddress.parse(":X")) == ":X"


def test_made_up_names_do_not_fill_the_memory(clock: ManualClock, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(circuit_breaker, "MOST_CIRCUITS", 10)
    circuits = Circuits(clock, MonitorSettings(circuit_failures=1))
    circuits.open("KEPT")
    for number in range(100):
        circuits.of(PvAddress.parse(f"D{number}:X"))
    assert len(circuits.reports()) <= 10
    assert "KEPT" in {report.name for report in circuits.reports()}
