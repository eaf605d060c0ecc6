"""A live view holds nothing for a client that does not read, and sees the end while it rests."""

from __future__ import annotations

import asyncio
import gc
import weakref
from collections.abc import AsyncIterator
from typing import Any

import pytest
from starlette.requests import ClientDisconnect

from backend.src.config.settings import CameraSettings
from backend.src.core.clock import SystemClock
from backend.src.core.errors import Unauthenticated
from backend.src.core.supervisor import Supervisor
from backend.src.infra.epics.image_monitor import Taken
from backend.src.services.cameras import Cameras
from backend.src.web import motion_jpeg
from backend.src.web.motion_jpeg import LiveView, MotionJpeg, ViewLimits
from tests.unit.services.cameras.stand import IN_TIME_S, Source, image, until


class Scene:
    """One camera that shows a picture, and one that wants to see it."""

    def __init__(self) -> None:
        self.source, self.stopping = Source(), False
        self.source.shows["CAM"] = image(7)
        self.refusal: Exception | None = None
        self.cameras = Cameras(CameraSettings(pvs="CAM"), self.source, SystemClock(), Supervisor(), answer_s=IN_TIME_S)

    async def recheck(self) -> None:
        if self.refusal is not None:
            raise self.refusal

    def view(self, rate_hz: float) -> MotionJpeg:
        limits = ViewLimits(rate_hz, None, lambda: self.stopping, self.recheck)
        return MotionJpeg(self.cameras, "CAM", SystemClock(), limits)

    @property
    def looking(self) -> int:
        return self.cameras.reports()[0].looking


@pytest.fixture
async def scene() -> AsyncIterator[Scene]:
    made = Scene()
    await made.cameras.start()
    yield made
    await made.cameras.stop()


async def test_a_client_that_does_not_read_loses_its_place(scene: Scene) -> None:
    async def never(_: Any) -> None:
        await asyncio.Event().wait()

    view = LiveView(scene.view(10), send_timeout_s=0.05)
    async with asyncio.timeout(IN_TIME_S):
        with pytest.raises(ClientDisconnect):
            await view.stream_response(_after_the_first(never))
    assert scene.looking == 0, "at once, not when memory is tidied up"
    scene.cameras.refuse_more_live()


def _after_the_first(send: Any) -> Any:
    """The head of the answer gets through."""

    async def sent(message: dict[str, Any]) -> None:
        if message["type"] != "http.response.start":
            await send(message)

    return sent


async def test_no_frame_is_kept_for_who_takes_a_picture(scene: Scene) -> None:
    parts = scene.view(10).parts()
    assert b"X-Timestamp: 0.000000007" in await anext(parts)
    shown = weakref.ref(scene.source.shows.pop("CAM").pixels)
    scene.source.monitors[0].send(Taken(image(8), 1, (), True))
    await until(lambda: scene.cameras.reports()[0].time_ns == 8)

    def gone() -> bool:
        gc.collect()
        return shown() is None

    await until(gone)  # the thread that made the JPEG lets go of it a moment after it told so
    await parts.aclose()


@pytest.mark.parametrize("why", ["the server stops", "the key was revoked"])
async def test_the_end_is_seen_while_the_view_rests(scene: Scene, why: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(motion_jpeg, "RECHECK_S", 0.1)
    parts = scene.view(0.001).parts()
    await anext(parts)
    last = asyncio.ensure_future(anext(parts))
    await asyncio.sleep(0)
    if why == "the server stops":
        scene.stopping = True
    else:
        scene.refusal = Unauthenticated(why)
    async with asyncio.timeout(IN_TIME_S):
        assert why.encode() in await last
    assert [part async for part in parts] == []
    assert scene.looking == 0
