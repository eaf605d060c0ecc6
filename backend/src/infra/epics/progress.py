"""Progress of one write that runs over two protocols, and its abort."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import TypeVar

T = TypeVar("T")


class SharedProgress:
    """Adds up the counts of its parts; a part may be told from any thread."""

    def __init__(self, progress: Callable[[int], None] | None) -> None:
        self._progress = progress
        self._loop = asyncio.get_running_loop()
        self._parts: list[int] = []
        self._told = 0

    def part(self) -> Callable[[int], None]:
        """What one part calls with how many of its puts have ended."""
        number = len(self._parts)
        self._parts.append(0)

        def note(done: int) -> None:
            self._parts[number] = done
            if self._progress is not None and not self._loop.is_closed():
                self._loop.call_soon_threadsafe(self._tell)

        return note

    def _tell(self) -> None:
        done = sum(self._parts)
        if self._progress is not None and done != self._told:
            self._told = done
            self._progress(done)


async def until_abort(work: Awaitable[T], abort: asyncio.Event, stop: Callable[[], None]) -> T:
    """The result of `work`, which is told to stop when `abort` is set and then still gives one."""
    running = asyncio.ensure_future(work)
    watching = asyncio.ensure_future(abort.wait())
    try:
        await asyncio.wait((running, watching), return_when=asyncio.FIRST_COMPLETED)
        if not running.done():
            stop()
        return await running
    except asyncio.CancelledError:
        stop()
        raise
    finally:
        watching.cancel()
        running.cancel()
