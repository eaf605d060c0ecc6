"""A live view: JPEGs one after the other in one answer (multipart/x-mixed-replace), which browsers show as a film.

A client gets the newest picture whenever it can take one, and never more a second than it asked for: one that is slow
misses pictures, one that takes none for too long is left. When the camera stops, the last part is a text that says so,
and the answer ends.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncGenerator, Callable
from contextlib import aclosing
from dataclasses import dataclass

from starlette.requests import ClientDisconnect
from starlette.responses import StreamingResponse
from starlette.types import Message, Send

from backend.src.core.clock import Clock
from backend.src.core.errors import LarderError
from backend.src.services.cameras import Cameras, CameraSilent, Frame, Look
from backend.src.web.access import RECHECK_S, Recheck

log = logging.getLogger(__name__)

BOUNDARY = "frame"
MEDIA_TYPE = f"multipart/x-mixed-replace; boundary={BOUNDARY}"
GLANCE_S = 0.25  # how soon the end of the server is noticed while no picture is due
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
        self.name = name
        self._cameras = cameras
        self._clock = clock
        self._limits = limits
        self._checked_s = self._due_s = clock.monotonic()

    async def parts(self) -> AsyncGenerator[bytes, None]:
        """The answer's body."""
        try:
            async with self._cameras.look_live(self.name) as look:
                while (part := await self._part(look)) is not None:
                    yield part
            reason = "the server stops"
        except LarderError as error:
            reason = error.message
        log.info("live view of camera %s ended: %s", self.name, reason)
        yield _last(reason)

    async def _part(self, look: Look) -> bytes | None:
        """The newest picture, None when the server stops. The bytes alone: a client may take its time for them."""
        frame = await self._next(look)
        if frame is None:
            return None
        picture = await self._cameras.preview(frame, self._limits.width)
        return _picture(picture.content, frame.image.time_ns)

    async def _next(self, look: Look) -> Frame | None:
        """The newest frame when it is time, None when the server stops. Raises LarderError when the camera stops."""
        due_s, silent_s = max(self._due_s, self._clock.monotonic()), self._cameras.settings.silent_s
        self._due_s = due_s + 1 / self._limits.rate_hz
        while await self._goes_on():
            if (rest_s := due_s - self._clock.monotonic()) > 0:
                await asyncio.sleep(min(rest_s, GLANCE_S))
                continue
            try:
                return await look.next(GLANCE_S)
            except CameraSilent:
                if self._clock.monotonic() - due_s > silent_s:
                    raise look.why_nothing(silent_s) from None
        return None

    async def _goes_on(self) -> bool:
        """False when the server stops. Raises LarderError when the client's rights end."""
        if self._clock.monotonic() - self._checked_s > RECHECK_S:
            await self._limits.recheck()
            self._checked_s = self._clock.monotonic()
        return not self._limits.stopping()


class LiveView(StreamingResponse):
    """The answer that a view is, to a client that takes each part within send_timeout_s."""

    def __init__(self, view: MotionJpeg, send_timeout_s: float) -> None:
        self._name = view.name
        self._parts = view.parts()
        self._send_timeout_s = send_timeout_s
        super().__init__(self._parts, media_type=MEDIA_TYPE)

    async def stream_response(self, send: Send) -> None:
        """Raises ClientDisconnect when the client does not read."""

        async def send_in_time(message: Message) -> None:
            try:
                async with asyncio.timeout(self._send_timeout_s):
                    await send(message)
            except TimeoutError as exc:
                log.info("live view of camera %s ended: its client does not read", self._name)
                raise ClientDisconnect from exc

        async with aclosing(self._parts):  # at once: its place is for others
            await super().stream_response(send_in_time)


def _picture(content: bytes, time_ns: int) -> bytes:
    head = f"--{BOUNDARY}\r\nContent-Type: image/jpeg\r\nContent-Length: {len(content)}\r\n"
    stamp = f"X-Timestamp: {time_ns // NS}.{time_ns % NS:09d}\r\n"
    return b"".join((head.encode(), stamp.encode(), b"\r\n", content, b"\r\n"))


def _last(reason: str) -> bytes:
    text = reason.encode(errors="replace")
    head = f"--{BOUNDARY}\r\nContent-Type: text/plain; charset=utf-8\r\nContent-Length: {len(text)}\r\n\r\n"
    return b"".join((head.encode(), text, f"\r\n--{BOUNDARY}--\r\n".encode()))
