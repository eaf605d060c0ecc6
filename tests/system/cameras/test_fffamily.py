"""FFFamily with the real ffmpeg: what it makes is a film, and nothing of it stays."""

from __future__ import annotations

import asyncio
import os
import tempfile
import time
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path

import pytest

from backend.src.config.settings import CameraSettings
from backend.src.core.errors import TimedOut, Unavailable
from backend.src.infra.fffamily import FFFamily, ProgramFailed
from backend.src.infra.fffamily.fffamily import device

SETTINGS = CameraSettings(pvs="CAM")
PICTURE = bytes(64 * 48 * 3)


@pytest.fixture
async def family() -> AsyncIterator[FFFamily]:
    made: FFFamily = FFFamily.build(SETTINGS)
    await made.start()
    yield made
    await made.stop()


def arguments(descriptor: int, encoder: str = "libx264") -> list[str]:
    source = ["-f", "rawvideo", "-pix_fmt", "rgb24", "-s", "64x48", "-framerate", "10", "-i", "-"]
    return [*source, "-c:v", encoder, "-pix_fmt", "yuv420p", "-f", "mp4", "-y", device(descriptor)]


async def frames(count: int, *, pause_s: float = 0.0) -> AsyncIterator[bytes]:
    for _ in range(count):
        yield PICTURE
        await asyncio.sleep(pause_s)


def children() -> list[str]:
    """The ffmpegs among this process's children."""
    task = Path(f"/proc/{os.getpid()}/task")
    pids = {pid for thread in task.iterdir() for pid in text_of(thread / "children").split()}
    names = (text_of(Path(f"/proc/{pid}/comm")).strip() for pid in pids)
    return [name for name in names if name.startswith("ffmpeg")]  # other tests of this process have servers


def text_of(path: Path) -> str:
    """What it holds; nothing when its thread or process has just ended: asyncio has a thread for each child."""
    try:
        return path.read_text()
    except OSError:
        return ""


async def test_it_makes_a_film_and_tells_what_is_in_it(family: FFFamily) -> None:
    assert family.ffmpeg is not None and family.ffmpeg.version
    await family.ping()
    assert await film(family, frames(15)) == 15
    assert not children()


async def film(family: FFFamily, feed: AsyncIterator[bytes]) -> int:
    with tempfile.TemporaryFile() as file:
        return await family.encode(arguments(file.fileno(), family.encoder()), feed, timeout_s=20,
                                   descriptor=file.fileno())  # fmt: skip


async def test_what_feeds_it_fails_in_its_own_words(family: FFFamily) -> None:
    async def broken() -> AsyncIterator[bytes]:
        yield PICTURE
        raise ValueError("no picture")

    with pytest.raises(ValueError, match="no picture"):
        await film(family, broken())
    assert not children()


async def test_what_went_wrong_is_said_in_its_own_words(family: FFFamily) -> None:
    with tempfile.TemporaryFile() as file, pytest.raises(ProgramFailed, match="no_such_encoder"):
        await family.encode(arguments(file.fileno(), "no_such_encoder"), frames(1000), timeout_s=20,
                            descriptor=file.fileno())  # fmt: skip


async def test_it_is_ended_when_it_takes_too_long_or_nobody_wants_it(family: FFFamily) -> None:
    with tempfile.TemporaryFile() as file:
        with pytest.raises(TimedOut):
            await family.encode(arguments(file.fileno()), frames(1000, pause_s=0.1), timeout_s=0.3,
                                descriptor=file.fileno())  # fmt: skip
        assert not children()
        unwanted = asyncio.ensure_future(
            family.encode(arguments(file.fileno()), frames(1000, pause_s=0.1), timeout_s=60, descriptor=file.fileno())
        )
        while not children():
            await asyncio.sleep(0.01)
        unwanted.cancel()
        with pytest.raises(asyncio.CancelledError):
            await unwanted
        assert not children()


async def test_so_many_at_once_and_no_more() -> None:
    one: FFFamily = FFFamily.build(replace(SETTINGS, processes=1))
    await one.start()
    most = 0

    async def watch() -> None:
        nonlocal most
        while True:
            most = max(most, len(children()))
            await asyncio.sleep(0.002)

    watching = asyncio.ensure_future(watch())
    assert await asyncio.gather(*(film(one, frames(3)) for _ in range(3))) == [3, 3, 3]
    watching.cancel()
    assert most == 1


async def test_a_film_that_is_made_is_counted_without_waiting_anew(monkeypatch: pytest.MonkeyPatch) -> None:
    one: FFFamily = FFFamily.build(replace(SETTINGS, processes=1))
    await one.start()
    monkeypatch.setattr("backend.src.infra.fffamily.fffamily.WAIT_FOR_TURN_S", 0.0)
    waiting: list[asyncio.Task[int]] = []

    async def feed() -> AsyncIterator[bytes]:
        yield PICTURE
        monkeypatch.setattr("backend.src.infra.fffamily.fffamily.WAIT_FOR_TURN_S", 20.0)
        waiting.append(asyncio.ensure_future(film(one, frames(1))))
        await asyncio.sleep(0)
        monkeypatch.setattr("backend.src.infra.fffamily.fffamily.WAIT_FOR_TURN_S", 0.0)

    assert await film(one, feed()) == 1
    assert await waiting[0] == 1


async def test_stopping_ends_what_runs(family: FFFamily) -> None:
    with tempfile.TemporaryFile() as file:
        running = asyncio.ensure_future(
            family.encode(arguments(file.fileno()), frames(1000, pause_s=0.1), timeout_s=60, descriptor=file.fileno())
        )
        while not children():
            await asyncio.sleep(0.01)
        await family.stop()
        began = time.monotonic()
        with pytest.raises(ProgramFailed, match="exit code -9"):
            await running
        assert time.monotonic() - began < 20.0, "long before its 60 s"


@pytest.mark.parametrize("content", ["#!/bin/sh\nexit 3\n", "#!/bin/sh\necho hello\n", "#!/bin/sh\nsleep 60\necho\n"])
async def test_one_that_does_not_work_is_said_and_stops_nobody(
    content: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("backend.src.infra.fffamily.fffamily.ASK_TIMEOUT_S", 0.2)
    program = tmp_path / "ffmpeg"
    program.write_text(content)
    program.chmod(0o755)
    family: FFFamily = FFFamily.build(replace(SETTINGS, ffmpeg=str(program)))
    await family.start()
    with pytest.raises(Unavailable) as refusal:
        await family.ping()
    assert refusal.value.remedy
    with pytest.raises(Unavailable):
        family.encoder()


async def test_an_ffprobe_that_does_not_work_is_done_without(caplog: pytest.LogCaptureFixture) -> None:
    for ffprobe in ("/bin/false", "/no/such/ffprobe"):
        family: FFFamily = FFFamily.build(replace(SETTINGS, ffprobe=ffprobe))
        await family.start()
        await family.ping()
        assert family.ffprobe is None and ffprobe in caplog.text
        assert await film(family, frames(2)) == 2
