"""The one event that ends the process, and the signals that set it."""

from __future__ import annotations

import asyncio
import logging
import signal
from collections.abc import Iterator
from contextlib import contextmanager, suppress

log = logging.getLogger(__name__)

SIGNALS = (signal.SIGINT, signal.SIGTERM)


class RuntimeControl:
    """Whoever wants the process to end calls `stop`; whoever serves waits for it."""

    def __init__(self) -> None:
        self._stopping = asyncio.Event()
        self._hurry = asyncio.Event()
        self._reason = ""

    def stop(self, reason: str) -> None:
        """Asks for the end; only the first reason is kept. Asked again, it comes at once."""
        if self._stopping.is_set():
            self._hurry.set()
            return
        self._reason = reason
        log.info("stopping: %s", reason)
        self._stopping.set()

    @property
    def stopping(self) -> bool:
        """Whether the end was asked for."""
        return self._stopping.is_set()

    @property
    def reason(self) -> str:
        """Why, "" before."""
        return self._reason

    async def wait(self) -> None:
        """Returns once the end was asked for."""
        await self._stopping.wait()

    async def drained(self, drain_s: float) -> None:
        """Returns drain_s after the end was asked for: until then who balances may learn to ask others."""
        await self._stopping.wait()
        with suppress(TimeoutError):
            async with asyncio.timeout(drain_s):
                await self._hurry.wait()

    @contextmanager
    def signals(self) -> Iterator[None]:
        """SIGINT and SIGTERM ask for the end while this is open; the running loop handles them."""
        loop = asyncio.get_running_loop()
        for number in SIGNALS:
            loop.add_signal_handler(number, self.stop, f"received {number.name}")
        try:
            yield
        finally:
            for number in SIGNALS:
                loop.remove_signal_handler(number)
