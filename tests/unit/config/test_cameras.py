"""Which names may be cameras."""

from __future__ import annotations

import pytest

from backend.src.config.cameras import camera_names, check_cameras
from backend.src.config.errors import ConfigurationError
from backend.src.config.settings import CameraSettings


def test_names_are_taken_apart_once_each_without_protocol() -> None:
    assert camera_names(CameraSettings(pvs=" A:IMAGE, pva://B:IMAGE ,,A:IMAGE")) == ("A:IMAGE", "B:IMAGE")
    assert camera_names(CameraSettings()) == ()


@pytest.mark.parametrize("pvs", ["ca://A", "A/B", "A B", "x" * 201, "A\x00", ",".join(f"A{n}" for n in range(101))])
def test_what_can_be_no_camera_stops_the_start_with_the_remedy(pvs: str) -> None:
    with pytest.raises(ConfigurationError, match="CAMERA_PVS") as refusal:
        check_cameras(CameraSettings(pvs=pvs))
    assert refusal.value.remedy


def test_a_rate_that_nobody_can_watch_is_refused() -> None:
    with pytest.raises(ConfigurationError, match="live_rate_hz"):
        check_cameras(CameraSettings(live_rate_hz=61))
