"""What goes over the wire about cameras."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Annotated, Any

from fastapi import Path, Query
from pydantic import ConfigDict, Field, StringConstraints

from backend.src.services.cameras import CameraReport, CameraState
from backend.src.services.snapshots import CameraEntry
from backend.src.services.snapshots.camera_folder import CameraFile
from backend.src.web.models import RequestModel, ResponseModel

NAME = r"^[^\x00\s/]+$"
LONGEST_NAME = 200
FASTEST_HZ = 60.0
MOST_CAMERAS = 100
NS = 1_000_000_000

CameraName = Annotated[
    str,
    Path(
        min_length=1,
        max_length=LONGEST_NAME,
        pattern=NAME,
        description="its PV, without pva://",
        examples=["PROF:LI21:1"],
    ),
]
CameraText = Annotated[
    str,
    StringConstraints(min_length=1, max_length=LONGEST_NAME + len("pva://"), pattern=r"^[^\x00\s]+$"),
    Field(examples=["PROF:LI21:1"]),
]
Cameras = Annotated[list[CameraText], Field(max_length=MOST_CAMERAS)] | bool
Rate = Annotated[
    float, Query(ge=0.1, le=FASTEST_HZ, allow_inf_nan=False, description="pictures a second, at most", examples=[5])
]
Width = Annotated[int, Query(ge=16, le=16_384, description="pixels; wider pictures are scaled down", examples=[640])]


class CameraAnswer(ResponseModel):
    """One camera as the answering process sees it. state idle: nobody looks at it here, so nobody knows.

    looking: live views, clips and stills under way; rateHz: frames a second; badFrames: those that were no picture,
    lastBad why. What describes a picture is of the newest one, null without one.
    """

    pv: str = Field(examples=["PROF:LI21:1"])
    state: CameraState
    looking: int = Field(examples=[1])
    frames: int = Field(examples=[512])
    bad_frames: int = Field(examples=[0])
    last_bad: str | None
    rate_hz: float = Field(examples=[9.98])
    width: int | None
    height: int | None
    colour_mode: str | None
    pixel_type: str | None
    timestamp: datetime | None
    age_seconds: float | None

    @classmethod
    def of(cls, report: CameraReport) -> CameraAnswer:
        """The wire's form."""
        return cls(
            pv=report.name,
            state=report.state,
            looking=report.looking,
            frames=report.frames,
            bad_frames=report.bad_frames,
            last_bad=report.last_bad,
            rate_hz=round(report.rate_hz, 2),
            width=report.width,
            height=report.height,
            colour_mode=report.colour_mode,
            pixel_type=report.pixel_type,
            timestamp=moment(report.time_ns or 0),
            age_seconds=report.age_s,
        )


class ClipMaker(ResponseModel):
    """What clips are made with in the answering process. trouble: why none can be made, null when all is well."""

    ffmpeg: str | None
    ffprobe: str | None
    encoder: str | None
    trouble: str | None
    remedy: str | None


class CamerasAnswer(ResponseModel):
    """The cameras of the configuration, in its order."""

    cameras: list[CameraAnswer]
    clips: ClipMaker


class NewClip(RequestModel):
    """A clip to make. rateHz: of its pictures, whatever the camera's own rate is."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"seconds": 10, "rateHz": 10}]})

    seconds: Annotated[float, Field(ge=0.1, le=3_600, allow_inf_nan=False)]
    rate_hz: Annotated[float, Field(ge=0.1, le=FASTEST_HZ, allow_inf_nan=False)] | None = None


class CameraFileAnswer(ResponseModel):
    """A file of a snapshot's camera."""

    media_type: str = Field(examples=["image/png"])
    size_bytes: int = Field(examples=[412160])
    sha256: str = Field(examples=["9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08"])


class SnapshotCamera(ResponseModel):
    """A camera of a snapshot. error: why there is no picture; then all else is null.

    timestamp: of the frame, null when the camera names none; timestampNs exact. ageSeconds: how old it was when it was
    taken. attributes: those of the detector, e.g. exposure and gain.
    """

    pv: str = Field(examples=["PROF:LI21:1"])
    error: str | None
    timestamp: datetime | None
    timestamp_ns: int | None
    age_seconds: float | None
    width: int | None
    height: int | None
    colour_mode: str | None
    pixel_type: str | None
    unique_id: int | None
    attributes: dict[str, Any] | None
    still: CameraFileAnswer | None
    preview: CameraFileAnswer | None

    @classmethod
    def of(cls, entry: CameraEntry) -> SnapshotCamera:
        """The wire's form."""
        return cls(
            pv=entry.camera,
            error=entry.error,
            timestamp=moment(entry.time_ns or 0),
            timestamp_ns=entry.time_ns or None,
            age_seconds=entry.age_s,
            width=entry.width,
            height=entry.height,
            colour_mode=entry.colour_mode,
            pixel_type=entry.pixel_type,
            unique_id=entry.unique_id,
            attributes=entry.attributes,
            still=_file(entry.still),
            preview=_file(entry.preview),
        )


def _file(file: CameraFile | None) -> CameraFileAnswer | None:
    if file is None:
        return None
    return CameraFileAnswer(media_type=file.media_type, size_bytes=file.size_bytes, sha256=file.sha256)


def moment(time_ns: int) -> datetime | None:
    """Of a frame's time, None for a camera that names none."""
    return datetime.fromtimestamp(time_ns / NS, UTC) if time_ns else None
