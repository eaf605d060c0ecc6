"""Clips: some seconds of a camera as an MP4 file, made as a job.

The rate is fixed: each picture of a clip is the newest frame of its moment, with that frame's own time burnt in. So a
clip of N seconds took N seconds, whatever the camera's rate, and its time stamps show when the camera paused.
"""

from __future__ import annotations

import asyncio
import tempfile
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Protocol

from backend.src.core.clock import Clock
from backend.src.core.errors import Invalid, LarderError, NotFound
from backend.src.infra.bucket import BucketObjectMissing, ObjectInfo
from backend.src.infra.fffamily import FFFamily
from backend.src.infra.fffamily.fffamily import device
from backend.src.services.cameras import pictures
from backend.src.services.cameras.cameras import Cameras
from backend.src.services.cameras.errors import CameraSilent
from backend.src.services.cameras.watch import Frame, Look
from backend.src.services.jobs import Job, JobContext, JobNotFound, Jobs, JobStatus

JOB_TYPE = "camera_clip"
PREFIX, SUFFIX = "clips/", ".mp4"
MP4 = "video/mp4"
ENCODING_S = 60.0  # beyond the clip's own length
NOTHING_NEW_S = 0.001  # how long the next picture may wait for a newer frame once its moment has come


class Bucket(Protocol):
    """infra/bucket, as far as clips need it."""

    async def put(self, key: str, data: bytes, content_type: str) -> None:
        """Stores an object, whole or not at all."""

    async def get(self, key: str) -> bytes:
        """Raises BucketObjectMissing."""

    async def delete(self, key: str) -> None:
        """Harmless when it is gone already."""

    async def keys(self, prefix: str) -> Sequence[ObjectInfo]:
        """Every object under a prefix."""


class ClipNotFound(NotFound):
    """No such clip, not yet, or no longer."""

    def __init__(self, clip_id: str) -> None:
        super().__init__(f"no clip {clip_id} of this camera", remedy="GET /v1/jobs/{id} tells how its making ended")


@dataclass(frozen=True, slots=True)
class ClipRequest:
    """A clip to be made."""

    camera: str
    seconds: float
    rate_hz: float

    @property
    def frames(self) -> int:
        """Pictures in it."""
        return max(1, round(self.seconds * self.rate_hz))


class Clips:
    """Records jobs that make clips, makes them where it is registered, and keeps them for some days."""

    def __init__(self, cameras: Cameras, fffamily: FFFamily, bucket: Bucket, jobs: Jobs, clock: Clock) -> None:
        self._cameras = cameras
        self._fffamily = fffamily
        self._bucket = bucket
        self._jobs = jobs
        self._clock = clock
        self._works = False

    def register(self) -> None:
        """This process makes clips. Call it before Jobs starts."""
        self._works = True
        self._jobs.register(JOB_TYPE, self.run_job)

    async def begin(self, camera: str, seconds: float, rate_hz: float | None, actor: str) -> Job:
        """A job that makes it. Raises CameraNotFound, Invalid, and Unavailable where ffmpeg is missing."""
        settings = self._cameras.settings
        self._cameras.check([camera])
        if seconds > settings.clip_longest_s:
            raise Invalid(f"a clip may have at most {settings.clip_longest_s:g} s (cameras.clip_longest_s)")
        if self._works:  # elsewhere another process makes it, with an ffmpeg of its own
            self._fffamily.encoder()
        data = {"camera": camera, "seconds": seconds, "rateHz": rate_hz or settings.clip_rate_hz}
        return await self._jobs.create(JOB_TYPE, data, actor=actor)

    async def run_job(self, context: JobContext) -> str:
        """The handler; returns the clip's id, which is the job's."""
        data = context.data
        content = await self.record(ClipRequest(data["camera"], data["seconds"], data["rateHz"]), context)
        await self._bucket.put(key_of(context.job_id), content, MP4)
        context.progress(100, f"{len(content)} bytes")
        return context.job_id

    async def record(self, request: ClipRequest, context: JobContext) -> bytes:
        """The file. Raises CameraAway, CameraSilent when the camera stops, JobAborted, Unavailable, ProgramFailed."""
        encoder = self._fffamily.encoder()
        async with self._cameras.look(request.camera) as look:
            await look.next(self._cameras.answer_s)  # it may be the one that came with the connection
            first = await look.next(self._cameras.settings.silent_s)
            size = pictures.shown_size(first.image, self._cameras.settings.widest_px)
            # a file without a name: whatever happens to this process and to ffmpeg, nothing is left of it
            with tempfile.TemporaryFile(prefix="larder-clip-") as file:
                arguments = _arguments(size, request.rate_hz, encoder, file.fileno())
                feed = self._pictures(look, first, request, size, context)
                limit_s = request.seconds + ENCODING_S
                found = await self._fffamily.encode(arguments, feed, timeout_s=limit_s, descriptor=file.fileno())
                if found != request.frames:
                    raise LarderError(f"the clip has {found} pictures instead of {request.frames}")
                file.seek(0)
                return await asyncio.to_thread(file.read)

    async def made(self, camera: str, clip_id: str) -> Job:
        """The job that made this clip, of this camera. Raises ClipNotFound."""
        try:
            job = await self._jobs.get(clip_id)
        except JobNotFound as exc:
            raise ClipNotFound(clip_id) from exc
        if job.type != JOB_TYPE or job.status is not JobStatus.COMPLETED or (job.data or {}).get("camera") != camera:
            raise ClipNotFound(clip_id)
        return job

    async def content(self, clip_id: str) -> bytes:
        """A clip. Raises ClipNotFound, Unavailable."""
        try:
            return await self._bucket.get(key_of(clip_id))
        except BucketObjectMissing as exc:
            raise ClipNotFound(clip_id) from exc

    async def discard(self, clip_id: str) -> None:
        """Removes the clip of a job that goes, if it made one. Raises Unavailable."""
        await self._bucket.delete(key_of(clip_id))

    async def clean_up(self) -> int:
        """Removes clips older than the settings keep them; returns how many.

        Only those of jobs that are known here: the bucket may hold another Larder's.
        """
        days = self._cameras.settings.clip_days
        if not days:
            return 0
        moment = self._clock.now() - timedelta(days=days)
        keys = [info.key for info in await self._bucket.keys(PREFIX) if info.modified < moment]
        old = [key for key in keys if await self._is_ours(key)]
        for key in old:
            await self._bucket.delete(key)
        return len(old)

    async def _is_ours(self, key: str) -> bool:
        clip_id = key.removeprefix(PREFIX).removesuffix(SUFFIX)
        try:
            return key == key_of(clip_id) and (await self._jobs.get(clip_id)).type == JOB_TYPE
        except JobNotFound:
            return False

    async def _pictures(
        self, look: Look, frame: Frame, request: ClipRequest, size: tuple[int, int], context: JobContext
    ) -> AsyncIterator[bytes]:
        silent_s, began = self._cameras.settings.silent_s, self._clock.monotonic()
        drawn: tuple[int, bytes] = (0, b"")
        for number in range(request.frames):
            await _sleep_until(began + number / request.rate_hz, self._clock)
            context.raise_if_aborted(f"aborted after {number / request.rate_hz:.1f} of {request.seconds:g} s")
            frame = await self._newest(look, frame, silent_s)
            if frame.number != drawn[0]:
                drawn = frame.number, await self._draw(frame, size)
            yield drawn[1]
            context.progress(99 * (number + 1) / request.frames, f"{number + 1} of {request.frames} pictures")

    async def _newest(self, look: Look, frame: Frame, silent_s: float) -> Frame:
        try:
            return await look.next(NOTHING_NEW_S)
        except CameraSilent:
            if self._clock.monotonic() - frame.received_s > silent_s:
                raise look.why_nothing(silent_s) from None
            return frame

    async def _draw(self, frame: Frame, size: tuple[int, int]) -> bytes:
        return await self._cameras.in_thread(lambda: pictures.video_frame(frame.image, size))


def key_of(clip_id: str) -> str:
    """Where a clip lies in the bucket."""
    return f"{PREFIX}{clip_id}{SUFFIX}"


async def _sleep_until(moment: float, clock: Clock) -> None:
    await asyncio.sleep(max(0.0, moment - clock.monotonic()))


def _arguments(size: tuple[int, int], rate_hz: float, encoder: str, descriptor: int) -> list[str]:
    width, height = size
    source = ["-f", "rawvideo", "-pix_fmt", "rgb24", "-s", f"{width}x{height}", "-framerate", f"{rate_hz:g}", "-i", "-"]
    fast = ["-preset", "veryfast", "-crf", "20"] if encoder == "libx264" else ["-q:v", "3"]
    return [*source, "-an", "-c:v", encoder, *fast, "-pix_fmt", "yuv420p", "-f", "mp4", "-y", device(descriptor)]
