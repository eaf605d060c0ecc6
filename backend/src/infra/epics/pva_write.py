"""Writing many PVAccess channels at once, each with its own outcome and time-out."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

from p4p.client.raw import Cancelled, Disconnected

from backend.src.infra.epics.ca_values import Unfit
from backend.src.infra.epics.outcomes import Put, PutOutcome, PutResult
from backend.src.infra.epics.pva import PvAccess
from backend.src.infra.epics.pva_values import Unsupported, assign

PORTION = 200
STEP_S = 0.02
ABORT_GRACE_S = 0.3
_REFUSAL = "put not permitted"  # QSRV's words: the protocol has no code for it


class PvaWrite:
    """One bulk write, run in the caller's event loop."""

    def __init__(
        self, access: PvAccess, puts: Sequence[Put], timeout_s: float, *, wait: bool, progress: Callable[[int], None]
    ) -> None:
        self._access = access
        self._puts = puts
        self._timeout_s = timeout_s
        self._wait = wait
        self._progress = progress
        self._outcomes: dict[int, PutOutcome] = {}
        self._reached: dict[int, float] = {}  # when the server asked for the value, that is, the channel connected
        self._operations: dict[int, Any] = {}
        self._connect_deadlines: dict[int, float] = {}

    async def run(self, abort: asyncio.Event) -> list[PutOutcome]:
        """Sends portion by portion; ends when each put has its outcome. Cancelled, it gives up those under way."""
        try:
            await self._run(abort)
        finally:
            for operation in self._operations.values():
                operation.close()
        return [self._outcomes[number] for number in range(len(self._puts))]

    async def _run(self, abort: asyncio.Event) -> None:
        unsent = list(range(len(self._puts) - 1, -1, -1))
        abort_deadline: float | None = None
        while unsent or self._operations:
            if abort.is_set() and abort_deadline is None:
                abort_deadline = time.monotonic() + ABORT_GRACE_S
                self._settle_all(unsent, PutOutcome(PutResult.ABORTED, "not sent"))
                unsent = []
            for number in [unsent.pop() for _ in range(min(PORTION, len(unsent)))]:
                self._send(number)
            await asyncio.sleep(0 if unsent else STEP_S)
            self._look_at_the_clock(abort_deadline)
            self._progress(len(self._outcomes))

    def _send(self, number: int) -> None:
        self._connect_deadlines[number] = time.monotonic() + self._timeout_s
        done = partial(_call_soon, asyncio.get_running_loop(), self._note_done, number)
        builder = partial(self._build, number)
        self._operations[number] = self._access.begin_put(self._puts[number], builder, done, wait=self._wait)

    def _build(self, number: int, target: Any) -> None:
        self._reached[number] = time.monotonic()
        assign(target, self._puts[number].value)

    def _note_done(self, number: int, answer: Any) -> None:
        if number in self._operations and not isinstance(answer, Cancelled):
            self._settle(number, _outcome(answer))

    def _settle(self, number: int, outcome: PutOutcome) -> None:
        self._outcomes[number] = outcome
        operation = self._operations.pop(number, None)
        if operation is not None:
            operation.close()

    def _settle_all(self, numbers: Sequence[int], outcome: PutOutcome) -> None:
        for number in tuple(numbers):
            self._settle(number, outcome)

    def _look_at_the_clock(self, abort_deadline: float | None) -> None:
        now = time.monotonic()
        for number in tuple(self._operations):
            reached = self._reached.get(number)
            if reached is not None and now >= reached + self._completion_timeout_s(number):
                self._settle(number, PutOutcome(PutResult.TIMED_OUT, "not completed in time; it may still take effect"))
            elif reached is None and now >= self._connect_deadlines[number]:
                self._settle(number, PutOutcome(PutResult.DISCONNECTED, "not connected"))
        if abort_deadline is not None and now >= abort_deadline:
            outcome = PutOutcome(PutResult.ABORTED, "sent before the abort; completion was not awaited")
            self._settle_all(tuple(self._operations), outcome)

    def _completion_timeout_s(self, number: int) -> float:
        own = self._puts[number].timeout_s
        return self._timeout_s if own is None else own


def _outcome(answer: Any) -> PutOutcome:
    if not isinstance(answer, Exception):
        return PutOutcome(PutResult.OK)
    if isinstance(answer, Disconnected):
        return PutOutcome(PutResult.DISCONNECTED, "connection lost before the put completed; it may have taken effect")
    if isinstance(answer, (Unfit, Unsupported)):
        return PutOutcome(PutResult.FAILED, str(answer))
    refused = _REFUSAL in str(answer).lower()
    return PutOutcome(PutResult.NO_ACCESS if refused else PutResult.FAILED, str(answer))


def _call_soon(loop: asyncio.AbstractEventLoop, function: Callable[..., None], *arguments: Any) -> None:
    if not loop.is_closed():
        loop.call_soon_threadsafe(function, *arguments)
