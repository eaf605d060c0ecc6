"""Background loops: named, restarted with back-off when they crash, stopped together."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Coroutine
from contextvars import Context, copy_context

from backend.src.core.errors import Conflict, Unavailable

log = logging.getLogger(__name__)

FIRST_DELAY_S = 0.1
LONGEST_DELAY_S = 10.0


class Supervisor:
    """Owns every task that outlives a request; nothing else calls create_task."""

    def __init__(self) -> None:
        self._tasks: dict[str, asyncio.Task[None]] = {}
        self._crashes: dict[str, int] = {}

    def start_loop(self, name: str, run: Callable[[], Awaitable[None]]) -> None:
        """Runs `run` for ever: a crash is logged and followed by another start."""
        # a context of its own: a loop has nothing to do with the request that happened to begin it
        self._own(name, lambda: self._keep_running(name, run), Context())

    def start_task(self, name: str, work: Callable[[], Awaitable[None]]) -> None:
        """Runs `work` once; a crash is logged. The name is free again when it ends."""
        self._own(name, lambda: self._run_once(name, work), copy_context())

    def _own(self, name: str, begin: Callable[[], Coroutine[None, None, None]], context: Context) -> None:
        if name in self._tasks:
            raise Conflict(f"a background task named {name!r} is running")
        task = asyncio.create_task(begin(), name=name, context=context)
        self._tasks[name] = task
        task.add_done_callback(lambda ended: self._forget(name, ended))

    def _forget(self, name: str, ended: asyncio.Task[None]) -> None:
        if self._tasks.get(name) is ended:
            del self._tasks[name]

    async def _run_once(self, name: str, work: Callable[[], Awaitable[None]]) -> None:
        try:
            await work()
        except Exception as error:  # noqa: BLE001 - the background border
            self._note_crash(name, error)

    async def _keep_running(self, name: str, run: Callable[[], Awaitable[None]]) -> None:
        delay_s = FIRST_DELAY_S
        while True:
            started = asyncio.get_running_loop().time()
            try:
                await run()
                return
            except Exception as error:  # noqa: BLE001 - the background border
                self._note_crash(name, error)
            if asyncio.get_running_loop().time() - started > LONGEST_DELAY_S:
                delay_s = FIRST_DELAY_S
            await asyncio.sleep(delay_s)
            delay_s = min(delay_s * 2, LONGEST_DELAY_S)

    def _note_crash(self, name: str, error: Exception) -> None:
        self._crashes[name] = self._crashes.get(name, 0) + 1
        if isinstance(error, Unavailable):  # it names its cause; a night without a database needs no tracebacks
            log.error("background task %s failed: %s", name, error)
        else:
            log.exception("background task %s failed", name)

    def running(self) -> tuple[str, ...]:
        """The names of the tasks alive, sorted."""
        return tuple(sorted(self._tasks))

    def crashes(self) -> dict[str, int]:
        """How often each task failed since the start."""
        return dict(self._crashes)

    async def stop(self, *names: str) -> None:
        """Cancels the named tasks, or all, and waits for their end."""
        tasks = {name: self._tasks[name] for name in (names or tuple(self._tasks)) if name in self._tasks}
        for task in tasks.values():
            task.cancel()
        await asyncio.gather(*tasks.values(), return_exceptions=True)
        for name, task in tasks.items():  # of one that has just ended, gather does not wait for the callback
            self._forget(name, task)
