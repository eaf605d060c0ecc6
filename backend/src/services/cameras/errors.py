"""What can go wrong with a camera."""

from __future__ import annotations

from backend.src.core.errors import NotFound, TimedOut, Unavailable

REMEDY = "see whether the camera acquires and its PVAccess plugin is enabled"


class CameraNotFound(NotFound):
    """The name is none of the cameras of the configuration."""

    def __init__(self, name: str) -> None:
        super().__init__(f"no camera {name!r}", remedy="name it in cameras.pvs (CAMERA_PVS) of the configuration")


class CameraAway(Unavailable):
    """The camera's server is not there, or went away."""

    def __init__(self, name: str, why: str) -> None:
        super().__init__(f"camera {name} {why}", remedy=REMEDY)


class CameraSilent(TimedOut):
    """The camera is connected and sends nothing that is a picture."""

    def __init__(self, name: str, why: str) -> None:
        super().__init__(f"camera {name} {why}", remedy=REMEDY)
