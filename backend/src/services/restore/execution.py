"""Writing a plan and reading back what came of it."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np

from backend.src.infra.epics.address import PvAddress
from backend.src.infra.epics.frame import Frame, ValueType, empty_frame
from backend.src.infra.epics.outcomes import Put, PutOutcome, PutResult
from backend.src.services.restore.models import RESULTS, Codes, RestoreOptions, Result
from backend.src.services.snapshots.agreement import Pairs, Tolerances, agree
from backend.src.services.snapshots.capture import Ints, Mask, pick

# A record may still be processing when its put has completed; a second look tells a late value from a wrong one.
SECOND_LOOKS_S = (0.1, 0.4, 1.0)
CODE = {result: code for code, result in enumerate(RESULTS)}
_RESULT_OF = {
    PutResult.OK: Result.RESTORED,
    PutResult.DISCONNECTED: Result.DISCONNECTED,
    PutResult.NO_ACCESS: Result.NO_ACCESS,
    PutResult.TIMED_OUT: Result.TIMED_OUT,
    PutResult.FAILED: Result.FAILED,
    PutResult.ABORTED: Result.ABORTED,
}


class Machine(Protocol):
    """infra/epics, as far as a restore needs it."""

    async def read(self, addresses: Sequence[PvAddress], *, timeout_s: float) -> Frame:
        """A reading of each channel."""

    async def write(
        self,
        puts: Sequence[Put],
        *,
        timeout_s: float,
        wait: bool = True,
        progress: Callable[[int], None] | None = None,
        abort: asyncio.Event | None = None,
    ) -> list[PutOutcome]:
        """Writes all, each with its outcome."""


@dataclass(frozen=True, slots=True)
class Writes:
    """k puts: where, what, and how near the value read back must come."""

    pv_ids: Ints
    addresses: list[PvAddress]
    target: Frame
    tolerances: Tolerances

    def __len__(self) -> int:
        return len(self.addresses)


@dataclass(frozen=True, slots=True)
class Written:
    """What became of k puts."""

    results: Codes
    messages: list[str]
    after: Frame


@dataclass(frozen=True, slots=True)
class Executor:
    """Puts values and reads them back. Nothing is put twice."""

    machine: Machine
    write_timeout_s: float
    read_timeout_s: float

    async def execute(
        self, writes: Writes, options: RestoreOptions, progress: Callable[[int], None], abort: asyncio.Event
    ) -> Written:
        """Writes all, then verifies all that were sent. An abort ends the writing, not the verifying."""
        puts = await asyncio.to_thread(_puts, writes, options)
        # the configured one to connect: a put may take hours, and a PV that has gone since must not hold it up as long
        outcomes = await self.machine.write(
            puts, timeout_s=self.write_timeout_s, wait=options.wait, progress=progress, abort=abort
        )
        looks = (0.0,) if abort.is_set() else (0.0, *SECOND_LOOKS_S)
        after, verified = await self._verify(writes, _worth_a_look(outcomes), looks)
        results = [_result(outcome, right) for outcome, right in zip(outcomes, verified.tolist(), strict=True)]
        messages = [
            _message(outcome, result, seen)
            for outcome, result, seen in zip(outcomes, results, after.connected.tolist(), strict=True)
        ]
        return Written(np.array([CODE[result] for result in results], np.uint8), messages, after)

    async def _verify(self, writes: Writes, rows: Ints, looks: Sequence[float]) -> tuple[Frame, Mask]:
        """Reads those rows until they are right or it has been long enough."""
        after, verified = empty_frame(len(writes)), np.zeros(len(writes), np.bool_)
        for pause_s in looks:
            if not len(rows):
                break
            await asyncio.sleep(pause_s)
            found = await self.machine.read(pick(writes.addresses, rows), timeout_s=self.read_timeout_s)
            after = _merge(after, rows, found)
            right = _as_wanted(writes, rows, found)
            verified[rows[right]] = True
            rows = rows[~right & found.connected]
        return after, verified


def _puts(writes: Writes, options: RestoreOptions) -> list[Put]:
    kinds = writes.target.rows["type"].tolist()
    return [
        Put(address, writes.target.value(row), ValueType(kinds[row]), options.timeouts_s.get(pv_id, options.timeout_s))
        for row, (address, pv_id) in enumerate(zip(writes.addresses, writes.pv_ids.tolist(), strict=True))
    ]


def _worth_a_look(outcomes: Sequence[PutOutcome]) -> Ints:
    """All but those that were surely not written: a put may take effect although its connection is lost meanwhile."""
    sent = (row for row, outcome in enumerate(outcomes) if outcome.result is not PutResult.NO_ACCESS)
    return np.fromiter(sent, np.int64)


def _as_wanted(writes: Writes, rows: Ints, found: Frame) -> Mask:
    tolerances = Tolerances(writes.tolerances.absolute[rows], writes.tolerances.relative[rows])
    return agree(writes.target.take(rows), found, _one_to_one(len(rows)), tolerances)


def _one_to_one(k: int) -> Pairs:
    return Pairs(np.arange(k), np.arange(k))


def _merge(whole: Frame, rows: Ints, found: Frame) -> Frame:
    """`found` put in at `rows`; its metadata is left out: only values are of interest now."""
    whole.rows[rows] = found.rows
    numbers = rows.tolist()
    replaced = set(numbers)
    objects = {row: value for row, value in whole.objects.items() if row not in replaced}
    objects |= {numbers[row]: value for row, value in found.objects.items()}
    return Frame(whole.rows, whole.meta, objects, whole.interned)


def _result(outcome: PutOutcome, verified: bool) -> Result:
    if outcome.result is PutResult.OK and not verified:
        return Result.NOT_VERIFIED
    return _RESULT_OF[outcome.result]


def _message(outcome: PutOutcome, result: Result, seen: bool) -> str:
    if result is Result.NOT_VERIFIED:
        return "written, but another value is read back" if seen else "written, but it cannot be read back"
    return outcome.message
