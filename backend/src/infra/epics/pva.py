"""PVAccess through p4p: bulk reads with one shared deadline, puts, and monitors that come through the same Changes.

p4p calls back on threads of its own. A monitor's callback only marks its slot; the values wait in p4p's own
queue, which keeps the newest, until `drain` takes them.
"""

from __future__ import annotations

import asyncio
import logging
import queue
import threading
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
from p4p import logLevelError
from p4p.client.raw import Context, Disconnected, Finished, set_debug

from backend.src.config.settings import EpicsSettings
from backend.src.core.errors import Unavailable
from backend.src.infra.epics.environment import pva_environment
from backend.src.infra.epics.frame import Flag, Frame, ValueType, empty_frame, empty_meta, empty_rows
from backend.src.infra.epics.image_monitor import ImageMonitor
from backend.src.infra.epics.live_rows import LiveRows
from backend.src.infra.epics.outcomes import Changes, Put
from backend.src.infra.epics.pva_values import Unsupported, fill_meta, fill_row

log = logging.getLogger(__name__)

READERS = 4
DRAIN_BUDGET_S = 0.05  # p4p makes a Python object of each update: many at once shall not hold the caller
CONNECTED = np.uint8(Flag.CONNECTED | Flag.WRITABLE)  # PVAccess does not tell who may write before one tries
_META_FIELDS = ("display", "control", "valueAlarm")
_ODD = (LookupError, ValueError, TypeError, AttributeError, ArithmeticError)


class PvaMonitor:
    """One monitored slot. `subscription` is None until the worker has made it."""

    __slots__ = ("connected", "known", "name", "odd", "since", "slot", "subscription")

    def __init__(self, slot: int, name: str) -> None:
        self.slot = slot
        self.name = name
        self.subscription: Any = None
        self.connected = False
        self.known = False  # its metadata
        self.odd = False  # it sent what cannot be read
        self.since = time.monotonic()  # of its last change of connection


class PvAccess:
    """Reads, writes and monitors over PVAccess. The context opens with the first use of the protocol."""

    def __init__(self, settings: EpicsSettings) -> None:
        self._settings = settings
        self._context: Context | None = None
        self._opening = threading.Lock()
        self._running = False
        self._pool: ThreadPoolExecutor | None = None
        self._inbox: queue.SimpleQueue[tuple[Any, ...] | None] = queue.SimpleQueue()
        self._waiting: set[threading.Event] = set()
        self._worker: threading.Thread | None = None
        self._monitors: dict[int, PvaMonitor] = {}
        self._by_name: dict[str, PvaMonitor] = {}
        self._dirty: dict[int, PvaMonitor] = {}
        self._forgotten: list[int] = []
        self._live = LiveRows()
        self._drain_lock = threading.Lock()
        self.coalesced = 0  # events that a later one replaced before a drain

    def __len__(self) -> int:
        return len(self._monitors)

    @property
    def connected(self) -> int:
        """How many monitors are connected."""
        return sum(monitor.connected for monitor in list(self._monitors.values()))

    def start(self) -> None:
        """Starts the thread that makes and ends subscriptions."""
        self._running = True
        self._pool = ThreadPoolExecutor(READERS, thread_name_prefix="pva-read")
        self._worker = threading.Thread(target=self._work, name="pva-monitors", daemon=True)
        self._worker.start()

    def stop(self) -> None:
        """Closes every subscription and the context."""
        if not self._running:
            return
        self._running = False
        for waiting in tuple(self._waiting):
            waiting.set()
        self._inbox.put(None)
        if self._worker is not None:
            self._worker.join()
        if self._pool is not None:
            self._pool.shutdown(wait=False)  # reads that have not begun find that nothing runs any more
        if self._context is not None:
            self._context.close()
            self._context = None

    def _opened(self) -> Context:
        with self._opening:
            if not self._running:
                raise Unavailable("PVAccess does not run")
            if self._context is None:
                set_debug("pvxs.*", logLevelError)  # it would warn of a refused channel every second
                self._context = Context("pva", conf=pva_environment(self._settings), useenv=True, nt=False)
            return self._context

    # reading

    async def read(self, names: Sequence[str], timeout_s: float) -> Frame:
        """n channels read afresh, absent or unsupported ones being rows of type NONE. Raises Unavailable."""
        if not names:
            return empty_frame(0)
        if not self._running or self._pool is None:
            raise Unavailable("PVAccess does not run")
        return await asyncio.get_running_loop().run_in_executor(self._pool, self._read, names, timeout_s)

    def _read(self, names: Sequence[str], timeout_s: float) -> Frame:
        answers = self.fetch(names, timeout_s)
        frame = empty_frame(len(names))
        for row, name in enumerate(names):
            answer = answers.get(name)
            if answer is not None and not isinstance(answer, Exception):
                _fill(frame, row, answer, long_string=name.endswith("$"))
        return frame

    def fetch(self, names: Sequence[str], timeout_s: float) -> dict[str, Any]:
        """Structures, or the exceptions that came instead, by name; what did not answer in time is not there."""
        now = time.monotonic()
        wanted = {name for name in names if not self._known_absent(name, now - timeout_s)}
        answers: dict[str, Any] = {}
        complete = threading.Event()
        self._waiting.add(complete)

        def note(name: str, answer: Any) -> None:
            answers[name] = answer
            if len(answers) == len(wanted):
                complete.set()

        context = self._opened()
        operations = [context.get(name, _bound(note, name)) for name in wanted]
        if wanted:
            complete.wait(timeout_s)
        self._waiting.discard(complete)
        taken = dict(answers)
        for operation in operations:
            operation.close()
        return taken

    def _known_absent(self, name: str, since: float) -> bool:
        monitor = self._by_name.get(name)
        return monitor is not None and not monitor.connected and monitor.since < since

    # writing

    def begin_put(self, put: Put, builder: Callable[[Any], None], done: Callable[[Any], None], *, wait: bool) -> Any:
        """Starts one put, to be closed in any case; done(None) or done(exception) is called on a thread of p4p."""
        request = f"field()record[block={'true' if wait else 'false'},process=passive]"
        return self._opened().put(put.address.name, done, builder=builder, request=request)

    # images

    def image_monitor(self, name: str, notify: Callable[[], None], most_bytes: int) -> ImageMonitor:
        """As Epics.image_monitor."""
        try:
            return ImageMonitor(self._opened(), name, notify, most_bytes)
        except (RuntimeError, ValueError, OSError) as exc:
            raise Unavailable(f"pva://{name} cannot be watched: {exc}") from exc

    # monitoring

    def monitor(self, add: Sequence[tuple[int, str]], remove: Sequence[int]) -> None:
        """As Ingest.monitor."""
        self._inbox.put((self._change, list(add), list(remove)))

    def resubscribe(self, slots: Sequence[int]) -> None:
        """As Ingest.resubscribe."""
        self._inbox.put((self._renew, list(slots)))

    def _work(self) -> None:
        while (call := self._inbox.get()) is not None:
            if self._running:
                self._do(*call)
        for monitor in self._monitors.values():
            _end(monitor)

    def _do(self, step: Callable[..., None], *arguments: Any) -> None:
        try:
            step(*arguments)
        except Exception:  # the border of this thread: without it nothing would be monitored any more, silently
            log.exception("PVAccess subscriptions could not be changed")

    def _change(self, add: Sequence[tuple[int, str]], remove: Sequence[int]) -> None:
        for slot in remove:
            self._remove(slot)
        for slot, name in add:
            present = self._monitors.get(slot)
            if self._running and (present is None or present.name != name):
                self._remove(slot)
                self._subscribe(PvaMonitor(slot, name))

    def _remove(self, slot: int) -> None:
        monitor = self._monitors.pop(slot, None)
        if monitor is not None:
            self._by_name.pop(monitor.name, None)
            _end(monitor)
            self._forgotten.append(slot)

    def _renew(self, slots: Sequence[int]) -> None:
        for slot in slots:
            monitor = self._monitors.get(slot)
            if monitor is not None:
                _end(monitor)
                self._subscribe(PvaMonitor(slot, monitor.name))

    def _subscribe(self, monitor: PvaMonitor) -> None:
        self._monitors[monitor.slot] = self._by_name[monitor.name] = monitor
        try:
            monitor.subscription = self._opened().monitor(
                monitor.name, lambda: self._dirty.__setitem__(monitor.slot, monitor)
            )
        except (Unavailable, RuntimeError, ValueError, OSError) as exc:  # one name must not keep the others waiting
            log.warning("pva://%s cannot be monitored: %s", monitor.name, exc)

    # draining

    def drain(self) -> Changes:
        """As Ingest.drain."""
        with self._drain_lock:
            while self._forgotten:
                slot = self._forgotten.pop()
                if slot not in self._monitors:
                    self._live.forget(slot)
            until = time.monotonic() + DRAIN_BUDGET_S
            for slot in list(self._dirty):
                monitor = self._dirty.pop(slot, None)
                if monitor is not None:
                    self._drain_safely(monitor)
                if time.monotonic() > until:
                    break  # the rest stays marked, ahead of what is marked from now on
            return self._live.take()

    def _drain_safely(self, monitor: PvaMonitor) -> None:
        try:
            self._drain_one(monitor)
        except _ODD as exc:  # a structure that nobody foresaw must not keep the others from being drained
            # once: it may send many a second, for months
            log.log(logging.DEBUG if monitor.odd else logging.WARNING, "pva://%s cannot be read: %r", monitor.name, exc)
            monitor.odd = True

    def _drain_one(self, monitor: PvaMonitor) -> None:
        if monitor.subscription is None:  # being made this moment
            self._dirty.setdefault(monitor.slot, monitor)
            return
        latest, values = None, 0
        while (event := monitor.subscription.pop()) is not None:
            if isinstance(event, (Disconnected, Finished)):
                self._note_connection(monitor, connected=False)
            elif not isinstance(event, Exception):
                latest, values = event, values + 1
                monitor.known = monitor.known and not _meta_changed(event)
                self._note_connection(monitor, connected=True)
        self.coalesced += max(0, values - 1)
        if latest is not None and self._monitors.get(monitor.slot) is monitor:
            self._put(monitor, latest)
        if not monitor.connected:
            self._live.put_states(np.array([monitor.slot], np.int32), np.zeros(1, np.uint8))

    def _note_connection(self, monitor: PvaMonitor, *, connected: bool) -> None:
        if monitor.connected != connected:
            monitor.connected = connected
            monitor.since = time.monotonic()
            monitor.known = False

    def _put(self, monitor: PvaMonitor, event: Any) -> None:
        slots, rows, meta = np.array([monitor.slot], np.int32), empty_rows(1), empty_meta(1)
        rows["received_ns"] = time.time_ns()
        try:
            stored = fill_row(event, rows[0], long_string=monitor.name.endswith("$"))
            if not monitor.known or rows["type"][0] == ValueType.ENUM:
                fill_meta(event, meta[0], self._live.interned)
                self._live.put_meta(slots, meta)
                monitor.known = True
        except Unsupported:
            return
        if stored is not None:
            self._live.put_objects([monitor.slot], [stored])
        self._live.put_rows(slots, rows, np.full(1, CONNECTED if monitor.connected else 0, np.uint8))


def _end(monitor: PvaMonitor) -> None:
    if monitor.subscription is not None:
        monitor.subscription.close()


def _bound(note: Callable[[str, Any], None], name: str) -> Callable[[Any], None]:
    return lambda answer: note(name, answer)


def _fill(frame: Frame, row: int, answer: Any, *, long_string: bool) -> None:
    one = frame.rows[row : row + 1]
    try:
        stored = fill_row(answer, one[0], long_string=long_string)
        fill_meta(answer, frame.meta[row], frame.interned)
    except _ODD:  # one structure that nobody foresaw must not spoil the reading of the others
        one[:] = empty_rows(1)
        return
    if stored is not None:
        frame.objects[row] = stored
    one["flags"] |= CONNECTED | np.uint8(Flag.METADATA)
    one["received_ns"] = time.time_ns()


def _meta_changed(event: Any) -> bool:
    """Which of the fields there are is the server's choice, and asking for another is a KeyError."""
    return any(name in event and event.changed(name) for name in _META_FIELDS)
