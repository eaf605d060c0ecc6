"""/v1/cameras: image PVs, their stills, live views and clips."""

from __future__ import annotations

from email.utils import formatdate
from typing import Annotated, Literal

from fastapi import Query
from starlette.requests import Request
from starlette.responses import Response

from backend.src.core.clock import Clock
from backend.src.core.errors import TimedOut, TooMany, Unavailable
from backend.src.core.runtime_control import RuntimeControl
from backend.src.infra.fffamily import FFFamily, Tool
from backend.src.services.accounts import Principal
from backend.src.services.cameras import Cameras, Clips, Frame
from backend.src.services.cameras.clips import MP4
from backend.src.services.cameras.pictures import JPEG, PNG, TIFF, Encoded
from backend.src.web.access import Access, CurrentPrincipal, recheck
from backend.src.web.audit_trail import note_outcome
from backend.src.web.boilerplates import Boilerplates
from backend.src.web.byte_ranges import part_of
from backend.src.web.camera_models import CameraAnswer, CameraName, CamerasAnswer, ClipMaker, NewClip, Rate, Width
from backend.src.web.conditional import Validators
from backend.src.web.door import HEAD_KEY
from backend.src.web.inputs import OpaqueId
from backend.src.web.motion_jpeg import MEDIA_TYPE, LiveView, MotionJpeg, ViewLimits
from backend.src.web.routes import Route
from backend.src.web.snapshot_models import JobStarted

TAGS = ("Cameras",)
BASE = "/v1/cameras"
BINARY = {"type": "string", "format": "binary"}

Form = Annotated[
    Literal["lossless", "jpeg"], Query(description="lossless: PNG or TIFF with every bit; jpeg: to look at")
]
Look = Annotated[bool, Query(description="look at each camera for a moment first, so that no state is idle")]


class CamerasEndpoint:
    """Looks at cameras; what a snapshot has of them is in snapshot_cameras.py."""

    def __init__(
        self,
        cameras: Cameras,
        clips: Clips,
        fffamily: FFFamily,
        clock: Clock,
        control: RuntimeControl,
        send_timeout_s: float,
    ) -> None:
        """send_timeout_s: how long a client of a live view may take for one picture."""
        self._cameras = cameras
        self._clips = clips
        self._fffamily = fffamily
        self._clock = clock
        self._control = control
        self._send_timeout_s = send_timeout_s

    def routes(self) -> tuple[Route, ...]:
        """Its routes, as data."""
        read, write, one = Access.READ, Access.WRITE, f"{BASE}/{{pv}}"
        away = (Unavailable, TimedOut)
        pictures = {PNG: BINARY, TIFF: BINARY, JPEG: BINARY}
        return (
            Route("GET", BASE, self.list_cameras, access=read, summary="List cameras and how they are", tags=TAGS),
            Route("GET", f"{one}/still", self.still, access=read, summary="A camera's newest frame", tags=TAGS,
                  content=pictures, errors=away),
            Route("GET", f"{one}/live", self.live, access=read, summary="A camera's live view (MJPEG)", tags=TAGS,
                  content={"multipart/x-mixed-replace": BINARY}, errors=(*away, TooMany)),
            Route("POST", f"{one}/clip", self.make_clip, access=write, summary="Make a clip (MP4) as a job", tags=TAGS,
                  errors=away),
            Route("GET", f"{one}/clips/{{id}}", self.clip, access=read, summary="A clip", tags=TAGS,
                  content={MP4: BINARY}, errors=away, conditional=True, by_parts=True),
        )  # fmt: skip

    async def list_cameras(self, look: Look = False) -> CamerasAnswer:
        """A camera at which nobody looks is idle: nothing is subscribed to for nobody."""
        reports = await self._cameras.glance() if look else self._cameras.reports()
        cameras = [CameraAnswer.of(report) for report in reports]
        return CamerasAnswer(cameras=cameras, clips=_clip_maker(self._fffamily))

    async def still(self, pv: CameraName, form: Form = "lossless", width: Width | None = None) -> Response:
        """The frame's own time is in X-Timestamp (seconds since 1970) and Last-Modified. width: of a jpeg."""
        frame = await self._cameras.frame(pv)
        picture = await (self._cameras.still(frame) if form == "lossless" else self._cameras.preview(frame, width))
        return _picture(picture, frame)

    async def live(
        self, request: Request, pv: CameraName, rate: Rate | None = None, width: Width | None = None
    ) -> Response:
        """JPEGs as they come. A slow client misses pictures; the last part says why a view ended."""
        await self._cameras.frame(pv)  # a camera that shows nothing is a problem document, not an empty film
        self._cameras.refuse_more_live()
        most_hz = self._cameras.settings.live_rate_hz
        limits = ViewLimits(
            rate_hz=min(rate or most_hz, most_hz),
            width=width,
            stopping=lambda: self._control.stopping,
            recheck=lambda: recheck(request),
        )
        if request.scope.get(HEAD_KEY):  # its content never ends, and nobody would take it
            return Boilerplates.stream((), MEDIA_TYPE)
        return LiveView(MotionJpeg(self._cameras, pv, self._clock, limits), self._send_timeout_s)

    async def make_clip(self, pv: CameraName, body: NewClip, principal: Principal = CurrentPrincipal) -> JobStarted:
        """The job's resultId names the clip; every picture has its frame's time burnt in."""
        job = await self._clips.begin(pv, body.seconds, body.rate_hz, principal.name)
        note_outcome(job=job.id)
        return JobStarted(job_id=job.id, message=f"recording {body.seconds:g} s of {pv}")

    async def clip(self, request: Request, pv: CameraName, id: OpaqueId) -> Response:
        """An MP4 file; a part may be asked for with Range."""
        job = await self._clips.made(pv, id)
        state = Validators.strong(id, job.completed_at)
        if (unchanged := state.unchanged(request)) is not None:
            return unchanged
        part = part_of(await self._clips.content(id), request.headers, state)
        return Boilerplates.download(
            part.content, f"{pv}-{id}.mp4", MP4, status=part.status, headers=state.headers() | part.headers
        )


def _picture(picture: Encoded, frame: Frame) -> Response:
    time_ns = frame.image.time_ns
    headers = {"X-Colour-Mode": frame.image.mode.label, "Cache-Control": "no-store"}
    if time_ns:
        headers["X-Timestamp"] = f"{time_ns // 10**9}.{time_ns % 10**9:09d}"
        headers["Last-Modified"] = formatdate(time_ns / 10**9, usegmt=True)
    return Boilerplates.image(picture.content, picture.media_type, headers=headers)


def _clip_maker(fffamily: FFFamily) -> ClipMaker:
    trouble = fffamily.trouble
    return ClipMaker(
        ffmpeg=_named(fffamily.ffmpeg),
        ffprobe=_named(fffamily.ffprobe),
        encoder=None if trouble or fffamily.ffmpeg is None else fffamily.encoder(),
        trouble=trouble.message if trouble else None,
        remedy=trouble.remedy if trouble else None,
    )


def _named(tool: Tool | None) -> str | None:
    return f"{tool.version} ({tool.origin})" if tool else None
