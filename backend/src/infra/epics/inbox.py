"""What other threads have for the Channel Access thread to do.

Not a queue.SimpleQueue: before Python 3.13 its `get(timeout=...)` waits for ever when the time is over before it has
begun to wait. On a busy machine that happens, and a read or a restore whose last answer does not come never ended.
"""

from __future__ import annotations

import threading
from collections import deque
from contextlib import suppress
from typing import Any

Call = tuple[Any, ...]  # (function, *arguments)


class Inbox:
    """Calls in the order in which they came. `put` is for any thread and never waits; all else for the one that does
    them."""

    def __init__(self) -> None:
        self._calls: deque[Call] = deque()
        self._news = threading.Lock()  # free while there may be some
        self._news.acquire()

    def __len__(self) -> int:
        return len(self._calls)

    def put(self, call: Call) -> None:
        """Leaves a call, and wakes who waits."""
        self._calls.append(call)
        if self._news.locked():
            with suppress(RuntimeError):  # another thread has told of its own in between
                self._news.release()

    def wait(self, timeout_s: float) -> None:
        """Until a call is there, or the time is over. May come back without one before."""
        if not self._calls:
            self._news.acquire(timeout=timeout_s)

    def pop(self) -> Call:
        """The oldest. Raises IndexError when there is none."""
        return self._calls.popleft()
