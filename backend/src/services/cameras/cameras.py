"""Cameras: which there are, how they are, and what they show."""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import AsyncIterator, Callable, Sequence
from concurrent.futures import Executor, ThreadPoolExecutor
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass, replace
from typing import TypeVar

from backend.src.config.cameras import camera_names
from backend.src.config.settings import CameraSettings
from backend.src.core.clock import Clock
from backend.src.core.errors import LarderError, TooMany, Unavailable
from backend.src.core.supervisor import Supervisor
from backend.src.infra.epics.nd_array import NDImage
from backend.src.services.cameras import pictures
from backend.src.services.cameras.errors import CameraNotFound
from backend.src.services.cameras.pictures import Encoded
from backend.src.services.cameras.watch import CameraState, Frame, ImageSource, Look, Watch

log = logging.getLogger(__name__)

T = TypeVar("T")

NS = 1_000_000_000
AT_ONCE = 8  # cameras that snapshots look at, and as many that lists do: each may hold a frame of cameras.frame_bytes


@dataclass(frozen=True, slots=True)
class CameraReport:
    """One camera as this process sees it; width and what follows are of the newest frame, None without one.

    time_ns: 0 when the frame names none.
    """

    name: str
    state: CameraState
    looking: int
    frames: int
    bad_frames: int
    last_bad: str | None
    rate_hz: float
    width: int | None = None
    height: int | None = None
    colour_mode: str | None = None
    pixel_type: str | None = None
    time_ns: int | None = None
    age_s: float | None = None


@dataclass(frozen=True, slots=True)
class Shot:
    """What a camera contributes to a snapshot: its frame with two files, or the error."""

    name: str
    error: str | None = None
    image: NDImage | None = None
    still: Encoded | None = None
    preview: Encoded | None = None
    age_s: float | None = None


class Cameras:
    """The cameras of the configuration. Nothing is subscribed to before somebody looks."""

    def __init__(
        self, settings: CameraSettings, source: ImageSource, clock: Clock, supervisor: Supervisor, answer_s: float
    ) -> None:
        """answer_s: how long a camera may take to show its first frame."""
        self.settings = settings
        self.answer_s = answer_s
        self._clock = clock
        self._threads: ThreadPoolExecutor | None = None
        self._live = 0
        self._shots = asyncio.Semaphore(AT_ONCE)
        self._glances = asyncio.Semaphore(AT_ONCE)  # of their own: a shot is held until it is uploaded
        self._watches = {
            name: Watch(name, source, clock, supervisor, self._executor, most_bytes=settings.frame_bytes,
                        silent_s=settings.silent_s)
            for name in camera_names(settings)
        }  # fmt: skip

    async def start(self) -> None:
        """Connects to nothing yet."""
        self._threads = ThreadPoolExecutor(self.settings.threads, "camera")

    async def stop(self) -> None:
        """Ends every subscription; whoever looks is told."""
        for watch in self._watches.values():
            await watch.stop()
        threads, self._threads = self._threads, None
        if threads is not None:
            await asyncio.to_thread(threads.shutdown, cancel_futures=True)

    async def ping(self) -> None:
        """A camera that is away is told of where cameras are listed."""

    @property
    def names(self) -> tuple[str, ...]:
        """All cameras."""
        return tuple(self._watches)

    def check(self, names: Sequence[str]) -> None:
        """Raises CameraNotFound for the first that is none."""
        for name in names:
            self._watch(name)

    def reports(self) -> list[CameraReport]:
        """How each camera is."""
        return [self._report(watch) for watch in self._watches.values()]

    async def glance(self) -> list[CameraReport]:
        """The same after a look at each; a few at once."""
        return await asyncio.gather(*(self._glance(watch) for watch in self._watches.values()))

    def look(self, name: str) -> AbstractAsyncContextManager[Look]:
        """Looks at a camera for as long as the block lasts. Raises CameraNotFound."""
        return self._watch(name).look()

    @asynccontextmanager
    async def look_live(self, name: str) -> AsyncIterator[Look]:
        """The same, counted among the live views. Raises CameraNotFound, TooMany."""
        self.refuse_more_live()
        self._live += 1
        try:
            async with self.look(name) as look:
                yield look
        finally:
            self._live -= 1

    def refuse_more_live(self) -> None:
        """Raises TooMany when as many live views are open as may be."""
        if self._live >= self.settings.live_clients:
            raise TooMany(f"{self._live} live views are open, as many as may be", remedy="close others first")

    async def frame(self, name: str) -> Frame:
        """The newest frame. Raises CameraNotFound, CameraAway, CameraSilent."""
        async with self.look(name) as look:
            return await look.next(self.answer_s)

    async def still(self, frame: Frame) -> Encoded:
        """The frame without loss."""
        return await self.in_thread(lambda: pictures.still(frame.image))

    async def preview(self, frame: Frame, width: int | None = None) -> Encoded:
        """The frame as a JPEG, made once for all who want it of this width."""
        widest = min(width or self.settings.widest_px, self.settings.widest_px)
        async with frame.encoding:
            made = frame.previews.get(widest)
            if made is None:
                made = frame.previews[widest] = await self.in_thread(lambda: pictures.preview(frame.image, widest))
            return made

    @asynccontextmanager
    async def shot(self, name: str) -> AsyncIterator[Shot]:
        """A frame, or why there is none. A few at once: the next waits until this block ends. Raises CameraNotFound."""
        async with self._shots:
            yield await self._shoot(self._watch(name))

    async def in_thread(self, work: Callable[[], T]) -> T:
        """Runs what takes time, a few at once."""
        return await asyncio.get_running_loop().run_in_executor(self._executor(), work)

    async def _glance(self, watch: Watch) -> CameraReport:
        async with self._glances:
            async with watch.look(linger=False) as look:
                with contextlib.suppress(LarderError):  # the report tells
                    await look.next(self.answer_s)
                    await look.next(self.settings.silent_s)  # the first is no sign of life
            return self._report(watch)  # at once: its subscription ends

    async def _shoot(self, watch: Watch) -> Shot:
        try:
            async with watch.look(linger=False) as look:
                frame = await look.next(self.answer_s)
            still, preview = await self.still(frame), await self.preview(frame)
        except LarderError as error:
            return Shot(watch.name, error.message)
        except (OSError, ValueError, TypeError) as error:  # a frame that its makers did not think of
            log.warning("camera %s: its frame makes no picture", watch.name, exc_info=error)
            return Shot(watch.name, f"the frame makes no picture: {error}")
        return Shot(watch.name, None, frame.image, still, preview, self._age_s(frame.image.time_ns))

    def _executor(self) -> Executor:
        if self._threads is None:
            raise Unavailable("the cameras are not started")
        return self._threads

    def _watch(self, name: str) -> Watch:
        try:
            return self._watches[name]
        except KeyError as exc:
            raise CameraNotFound(name) from exc

    def _report(self, watch: Watch) -> CameraReport:
        report = CameraReport(
            name=watch.name,
            state=watch.state,
            looking=watch.looking,
            frames=watch.frames,
            bad_frames=watch.bad_frames,
            last_bad=watch.last_bad,
            rate_hz=watch.rate_hz if watch.state is CameraState.STREAMING else 0.0,
        )
        if watch.latest is None:
            return report
        image = watch.latest.image
        return replace(
            report,
            width=image.width,
            height=image.height,
            colour_mode=image.mode.label,
            pixel_type=image.pixels.dtype.name,
            time_ns=image.time_ns,
            age_s=self._age_s(image.time_ns),
        )

    def _age_s(self, time_ns: int) -> float | None:
        return (self._clock.time_ns() - time_ns) / NS if time_ns else None
