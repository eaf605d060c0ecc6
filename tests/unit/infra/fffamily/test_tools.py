"""Finding ffmpeg, and reading what it says of itself."""

from __future__ import annotations

from pathlib import Path

import pytest

from backend.src.core.errors import LarderError, Unavailable
from backend.src.infra.fffamily import tools
from backend.src.infra.fffamily.fffamily import _from_ffprobe, _from_progress
from backend.src.infra.fffamily.tools import Origin, find_ffmpeg, find_ffprobe, read_encoders, read_version

ENCODERS = """Encoders:
 V..... = Video
 ------
 V....D libx264              libx264 H.264 / AVC
 VFS..D mjpeg                MJPEG (Motion JPEG)
 A....D aac                  AAC (Advanced Audio Coding)
"""


def program(path: Path) -> Path:
    path.write_text("#!/bin/sh\n")
    path.chmod(0o755)
    return path


@pytest.fixture
def nowhere(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """No ffmpeg in PATH and no package."""
    monkeypatch.setenv("PATH", str(tmp_path / "bin"))
    monkeypatch.setattr(tools, "PACKAGE", "no_such_package_of_ffmpeg")
    (tmp_path / "bin").mkdir()
    return tmp_path


def test_the_configured_one_is_taken_before_the_systems(nowhere: Path) -> None:
    systems, configured = program(nowhere / "bin" / "ffmpeg"), program(nowhere / "mine")
    assert find_ffmpeg(str(configured)) == (configured, Origin.CONFIGURED)
    assert find_ffmpeg("") == (systems, Origin.SYSTEM)


def test_the_package_is_taken_when_the_system_has_none(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    path, origin = find_ffmpeg("")
    assert origin is Origin.PACKAGE and path.name.startswith("ffmpeg-")


def test_without_any_the_remedy_is_named(nowhere: Path) -> None:
    with pytest.raises(Unavailable, match="not installed") as refusal:
        find_ffmpeg("")
    assert "FFMPEG_PATH" in (refusal.value.remedy or "")


def test_a_configured_one_that_is_none_is_not_replaced_in_silence(nowhere: Path) -> None:
    program(nowhere / "bin" / "ffmpeg")
    (nowhere / "text").write_text("no program")
    with pytest.raises(Unavailable, match="FFMPEG_PATH"):
        find_ffmpeg(str(nowhere / "text"))


def test_ffprobe_beside_ffmpeg_comes_first_and_none_is_fine(nowhere: Path) -> None:
    ffmpeg = program(nowhere / "ffmpeg")
    assert find_ffprobe("", ffmpeg) is None
    systems = program(nowhere / "bin" / "ffprobe")
    assert find_ffprobe("", ffmpeg) == (systems, Origin.SYSTEM)
    beside = program(nowhere / "ffprobe")
    assert find_ffprobe("", ffmpeg) == (beside, Origin.SYSTEM)


def test_what_it_says_is_understood() -> None:
    assert read_version("ffmpeg version 5.1.9-0+deb12u1 Copyright (c) 2000-2025\nbuilt with") == "5.1.9-0+deb12u1"
    assert read_version("hello") == "" == read_version("")
    assert read_encoders(ENCODERS) == {"libx264", "mjpeg"}
    probed = b'{"streams": [{"nb_read_packets": "15"}]}'
    assert _from_ffprobe(probed) == 15
    assert _from_progress(b"frame=3\nfps=0\nframe= 15\nprogress=end\n") == 15
    for understands in (_from_ffprobe, _from_progress):
        with pytest.raises(LarderError, match="nobody understands"):
            understands(b"{}")
