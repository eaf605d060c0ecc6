"""Image PVs, and ffmpeg that makes clips of them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from backend.src.config.settings import Settings
from backend.src.core.clock import SystemClock
from backend.src.core.runtime_control import RuntimeControl
from backend.src.core.runtime_manager import RuntimeManager
from backend.src.core.supervisor import Supervisor
from backend.src.infra.bucket import Bucket
from backend.src.infra.epics import Epics
from backend.src.infra.fffamily import FFFamily
from backend.src.services.cameras import Cameras, Clips
from backend.src.services.jobs import Jobs
from backend.src.services.snapshots import Snapshots
from backend.src.web.endpoints.cameras import CamerasEndpoint
from backend.src.web.endpoints.snapshot_cameras import SnapshotCamerasEndpoint

get = RuntimeManager.get


def register_cameras(settings: Settings, clock: SystemClock) -> None:
    """Cameras, clips, ffmpeg."""
    register, cameras = RuntimeManager.register, settings.cameras
    register(FFFamily, cameras)
    answer_s = settings.epics.read_timeout_s
    register(Cameras, factory=lambda: Cameras(cameras, get(Epics), clock, get(Supervisor), answer_s))
    register(Clips, factory=lambda: Clips(get(Cameras), get(FFFamily), get(Bucket), get(Jobs), clock))


def camera_endpoints(settings: Settings, control: RuntimeControl) -> tuple[Callable[[], Any], ...]:
    """How their routes are made."""
    send_timeout_s = settings.streaming.send_timeout_s
    return (
        lambda: CamerasEndpoint(get(Cameras), get(Clips), get(FFFamily), SystemClock(), control, send_timeout_s),
        lambda: SnapshotCamerasEndpoint(get(Snapshots)),
    )
