"""Cameras that show what a test says."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable
from typing import Any

import numpy as np

from backend.src.core.errors import Unavailable
from backend.src.infra.epics.image_monitor import Taken
from backend.src.infra.epics.nd_array import ColourMode, NDImage

IN_TIME_S = 20.0  # to give up: nothing takes that long, on however busy a machine


class Monitor:
    """A subscription that gives what the test says."""

    def __init__(self, notify: Callable[[], None]) -> None:
        self.notify = notify
        self.closed = False
        self.next = Taken(None, 0, (), None)
        self.looks = 0
        self._lock = threading.Lock()  # taken in a thread, sent in another, as with p4p

    def take(self) -> Taken:
        with self._lock:
            self.looks += 1
            taken, self.next = self.next, Taken(None, 0, (), None)
        return taken

    def close(self) -> None:
        self.closed = True

    def send(self, taken: Taken) -> None:
        """Something comes."""
        with self._lock:
            self.next = taken
        self.notify()


class Source:
    """Remembers every subscription. `shows`: what a camera sends at once, by name."""

    def __init__(self) -> None:
        self.monitors: list[Monitor] = []
        self.refuses = False
        self.shows: dict[str, NDImage] = {}

    def image_monitor(self, name: str, notify: Callable[[], None], *, most_bytes: int) -> Any:
        if self.refuses:
            raise Unavailable("PVAccess does not run")
        monitor = Monitor(notify)
        self.monitors.append(monitor)
        if name in self.shows:
            monitor.send(Taken(self.shows[name], 1, (), True))
        return monitor


async def until(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(IN_TIME_S):
        while not condition():
            await asyncio.sleep(0.001)


def image(level: int) -> NDImage:
    return NDImage(np.full((2, 2), level, "u1"), ColourMode.MONO, time_ns=level)
