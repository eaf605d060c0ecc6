"""The thread that owns Larder's Channel Access context.

It issues every request and never waits for an answer: libca's receive threads put what happened into its
inbox or into NumPy buffers. The context is preemptive, that is, those threads run while ours is busy or
asleep: with the other kind a machine that sends faster than Python reads would keep `ca_pend_event` from
ever returning, and reads and writes would starve behind the monitors.
"""

from __future__ import annotations

import asyncio
import logging
import queue
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from typing import Any, Protocol

from backend.src.core.errors import StartFailed, Unavailable
from backend.src.infra.epics import dbr, libca
from backend.src.infra.epics.ca_channels import Channel, Channels
from backend.src.infra.epics.ca_search import ChannelSearch
from backend.src.infra.epics.inbox import Inbox
from backend.src.infra.epics.repeater import start_repeater

log = logging.getLogger(__name__)

BUSY_STEP_S = 0.001  # while answers are expected any moment
WAITING_STEP_S = 0.02  # while an operation runs but nothing has happened for LULL_S
LULL_S = 0.25
IDLE_STEP_S = 1.0
HOUSEKEEPING_S = 5.0


class Operation(Protocol):
    """Work that spans many turns of the loop."""

    def begin(self) -> None:
        """Issues its first requests."""

    def channels_connected(self, channels: Sequence[Channel]) -> None:
        """Goes on with channels that it may have been waiting for."""

    def advance(self, now: float) -> bool:
        """Looks at what arrived; True when it is over. Never waits."""

    def fail(self, error: Exception) -> None:
        """Reports an error instead of a result; it is over."""


class Follower(Protocol):
    """Wants to know of every connection made and lost; lives as long as the context."""

    def channels_connected(self, channels: Sequence[Channel]) -> None: ...

    def channels_disconnected(self, channels: Sequence[Channel]) -> None: ...

    def keep_house(self, now: float) -> None: ...


class ChannelAccess:
    """Runs calls and operations on the CA thread. `post`, `run` and `stop` may be called from any thread."""

    def __init__(self) -> None:
        self._inbox = Inbox()
        self._thread: threading.Thread | None = None
        self._stopping = False
        self._busy_until = 0.0
        self._operations: list[Operation] = []
        self._followers: list[Follower] = []
        self.channels = Channels(self._inbox.put, self._search)
        self._tokens: dict[int, Callable[..., None]] = {}
        self._next_token = 1
        self._on_reply = libca.EventHandler(self._queue_reply)
        self._on_done = libca.EventHandler(self._queue_done)

    @property
    def running(self) -> bool:
        """Whether the thread is alive and not told to stop."""
        return self._thread is not None and self._thread.is_alive() and not self._stopping

    def follow(self, follower: Follower) -> None:
        """To be called before start."""
        self._followers.append(follower)

    def start(self) -> None:
        """Opens the context on its own thread. Raises StartFailed."""
        ready: queue.SimpleQueue[int] = queue.SimpleQueue()
        start_repeater()
        self._thread = threading.Thread(target=self._run, args=(ready,), name="channel-access", daemon=True)
        self._thread.start()
        status = ready.get()
        if status != libca.ECA_NORMAL:
            raise StartFailed(f"Channel Access did not start: {libca.message(status)}")

    def stop(self, timeout_s: float) -> bool:
        """Gives up what runs and closes the context; False when it is not done in time (it goes on by itself)."""
        if self._thread is None:
            return True
        self._inbox.put((self._set_stopping,))
        self._thread.join(timeout_s)
        return not self._thread.is_alive()

    def _set_stopping(self) -> None:
        self._stopping = True

    def post(self, *call: Any) -> None:
        """Queues function(*arguments) for the CA thread."""
        self._inbox.put(call)

    async def run(self, make: Callable[[Callable[[Any], None]], Operation]) -> Any:
        """Makes an operation, which reports through the function it is given, and waits for its report.

        Raises what the operation failed with; Unavailable when Channel Access does not run.
        """
        if not self.running:
            raise Unavailable("Channel Access does not run")
        loop = asyncio.get_running_loop()
        future: asyncio.Future[Any] = loop.create_future()

        def report(result: Any) -> None:
            if not loop.is_closed():
                loop.call_soon_threadsafe(_resolve, future, result)

        self.post(self.begin, make(report))
        return await future

    def begin(self, operation: Operation) -> None:
        """Starts an operation; on the CA thread only."""
        self._operations.append(operation)
        self._busy_until = time.monotonic() + LULL_S
        self._step(operation, operation.begin)

    def _search(self, channels: Sequence[Channel]) -> None:
        self.begin(ChannelSearch(channels, self.channels.open))

    def _step(self, operation: Operation, step: Callable[..., bool | None], *arguments: Any) -> None:
        try:
            over = step(*arguments)
        except Exception as error:
            log.exception("%s failed", type(operation).__name__)
            operation.fail(error)
            over = True
        if over:
            self._operations.remove(operation)

    # tokens: what a reply belongs to; only the CA thread touches the table

    def expect(self, on_reply: Callable[..., None]) -> int:
        """A token for a request; its reply calls on_reply(token, status, count, data) or (token, status)."""
        token = self._next_token
        self._next_token += 1
        self._tokens[token] = on_reply
        return token

    def forget(self, tokens: Sequence[int]) -> None:
        """Replies to these are dropped from now on."""
        for token in tokens:
            self._tokens.pop(token, None)

    @property
    def on_reply(self) -> Any:
        """The handler for get callbacks of arrays."""
        return self._on_reply

    @property
    def on_done(self) -> Any:
        """The handler for put callbacks."""
        return self._on_done

    def _queue_reply(self, arguments: libca.EventArguments) -> None:
        data = b""
        if arguments.status == libca.ECA_NORMAL and arguments.dbr:
            size = dbr.time_size(arguments.type - dbr.TIME, arguments.count)
            data = libca.bytes_at(arguments.dbr, size)
        self._inbox.put((self._dispatch, arguments.usr, arguments.status, arguments.count, data))

    def _queue_done(self, arguments: libca.EventArguments) -> None:
        self._inbox.put((self._dispatch, arguments.usr, arguments.status))

    def _dispatch(self, token: int, *reply: Any) -> None:
        on_reply = self._tokens.pop(token, None)
        if on_reply is not None:
            on_reply(token, *reply)

    # the loop

    def _run(self, ready: queue.SimpleQueue[int]) -> None:
        status = libca.context_create(libca.PREEMPTIVE)
        if status == libca.ECA_NORMAL:
            install_handlers()
        ready.put(status)
        if status == libca.ECA_NORMAL:
            self._turn_until_stopped()
            libca.context_destroy()

    def _turn_until_stopped(self) -> None:
        next_housekeeping = time.monotonic() + HOUSEKEEPING_S
        while not self._stopping:
            try:
                self._turn()
                if time.monotonic() >= next_housekeeping:
                    next_housekeeping = time.monotonic() + HOUSEKEEPING_S
                    self._keep_house()
            except Exception:
                log.exception("a turn of the Channel Access thread failed")
        for operation in (*self._operations, *self._not_begun()):
            operation.fail(Unavailable("Channel Access is shutting down"))

    def _not_begun(self) -> Iterator[Operation]:
        while self._inbox:
            call = self._inbox.pop()
            if call[0] == self.begin:
                yield call[1]

    def _turn(self) -> None:
        self._empty_inbox()
        self._tell_of_connections()
        now = time.monotonic()
        for operation in tuple(self._operations):
            self._step(operation, operation.advance, now)
        libca.flush_io()

    def _empty_inbox(self) -> None:
        self._inbox.wait(self._step_s())
        waiting = len(self._inbox)
        if waiting:
            self._busy_until = time.monotonic() + LULL_S
        for _ in range(waiting):
            call = self._inbox.pop()
            call[0](*call[1:])

    def _step_s(self) -> float:
        if not self._operations:
            return IDLE_STEP_S
        return BUSY_STEP_S if time.monotonic() < self._busy_until else WAITING_STEP_S

    def _tell_of_connections(self) -> None:
        lost = self.channels.take_disconnected()
        made = self.channels.take_connected()
        for follower in self._followers:
            if lost:
                follower.channels_disconnected(lost)
            if made:
                follower.channels_connected(made)
        if made:
            for operation in tuple(self._operations):
                self._step(operation, operation.channels_connected, made)

    def _keep_house(self) -> None:
        now = time.monotonic()
        self.channels.close_idle(now)
        for follower in self._followers:
            follower.keep_house(now)


def _resolve(future: asyncio.Future[Any], result: Any) -> None:
    if future.done():
        return
    if isinstance(result, Exception):
        future.set_exception(result)
    else:
        future.set_result(result)


def _log_exception(arguments: libca.ExceptionArguments) -> None:
    context = (arguments.context or b"").decode(errors="replace")
    log.debug("Channel Access: %s (%s)", libca.message(arguments.status), context)


def _log_print(template: bytes, _arguments: int) -> int:
    log.debug("libca: %s", template.decode(errors="replace").strip())
    return 0


_on_exception = libca.ExceptionHandler(_log_exception)
_on_print = libca.PrintHandler(_log_print)


def install_handlers() -> None:
    """Sends what libca would print to the log, for the context of the calling thread."""
    libca.add_exception_event(_on_exception, None)
    libca.replace_printf_handler(_on_print)
