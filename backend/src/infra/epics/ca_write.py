"""Writing many channels at once, each with its own outcome and time-out.

Puts go out in portions, so that an abort finds most of them unsent. What was sent and not completed when its
time is up, or at an abort, may still take effect: the message says so.
"""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable, Sequence

from backend.src.infra.epics import libca
from backend.src.infra.epics.ca_channels import Channel
from backend.src.infra.epics.ca_thread import ChannelAccess
from backend.src.infra.epics.ca_values import Unfit, payload
from backend.src.infra.epics.outcomes import Put, PutOutcome, PutResult

PORTION = 1000
IN_FLIGHT = 4000  # above this many, portions go out at SLOW_PORTION_S only: one slow PV must not hold the others
SLOW_PORTION_S = 0.02
PROGRESS_S = 0.05
ABORT_GRACE_S = 0.3

_OK = PutOutcome(PutResult.OK)
_ABSENT = PutOutcome(PutResult.DISCONNECTED, "not connected")
_LOST = PutOutcome(PutResult.DISCONNECTED, "connection lost before the put completed; it may have taken effect")
_REFUSED = PutOutcome(PutResult.NO_ACCESS, "the server does not allow writing")
_UNSENT = PutOutcome(PutResult.ABORTED, "not sent")
_ABANDONED = PutOutcome(PutResult.ABORTED, "sent before the abort; completion was not awaited")


class BulkWrite:
    """One write; reports a list of PutOutcome aligned with the puts."""

    def __init__(
        self,
        access: ChannelAccess,
        puts: Sequence[Put],
        timeout_s: float,
        report: Callable[[list[PutOutcome] | Exception], None],
        *,
        wait: bool = True,
        progress: Callable[[int], None] | None = None,
    ) -> None:
        self._access = access
        self._puts = puts
        self._timeout_s = timeout_s
        self._report = report
        self._wait = wait
        self._progress = progress
        self._outcomes: list[PutOutcome | None] = [None] * len(puts)
        self._left = len(puts)
        self._channels: list[Channel] = []
        self._waiting: dict[Channel, list[int]] = {}
        self._ready: deque[int] = deque()
        self._in_flight: dict[int, tuple[int, float]] = {}  # token -> (put, deadline)
        self._connect_deadline = 0.0
        self._abort_deadline: float | None = None
        self._next_portion = 0.0
        self._next_look = 0.0
        self._told = 0

    def abort(self) -> None:
        """Sends no more; posted to the CA thread."""
        self._abort_deadline = time.monotonic() + ABORT_GRACE_S

    def begin(self) -> None:
        """Sorts the puts into those that can go and those whose channel is still searched for."""
        now = time.monotonic()
        self._connect_deadline = now + self._timeout_s
        self._channels = self._access.channels.acquire(put.address.name for put in self._puts)
        for number, channel in enumerate(self._channels):
            if channel.connected:
                self._ready.append(number)
            elif now - channel.searching_since >= self._timeout_s:
                self._settle(number, _ABSENT)
            else:
                self._waiting.setdefault(channel, []).append(number)

    def channels_connected(self, channels: Sequence[Channel]) -> None:
        """Their puts can go."""
        for channel in channels:
            self._ready.extend(self._waiting.pop(channel, ()))

    def advance(self, now: float) -> bool:
        """Sends the next portion, looks at the time, tells of progress; over when each put has its outcome."""
        if self._abort_deadline is not None:
            self._wind_down(now)
        elif self._ready and (len(self._in_flight) < IN_FLIGHT or now >= self._next_portion):
            self._next_portion = now + SLOW_PORTION_S
            self._send_portion(now)
        if now >= self._next_look:
            self._next_look = now + PROGRESS_S
            self._look_at_the_clock(now)
            self._tell()
        if self._left:
            return False
        self._finish()
        return True

    def _send_portion(self, now: float) -> None:
        for _ in range(min(PORTION, len(self._ready))):
            number = self._ready.popleft()
            if self._outcomes[number] is None:
                self._send(number, now)
        libca.flush_io()

    def _send(self, number: int, now: float) -> None:
        channel, put = self._channels[number], self._puts[number]
        if not channel.connected:
            return self._settle(number, _ABSENT)
        if not libca.write_access(channel.chid):
            return self._settle(number, _REFUSED)
        try:
            content = payload(channel, put.value)
        except Unfit as error:
            return self._settle(number, PutOutcome(PutResult.FAILED, str(error)))
        if not self._wait:
            status = libca.array_put(content.request, content.count, channel.chid, content.data)
            return self._settle(number, _outcome(status))
        token = self._access.expect(self._note_done)
        self._in_flight[token] = (number, now + (self._timeout_s if put.timeout_s is None else put.timeout_s))
        status = libca.array_put_callback(
            content.request, content.count, channel.chid, content.data, self._access.on_done, token
        )
        if status != libca.ECA_NORMAL:
            self._access.forget([token])
            del self._in_flight[token]
            self._settle(number, _outcome(status))
        return None

    def _note_done(self, token: int, status: int) -> None:
        number, _ = self._in_flight.pop(token)
        self._settle(number, _LOST if status == libca.ECA_DISCONN else _outcome(status))

    def _settle(self, number: int, outcome: PutOutcome) -> None:
        if self._outcomes[number] is None:
            self._outcomes[number] = outcome
            self._left -= 1

    def _look_at_the_clock(self, now: float) -> None:
        if self._waiting and now >= self._connect_deadline:
            for numbers in self._waiting.values():
                for number in numbers:
                    self._settle(number, _ABSENT)
            self._waiting.clear()
        late = [token for token, (_, deadline) in self._in_flight.items() if now >= deadline]
        for token in late:
            number, _ = self._in_flight.pop(token)
            self._settle(number, _late(self._puts[number].timeout_s, self._timeout_s))
        self._access.forget(late)

    def _wind_down(self, now: float) -> None:
        for number in self._ready:
            self._settle(number, _UNSENT)
        for numbers in self._waiting.values():
            for number in numbers:
                self._settle(number, _UNSENT)
        self._ready.clear()
        self._waiting.clear()
        if self._abort_deadline is not None and now >= self._abort_deadline:
            for number, _ in self._in_flight.values():
                self._settle(number, _ABANDONED)
            self._access.forget(tuple(self._in_flight))
            self._in_flight.clear()

    def _tell(self) -> None:
        done = len(self._puts) - self._left
        if self._progress is not None and done != self._told:
            self._told = done
            self._progress(done)

    def _finish(self) -> None:
        self._tell()
        self._access.channels.release(self._channels)
        self._report([outcome or _UNSENT for outcome in self._outcomes])

    def fail(self, error: Exception) -> None:
        """Reports the error; what was sent may have taken effect."""
        self._access.forget(tuple(self._in_flight))
        self._access.channels.release(self._channels)
        self._report(error)


def _outcome(status: int) -> PutOutcome:
    match status:
        case libca.ECA_NORMAL:
            return _OK
        case libca.ECA_DISCONN:
            return _ABSENT
        case libca.ECA_NOWTACCESS:
            return _REFUSED
        case _:
            return PutOutcome(PutResult.FAILED, libca.message(status))


def _late(own_s: float | None, shared_s: float) -> PutOutcome:
    seconds = shared_s if own_s is None else own_s
    return PutOutcome(PutResult.TIMED_OUT, f"not completed within {seconds:g} s; it may still take effect")
