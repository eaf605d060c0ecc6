"""The list of [cameras], taken apart."""

from __future__ import annotations

import re

from backend.src.config.errors import ConfigurationError
from backend.src.config.settings import CameraSettings

PREFIX = "pva://"
MOST_CAMERAS = 100
FASTEST_HZ = 60.0
LONGEST_NAME = 200  # with room for what is put before and behind it in addresses and keys
_name = re.compile(r"[^\s/\x00-\x1f\x7f-\x9f\ud800-\udfff]+")


def camera_names(cameras: CameraSettings) -> tuple[str, ...]:
    """The PVs that are cameras, without protocol, each once, in the order given."""
    names = [text.strip().removeprefix(PREFIX) for text in cameras.pvs.split(",") if text.strip()]
    for name in names:
        # no slash: a camera's name is one part of its address over HTTP
        if not _name.fullmatch(name) or len(name) > LONGEST_NAME:
            raise ConfigurationError(
                f"cameras.pvs (CAMERA_PVS) holds {name[:60]!r}, which can be no camera",
                remedy="give names of PVs over PVAccess, without ca://, spaces and slashes",
            )
    if len(names) > MOST_CAMERAS:
        raise ConfigurationError(
            f"cameras.pvs (CAMERA_PVS) names {len(names)} cameras", remedy=f"name at most {MOST_CAMERAS}"
        )
    return tuple(dict.fromkeys(names))


def check_cameras(cameras: CameraSettings) -> None:
    """Raises ConfigurationError for a name that can be no camera, and for a rate that nobody can watch."""
    camera_names(cameras)
    for option in ("live_rate_hz", "clip_rate_hz"):
        if getattr(cameras, option) > FASTEST_HZ:
            raise ConfigurationError(
                f"cameras.{option} = {getattr(cameras, option):g} is out of range",
                remedy=f"give at most {FASTEST_HZ:g}",
            )
