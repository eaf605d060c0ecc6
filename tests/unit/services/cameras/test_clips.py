"""Clips: of a camera that moves, kept for some days, and nobody else's removed."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import pytest

from backend.src.config.settings import CameraSettings
from backend.src.core.supervisor import Supervisor
from backend.src.services.cameras import Cameras, CameraSilent, Clips
from backend.src.services.cameras.clips import ClipRequest
from tests.manual_clock import ManualClock
from tests.unit.services.cameras.stand import IN_TIME_S, Source, image

NOBODY: Any = None


class Family:
    """An ffmpeg that must not be needed."""

    def encoder(self) -> str:
        return "libx264"


@pytest.fixture
async def cameras() -> AsyncIterator[Cameras]:
    source, supervisor = Source(), Supervisor()
    source.shows["CAM"] = image(7)
    settings = CameraSettings(pvs="CAM", silent_s=0.05)
    made = Cameras(settings, source, ManualClock(), supervisor, answer_s=IN_TIME_S)
    await made.start()
    yield made
    await made.stop()


async def test_a_camera_that_stopped_yesterday_makes_no_clip(cameras: Cameras) -> None:
    """Who connects is sent the last frame."""
    family: Any = Family()
    clips = Clips(cameras, family, NOBODY, NOBODY, ManualClock())
    with pytest.raises(CameraSilent, match=r"no new frame for 0\.05 s"):
        await clips.record(ClipRequest("CAM", 1.0, 10.0), NOBODY)
