"""A live view: JPEGs one after the other in one answer (multipart/x-mixed-replace), which browsers show as a film.

A client gets the newest picture whenever it can take one, and never more a second than it asked for: one that is slow
misses pictures. When the camera stops, the last part is a text that says so, and the answer ends.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass

from backend.src.core.clock import Clock
from backend.src.core.errors import LarderError
from backend.src.services.cameras import Cameras, CameraSilent, Frame, Look
from backend.src.web.access import RECHECK_S, Recheck

log = logging.getLogger(__name__)

BOUNDARY = "frame"
MEDIA_TYPE = f"multipart/x-mixed-replace; boundary={BOUNDARY}"
GLANCE_S = 0.25  # how soon the end of the server is noticed while no frame comes
NS = 1_000_000_000


@dataclass(frozen=True, slots=True)
class ViewLimits:
    """Of one view. stopping: whether the server is ending; recheck raises LarderError when trust has ended."""

    rate_hz: float
    width: int | None
    stopping: Callable[[], bool]
    recheck: Recheck


class MotionJpeg:
    """One client's view of one camera, from its first picture to the reason of its end."""

    def __init__(self, cameras: Cameras, name: str, clock: Clock, limits: ViewLimits) -> None:
        self._cameras = cameras
        self._name = name
        self._clock = clock
        self._limits = limits
        self._checked_s = clock.monotonic()

    async def parts(self) -> AsyncIterator[bytes]:
        """The answer's body."""
        try:
            async with self._cameras.look_live(self._name) as look:
                async for frame in self._paced(look):
                    picture = await self._cameras.preview(frame, self._limits.width)
                    yield _picture(picture.content, frame.image.time_ns)
            reason = "the server stops"
        except LarderError as error:
            reason = error.message
        log.info("live view of camera %s ended: %s", self._name, reason)
        yield _last(reason)

    async def _paced(self, look: Look) -> AsyncIterator[Frame]:
        """The newest frame, as often as the limits allow, until the server stops."""
        least_s = 1 / self._limits.rate_hz
        while True:
            began = self._clock.monotonic()
            frame = await self._next(look)
            if frame is None:
                return
            yield frame
            await asyncio.sleep(began + least_s - self._clock.monotonic())

    async def _next(self, look: Look) -> Frame | None:
        """None when the server stops. Raises LarderError when the camera stops, or the client's rights end."""
        began = self._clock.monotonic()
        while not self._limits.stopping():
            if self._clock.monotonic() - self._checked_s > RECHECK_S:
                await self._limits.recheck()
                self._checked_s = self._clock.monotonic()
            try:
                return await look.next(GLANCE_S)
            except CameraSilent:
                silent_s = self._cameras.settings.silent_s
                if self._clock.monotonic() - began > silent_s:
                    raise look.why_nothing(silent_s) from None
        return None


def _picture(content: bytes, time_ns: int) -> bytes:
    head = f"--{BOUNDARY}\r\nContent-Type: image/jpeg\r\nContent-Length: {len(content)}\r\n"
    stamp = f"X-Timestamp: {time_ns // NS}.{time_ns % NS:09d}\r\n"
    return b"".join((head.encode(), stamp.encode(), b"\r\n", content, b"\r\n"))


def _last(reason: str) -> bytes:
    text = reason.encode(errors="replace")
    head = f"--{BOUNDARY}\r\nContent-Type: text/plain; charset=utf-8\r\nContent-Length: {len(text)}\r\n\r\n"
    return b"".join((head.encode(), text, f"\r\n--{BOUNDARY}--\r\n".encode()))
