"""Cameras: image PVs looked at together, in snapshots, as clips."""

from backend.src.services.cameras.cameras import CameraReport, Cameras, Shot
from backend.src.services.cameras.clips import ClipNotFound, Clips
from backend.src.services.cameras.errors import CameraAway, CameraNotFound, CameraSilent
from backend.src.services.cameras.watch import CameraState, Frame, Look, Watch

__all__ = [
    "CameraAway",
    "CameraNotFound",
    "CameraReport",
    "CameraSilent",
    "CameraState",
    "Cameras",
    "ClipNotFound",
    "Clips",
    "Frame",
    "Look",
    "Shot",
    "Watch",
]
