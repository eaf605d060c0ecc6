"""One subscription however many look; who is slow gets the newest; the end is told."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from concurrent.futures import ThreadPoolExecutor

import pytest

from backend.src.core.supervisor import Supervisor
from backend.src.infra.epics.image_monitor import Taken
from backend.src.services.cameras import CameraAway, CameraSilent, CameraState, Watch
from backend.src.services.cameras.watch import LINGER_S
from tests.manual_clock import ManualClock
from tests.unit.services.cameras.stand import IN_TIME_S, Source, image, until

AT_ONCE_S = 0.02


class Scene:
    """A watch and the camera behind it."""

    def __init__(self) -> None:
        self.source, self.clock, self.supervisor = Source(), ManualClock(), Supervisor()
        self.threads = ThreadPoolExecutor(1)
        self.watch = Watch("CAM", self.source, self.clock, self.supervisor, lambda: self.threads,
                           most_bytes=1000, silent_s=5.0)  # fmt: skip

    def state(self) -> CameraState:
        """By a call, as mypy takes an attribute that was asserted for unchanged."""
        return self.watch.state

    async def send(self, taken: Taken) -> None:
        """Something comes from the camera, and the watch has seen it."""
        await until(lambda: bool(self.source.monitors) and not self.source.monitors[-1].closed)
        monitor = self.source.monitors[-1]
        monitor.send(taken)
        await until(lambda: monitor.next is not taken)
        # a thread took it, which tells nothing of the loop: who looks once more has seen what it took before
        looks = monitor.looks
        monitor.notify()
        await until(lambda: monitor.looks > looks)

    async def show(self, level: int) -> None:
        await self.send(Taken(image(level), 1, (), True))


@pytest.fixture
async def scene() -> AsyncIterator[Scene]:
    made = Scene()
    yield made
    await made.supervisor.stop()
    made.threads.shutdown()


async def test_many_look_at_one_subscription(scene: Scene) -> None:
    assert scene.state() is CameraState.IDLE and not scene.source.monitors
    async with scene.watch.look() as first, scene.watch.look() as second:
        assert scene.state() is CameraState.CONNECTING and scene.watch.looking == 2
        await scene.show(7)
        assert (await first.next(IN_TIME_S)) is (await second.next(IN_TIME_S))
    assert len(scene.source.monitors) == 1


async def test_who_is_slow_gets_the_newest_and_misses_the_rest(scene: Scene) -> None:
    async with scene.watch.look() as look:
        for level in (1, 2, 3):
            await scene.show(level)
            if level == 1:
                await look.next(IN_TIME_S)
        await scene.show(4)
        assert (await look.next(IN_TIME_S)).image.time_ns == 4
        with pytest.raises(CameraSilent, match="no new frame"):
            await look.next(AT_ONCE_S)


async def test_it_ends_some_time_after_the_last_has_left(scene: Scene) -> None:
    async with scene.watch.look():
        await scene.show(1)
    await scene.show(2)
    assert scene.state() is CameraState.STREAMING, "who comes back soon finds it open"
    scene.clock.advance(LINGER_S + 1)
    scene.source.monitors[0].notify()
    await until(lambda: not scene.supervisor.running())  # a moment after it closed
    assert scene.source.monitors[0].closed and scene.state() is CameraState.IDLE
    assert scene.watch.latest is None, "no memory is kept for nobody"
    async with scene.watch.look() as look:
        await scene.show(3)
        assert (await look.next(IN_TIME_S)).image.time_ns == 3, "never the picture of an earlier subscription"
    assert len(scene.source.monitors) == 2


async def test_a_camera_that_goes_away_is_told_at_once(scene: Scene) -> None:
    async with scene.watch.look() as look:
        await scene.show(1)
        await look.next(IN_TIME_S)
        await scene.send(Taken(None, 0, (), False))
        with pytest.raises(CameraAway, match="went away"):
            await look.next(IN_TIME_S)
        assert scene.state() is CameraState.DISCONNECTED
        async with scene.watch.look() as newcomer:
            with pytest.raises(CameraAway):
                await newcomer.next(IN_TIME_S)


async def test_one_that_never_answers(scene: Scene) -> None:
    async with scene.watch.look() as look:
        await scene.send(Taken(None, 0, (), False))  # p4p says so of every channel first
        with pytest.raises(CameraAway, match="does not answer"):
            await look.next(AT_ONCE_S)


async def test_who_does_not_come_back_need_not_wait_for_the_end(scene: Scene) -> None:
    async with scene.watch.look(linger=False):
        await scene.show(1)
    await until(lambda: scene.source.monitors[0].closed)
    assert scene.state() is CameraState.IDLE


async def test_one_that_is_silent(scene: Scene) -> None:
    async with scene.watch.look():
        await scene.show(1)
        await scene.show(2)
        assert scene.state() is CameraState.STREAMING
        scene.clock.advance(5.1)
        assert scene.state() is CameraState.SILENT


async def test_the_frame_that_comes_with_the_connection_is_no_sign_of_life(scene: Scene) -> None:
    """PVAccess sends the last value to whoever connects: it may be from yesterday."""
    async with scene.watch.look() as look:
        await scene.show(1)
        assert (await look.next(IN_TIME_S)).image.time_ns == 1, "still a picture"
        assert scene.state() is CameraState.SILENT
        await scene.show(2)
        assert scene.state() is CameraState.STREAMING
        await scene.send(Taken(None, 0, (), False))
        await scene.show(2)
        assert scene.state() is CameraState.SILENT, "connected anew"
        await scene.send(Taken(image(4), 2, (), True))
        assert scene.state() is CameraState.STREAMING


async def test_bad_frames_are_counted_and_say_why(scene: Scene) -> None:
    async with scene.watch.look() as look:
        await scene.send(Taken(None, 0, ("compressed by 'jpeg'", "compressed by 'jpeg'"), True))
        with pytest.raises(CameraSilent, match="sends no picture: compressed by 'jpeg'"):
            await look.next(AT_ONCE_S)
        assert (scene.watch.bad_frames, scene.watch.frames) == (2, 0)
    scene.clock.advance(LINGER_S + 1)
    scene.source.monitors[0].notify()
    await until(lambda: scene.source.monitors[0].closed)
    async with scene.watch.look() as look:
        await scene.send(Taken(None, 0, (), True))
        with pytest.raises(CameraSilent, match="sent no new frame"):
            await look.next(AT_ONCE_S)


async def test_pvaccess_that_does_not_run_is_no_endless_wait(scene: Scene) -> None:
    scene.source.refuses = True
    async with scene.watch.look() as look:
        with pytest.raises(CameraAway, match="is not there"):
            await look.next(IN_TIME_S)


async def test_stopping_tells_whoever_looks(scene: Scene) -> None:
    async with scene.watch.look() as look:
        await scene.show(1)
        await look.next(IN_TIME_S)
        waiting = asyncio.ensure_future(look.next(IN_TIME_S))
        await asyncio.sleep(0)
        await scene.watch.stop()
        with pytest.raises(CameraAway):
            await waiting
    assert scene.source.monitors[0].closed
