"""One PV read or written directly, through its device's circuit."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol, assert_never

from backend.src.config.settings import EpicsSettings
from backend.src.core.errors import Conflict, LarderError, TimedOut, Unavailable
from backend.src.infra.epics.address import PvAddress
from backend.src.infra.epics.frame import Frame, PvValue
from backend.src.infra.epics.outcomes import PutOutcome, PutResult, ReadFailed, Reading, reading_of
from backend.src.services.monitoring.circuit_breaker import CircuitBreaker, Circuits
from backend.src.services.monitoring.read_your_writes import ReadYourWrites


class Machine(Protocol):
    """infra.epics, as far as single operations need it."""

    async def read(self, addresses: Sequence[PvAddress], *, timeout_s: float) -> Frame: ...
    async def read_one(self, address: PvAddress, *, timeout_s: float) -> Reading | ReadFailed: ...
    async def write_one(
        self,
        address: PvAddress,
        value: PvValue,
        *,
        wait: bool,
        timeout_s: float,
        completion_timeout_s: float | None,
    ) -> PutOutcome: ...


@dataclass(frozen=True, slots=True)
class Written:
    """A value that was taken, and what the channel said when it was read back."""

    address: PvAddress
    waited: bool
    readback: Reading | ReadFailed


class DirectAccess:
    """Reads and writes that a request asks for, one at a time."""

    def __init__(
        self, epics: Machine, circuits: Circuits, read_your_writes: ReadYourWrites, settings: EpicsSettings
    ) -> None:
        self._epics = epics
        self._circuits = circuits
        self._read_your_writes = read_your_writes
        self._settings = settings

    async def read(self, address: PvAddress) -> Reading | ReadFailed:
        """The channel's value now. Raises CircuitOpen."""
        circuit = self._circuits.of(address)
        circuit.admit()
        reading = await self._epics.read_one(address, timeout_s=self._settings.read_timeout_s)
        _note(circuit, answered=isinstance(reading, Reading))
        return reading

    async def write(
        self, address: PvAddress, slot: int, value: PvValue, *, wait: bool, timeout_s: float | None = None
    ) -> Written:
        """Writes, reads back, and lets the live table's slot catch up. timeout_s: seconds for the put to complete; a
        PV that is not there is not waited for any longer than usual.

        Raises CircuitOpen, Unavailable (not connected), TimedOut or Conflict (no access, or refused).
        """
        circuit = self._circuits.of(address)
        circuit.admit()
        outcome = await self._epics.write_one(
            address, value, wait=wait, timeout_s=self._settings.write_timeout_s, completion_timeout_s=timeout_s
        )
        _note(circuit, answered=outcome.result not in (PutResult.DISCONNECTED, PutResult.TIMED_OUT))
        if not outcome.ok:
            raise _failure(address, outcome)
        frame = await self._epics.read([address], timeout_s=self._settings.read_timeout_s)
        await self._read_your_writes.settle([slot], frame)
        readback = reading_of(address, frame)
        if isinstance(readback, ReadFailed):  # read singly, it says why
            readback = await self._epics.read_one(address, timeout_s=self._settings.read_timeout_s)
        return Written(address, wait, readback)


def _note(circuit: CircuitBreaker, *, answered: bool) -> None:
    if answered:
        circuit.succeeded()
    else:
        circuit.failed()


def _failure(address: PvAddress, outcome: PutOutcome) -> LarderError:
    because = f": {outcome.message}" if outcome.message else ""
    match outcome.result:
        case PutResult.DISCONNECTED:
            return Unavailable(f"{address} is not connected{because}")
        case PutResult.TIMED_OUT:
            return TimedOut(f"{address} did not complete the put in time{because}")
        case PutResult.NO_ACCESS:
            return Conflict(f"{address} gives no write access{because}")
        case PutResult.FAILED | PutResult.ABORTED | PutResult.OK:
            return Conflict(f"{address} refused the value{because}")
        case _:
            assert_never(outcome.result)
