"""All cameras together: one that is odd harms no other, and few hold a frame at once."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack

import pytest

from backend.src.config.settings import CameraSettings
from backend.src.core.supervisor import Supervisor
from backend.src.infra.epics.image_monitor import Taken
from backend.src.services.cameras import CameraNotFound, Cameras, CameraState, pictures
from backend.src.services.cameras.cameras import AT_ONCE
from tests.manual_clock import ManualClock
from tests.unit.services.cameras.stand import IN_TIME_S, Source, image, until

NAMES = [f"CAM{number}" for number in range(AT_ONCE + 2)]


@pytest.fixture
def source() -> Source:
    made = Source()
    made.shows = {name: image(number + 1) for number, name in enumerate(NAMES)}
    return made


@pytest.fixture
async def cameras(source: Source) -> AsyncIterator[Cameras]:
    supervisor = Supervisor()
    made = Cameras(CameraSettings(pvs=",".join(NAMES)), source, ManualClock(), supervisor, answer_s=IN_TIME_S)
    await made.start()
    yield made
    await made.stop()
    assert not supervisor.running()


async def test_a_frame_that_makes_no_picture_is_an_error_of_its_camera(
    cameras: Cameras, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object) -> None:
        raise OSError("broken data stream")

    monkeypatch.setattr(pictures, "preview", refuse)
    async with cameras.shot("CAM0") as shot:
        assert shot.error == "the frame makes no picture: broken data stream" and shot.still is None


async def test_what_shows_no_frame_says_why(cameras: Cameras, source: Source) -> None:
    del source.shows["CAM0"]
    cameras.answer_s = 0.1
    async with cameras.shot("CAM0") as shot:
        assert shot.error == "camera CAM0 does not answer within 0.1 s"
    with pytest.raises(CameraNotFound):
        async with cameras.shot("NOBODY"):
            pass


async def test_few_are_shot_at_once_and_nothing_of_them_stays(cameras: Cameras, source: Source) -> None:
    async with AsyncExitStack() as held:
        for name in NAMES[:AT_ONCE]:
            shot = await held.enter_async_context(cameras.shot(name))
            assert shot.still is not None and shot.image is source.shows[name]
        subscribed = len(source.monitors)
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.05), cameras.shot(NAMES[AT_ONCE]):
                pass
        assert len(source.monitors) == subscribed == AT_ONCE, "not even subscribed to"
    await until(lambda: all(monitor.closed for monitor in source.monitors))
    assert all(report.state is CameraState.IDLE and report.width is None for report in cameras.reports())


async def test_a_glance_is_long_enough_for_a_sign_of_life(cameras: Cameras, source: Source) -> None:
    async def move() -> None:
        for number in range(len(NAMES)):
            await until(lambda number=number: len(source.monitors) > number)  # type: ignore[misc]
            monitor = source.monitors[number]
            await until(lambda monitor=monitor: monitor.next.image is None)  # type: ignore[misc]
            monitor.send(Taken(image(99), 1, (), True))

    reports, _ = await asyncio.gather(cameras.glance(), move())
    assert [(report.name, report.state, report.looking) for report in reports] == [
        (name, CameraState.STREAMING, 0) for name in NAMES
    ]
    assert all((report.width, report.time_ns) == (2, 99) for report in reports)


async def test_a_glance_at_one_that_stopped(source: Source) -> None:
    one = Cameras(CameraSettings(pvs="CAM0", silent_s=0.2), source, ManualClock(), Supervisor(), answer_s=IN_TIME_S)
    await one.start()
    assert [report.state for report in await one.glance()] == [CameraState.SILENT]
    await one.stop()


async def test_a_glance_waits_for_the_next_frame_of_a_slow_camera(source: Source) -> None:
    one = Cameras(CameraSettings(pvs="CAM0"), source, ManualClock(), Supervisor(), answer_s=IN_TIME_S)
    await one.start()
    glance = asyncio.ensure_future(one.glance())
    await until(lambda: bool(source.monitors))
    one.answer_s = 0.01  # counts for the first frame alone
    await until(lambda: one.reports()[0].frames == 1)
    await asyncio.wait((glance,), timeout=10 * one.answer_s)
    source.monitors[0].send(Taken(image(99), 1, (), True))
    assert [report.state for report in await glance] == [CameraState.STREAMING]
    await one.stop()


async def test_a_glance_does_not_wait_for_shots(source: Source) -> None:
    settings = CameraSettings(pvs=",".join(NAMES), silent_s=0.01)
    cameras = Cameras(settings, source, ManualClock(), Supervisor(), answer_s=IN_TIME_S)
    await cameras.start()
    async with AsyncExitStack() as held, asyncio.timeout(IN_TIME_S):
        for name in NAMES[:AT_ONCE]:
            await held.enter_async_context(cameras.shot(name))
        assert len(await cameras.glance()) == len(NAMES)
    await cameras.stop()
