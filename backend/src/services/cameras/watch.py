"""One camera, subscribed to once, however many look.

Who looks is woken for a new frame and takes the newest: who is slow misses frames, costs no memory and delays nobody.
The subscription ends a little after the last one has left.
"""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import logging
import math
from collections.abc import AsyncIterator, Callable
from concurrent.futures import Executor
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Protocol

from backend.src.core.clock import Clock
from backend.src.core.supervisor import Supervisor
from backend.src.infra.epics.image_monitor import ImageMonitor, Taken
from backend.src.infra.epics.nd_array import NDImage
from backend.src.services.cameras import pictures
from backend.src.services.cameras.errors import CameraAway, CameraSilent

log = logging.getLogger(__name__)

LINGER_S = 3.0  # who fetches still after still shall not connect anew each time
RATE_PART = 0.2  # of the newest interval in the smoothed one


class ImageSource(Protocol):
    """infra/epics, as far as cameras need it."""

    def image_monitor(self, name: str, notify: Callable[[], None], *, most_bytes: int) -> ImageMonitor:
        """Watches an image PV. Raises Unavailable."""


class CameraState(StrEnum):
    """idle: nobody looks, so nobody knows; silent: connected, without new frames.

    The frame that comes with the connection is none: PVAccess sends the last one, of whatever age.
    """

    IDLE = "idle"
    CONNECTING = "connecting"
    STREAMING = "streaming"
    SILENT = "silent"
    DISCONNECTED = "disconnected"


@dataclass(slots=True)
class Frame:
    """One frame as it came. number: counts the good frames of this subscription; received_s: monotonic."""

    image: NDImage
    number: int
    received_s: float
    previews: dict[int, pictures.Encoded] = field(default_factory=dict)  # by width
    encoding: asyncio.Lock = field(default_factory=asyncio.Lock)


class Watch:
    """The shared subscription of one camera."""

    def __init__(
        self,
        name: str,
        source: ImageSource,
        clock: Clock,
        supervisor: Supervisor,
        threads: Callable[[], Executor],
        *,
        most_bytes: int,
        silent_s: float,
    ) -> None:
        self.name = name
        self.latest: Frame | None = None
        self.frames = 0
        self.bad_frames = 0
        self.last_bad: str | None = None
        self.rate_hz = 0.0
        self._source = source
        self._clock = clock
        self._supervisor = supervisor
        self._threads = threads
        self._most_bytes = most_bytes
        self._silent_s = silent_s
        self._turns = itertools.count(1)
        self._only_bad: str | None = None  # why nothing that came since the last good frame was one
        self._looking = 0
        self._left_at = -math.inf
        self._subscribed = False
        self._connected: bool | None = None  # None: not known yet
        self._moving = False  # whether the newest frame came after the one that came with the connection
        self._wake = asyncio.Event()
        self._news = asyncio.Condition()
        self._task = ""

    @property
    def looking(self) -> int:
        """How many look at this moment."""
        return self._looking

    @property
    def state(self) -> CameraState:
        """As far as this process knows."""
        if not self._subscribed:
            return CameraState.IDLE
        if self._connected is None:
            return CameraState.CONNECTING
        if not self._connected:
            return CameraState.DISCONNECTED
        if self.latest is None or not self._moving:
            return CameraState.SILENT
        silent = self._clock.monotonic() - self.latest.received_s > self._silent_s
        return CameraState.SILENT if silent else CameraState.STREAMING

    @asynccontextmanager
    async def look(self, *, linger: bool = True) -> AsyncIterator[Look]:
        """Keeps the subscription open inside, and for a while after, or not: with it a frame is kept in memory."""
        self._looking += 1
        if not self._subscribed:
            self._begin()
        try:
            yield Look(self)
        finally:
            self._looking -= 1
            if linger:
                self._left_at = self._clock.monotonic()
            else:
                self._wake.set()

    async def stop(self) -> None:
        """Ends the subscription; whoever looks is told."""
        if self._subscribed:
            await self._supervisor.stop(self._task)

    def _begin(self) -> None:
        self._subscribed, self.frames, self._only_bad = True, 0, None
        self._task = f"camera {self.name} {next(self._turns)}"
        self._supervisor.start_task(self._task, self._follow)

    async def _follow(self) -> None:
        loop, monitor = asyncio.get_running_loop(), None

        def notify() -> None:
            with contextlib.suppress(RuntimeError):  # the loop has been closed meanwhile
                loop.call_soon_threadsafe(self._wake.set)

        try:
            monitor = self._source.image_monitor(self.name, notify, most_bytes=self._most_bytes)
            while self._wanted():
                with contextlib.suppress(TimeoutError):
                    async with asyncio.timeout(LINGER_S / 2):
                        await self._wake.wait()
                self._wake.clear()
                await self._note(await loop.run_in_executor(self._threads(), monitor.take))
        finally:
            self._subscribed, self._connected = False, None
            self._forget_frame()
            if monitor is not None:
                monitor.close()
            await self._tell()

    def _wanted(self) -> bool:
        return bool(self._looking) or self._clock.monotonic() - self._left_at < LINGER_S

    async def _note(self, taken: Taken) -> None:
        if taken.bad:
            self.bad_frames += len(taken.bad)
            if self.last_bad != taken.bad[-1]:  # once: it may send many a second, for months
                log.warning("camera %s: %s", self.name, taken.bad[-1])
            self.last_bad = self._only_bad = taken.bad[-1]
        if taken.connected is not None:
            self._connected = taken.connected
        if self._connected is False:
            self._forget_frame()  # it was the camera's picture while there was a camera
        if taken.image is not None:
            self._note_frame(taken.image, taken.frames)
        if taken.image is not None or taken.bad or taken.connected is not None:
            await self._tell()

    def _note_frame(self, image: NDImage, count: int) -> None:
        now = self._clock.monotonic()
        if self.latest is not None and self._moving and now > self.latest.received_s:
            rate_hz = count / (now - self.latest.received_s)
            self.rate_hz += (rate_hz - self.rate_hz) * (RATE_PART if self.rate_hz else 1.0)
        self.frames += count
        self._only_bad = None
        self._moving = self.latest is not None or count > 1
        self.latest = Frame(image, self.frames, now)

    def _forget_frame(self) -> None:
        self.latest, self._moving, self.rate_hz = None, False, 0.0

    async def _tell(self) -> None:
        async with self._news:
            self._news.notify_all()

    async def after(self, number: int, timeout_s: float) -> Frame:
        """The newest frame once it is not the one of that number. Raises CameraAway, CameraSilent."""
        try:
            async with asyncio.timeout(timeout_s), self._news:
                await self._news.wait_for(lambda: self._newer(number) or self._gone())
        except TimeoutError as exc:
            raise self.why_nothing(timeout_s) from exc
        if self.latest is None or not self._newer(number):
            raise CameraAway(self.name, "went away" if number else "is not there")
        return self.latest

    def _newer(self, number: int) -> bool:
        return self.latest is not None and self.latest.number > number

    def _gone(self) -> bool:
        """p4p says at once that a channel is not connected yet: that alone is no news."""
        return not self._subscribed or (self._connected is False and self.frames > 0)

    def why_nothing(self, seconds: float) -> CameraAway | CameraSilent:
        """What there is to say when nothing new came for so long."""
        if not self._connected:
            return CameraAway(self.name, f"does not answer within {seconds:g} s")
        if self._only_bad is not None:
            return CameraSilent(self.name, f"sends no picture: {self._only_bad}")
        return CameraSilent(self.name, f"sent no new frame for {seconds:g} s")


class Look:
    """One of those who look at a camera."""

    def __init__(self, watch: Watch) -> None:
        self._watch = watch
        self._seen = 0

    def why_nothing(self, seconds: float) -> CameraAway | CameraSilent:
        """What there is to say when nothing new came for so long."""
        return self._watch.why_nothing(seconds)

    async def next(self, timeout_s: float) -> Frame:
        """The newest frame, as soon as it is another than the last one. Raises CameraAway, CameraSilent."""
        frame = await self._watch.after(self._seen, timeout_s)
        self._seen = frame.number
        return frame
