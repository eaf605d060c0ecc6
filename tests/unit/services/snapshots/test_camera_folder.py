"""What cameras contribute: put as it is shot, and an error where there is no picture."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import numpy as np
import pytest

from backend.src.config.settings import BucketSettings
from backend.src.core.errors import Unavailable
from backend.src.infra.bucket import Bucket
from backend.src.infra.epics.nd_array import ColourMode, NDImage
from backend.src.services.cameras import Shot
from backend.src.services.cameras.pictures import JPEG, PNG, Encoded
from backend.src.services.snapshots.camera_folder import CameraFolders


class Photographer:
    """Holds one picture at a time."""

    names = ("A", "B", "C")

    def __init__(self) -> None:
        self._place = asyncio.Semaphore(1)

    @asynccontextmanager
    async def shot(self, name: str) -> AsyncIterator[Shot]:
        async with self._place:
            if name == "B":
                yield Shot(name, "the frame makes no picture")
            else:
                image = NDImage(np.zeros((2, 3), "u1"), ColourMode.MONO, time_ns=7)
                yield Shot(name, None, image, Encoded(b"still", PNG), Encoded(b"preview", JPEG), 0.5)


@pytest.fixture
async def bucket(tmp_path: Path) -> AsyncIterator[Bucket]:
    made = Bucket.build(BucketSettings(), tmp_path)
    await made.start()
    yield made
    await made.stop()


async def test_one_without_a_picture_takes_no_other_away(bucket: Bucket) -> None:
    taken = await CameraFolders(bucket).put("one", Photographer.names, Photographer())
    assert taken.errors == {"A": None, "B": "the frame makes no picture", "C": None}
    found = sorted(info.key for info in await bucket.keys("snapshots/one/"))
    files = ["0-preview.jpeg", "0-still.png", "2-preview.jpeg", "2-still.png", "cameras.json"]
    assert found == [f"snapshots/one/{name}" for name in files]


async def test_a_bucket_that_is_away_is_said_as_it_is(bucket: Bucket, monkeypatch: pytest.MonkeyPatch) -> None:
    async def refuse(*_: object) -> None:
        raise Unavailable("the bucket is away")

    monkeypatch.setattr(bucket, "put", refuse)
    with pytest.raises(Unavailable, match="the bucket is away"):
        await CameraFolders(bucket).put("one", Photographer.names, Photographer())
