"""Pictures of snapshots and clips: whoever has one is told so before the bucket is asked for it."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import httpx
import numpy as np
import pytest

from backend.src.infra.epics.nd_array import ColourMode, NDImage
from backend.src.services.cameras import Clips, Shot, pictures
from backend.src.services.cameras.clips import JOB_TYPE, MP4, key_of
from backend.src.services.catalog import Selection
from backend.src.services.jobs import JobNotFound, JobStatus
from backend.src.services.snapshots import SnapshotDraft, SnapshotOptions, SnapshotRequest, Snapshots
from backend.src.web.endpoints.cameras import CamerasEndpoint
from backend.src.web.endpoints.snapshot_cameras import SnapshotCamerasEndpoint
from tests.unit.services.snapshots.stand import Stand, catalogue, stand_of
from tests.unit.web.conftest import client_of, make_app

CAMERA, CLIP, FILM = "CAM", "0123456789abcdef", bytes(range(100))
MADE = datetime(2026, 3, 2, 8, 30, tzinfo=UTC)
IMAGE = NDImage(np.arange(12, dtype=np.float32).reshape(3, 4), ColourMode.MONO)


class ClipJobs:
    """One clip was made."""

    async def get(self, job_id: str) -> Any:
        if job_id != CLIP:
            raise JobNotFound(job_id)
        return SimpleNamespace(type=JOB_TYPE, status=JobStatus.COMPLETED, data={"camera": CAMERA}, completed_at=MADE)


@pytest.fixture
async def stand(tmp_path: Path) -> AsyncIterator[Stand]:
    async with stand_of(tmp_path, catalogue("A")) as made:
        yield made


@pytest.fixture
async def client(stand: Stand) -> AsyncIterator[httpx.AsyncClient]:
    nothing: Any = None  # neither a camera nor ffmpeg is asked
    jobs: Any = ClipJobs()
    clips = Clips(nothing, nothing, stand.bucket, jobs, stand.clock)
    cameras = CamerasEndpoint(nothing, clips, nothing, stand.clock, nothing, nothing)
    async with client_of(make_app(cameras, SnapshotCamerasEndpoint(stand.snapshots))) as made:
        yield made


class Photographer:
    """Has one camera."""

    names = (CAMERA,)

    @asynccontextmanager
    async def shot(self, name: str) -> AsyncIterator[Shot]:
        yield Shot(name, image=IMAGE, still=pictures.still(IMAGE), preview=pictures.preview(IMAGE, 100))


async def snapshot_with_picture(stand: Stand) -> str:
    services = (stand.sql, stand.bucket, stand.catalog, stand.live, stand.machine, stand.clock)
    snapshots = Snapshots(*services, SnapshotOptions(), Photographer())
    request = SnapshotRequest(SnapshotDraft("pictured"), Selection(everything=True), use_cache=False, cameras=(CAMERA,))
    return (await snapshots.create(request, "me")).id


@pytest.mark.parametrize("kind", ["still", "preview"])
async def test_a_picture_of_a_snapshot_is_not_fetched_for_who_has_it(
    stand: Stand, client: httpx.AsyncClient, kind: str
) -> None:
    snapshot_id = await snapshot_with_picture(stand)
    path = f"/v1/snapshots/{snapshot_id}/cameras/{CAMERA}/{kind}"
    first = (await client.get(path)).raise_for_status()
    (file,) = (stand.folder / "archives" / "snapshots" / snapshot_id).glob(f"*{kind}*")
    assert first.content == file.read_bytes()
    file.unlink()
    again = await client.get(path, headers={"If-None-Match": first.headers["ETag"]})
    assert (again.status_code, again.headers["ETag"]) == (304, first.headers["ETag"])
    assert (await client.get(path)).status_code == 503


async def test_a_clip_is_not_fetched_for_who_has_it(stand: Stand, client: httpx.AsyncClient) -> None:
    await stand.bucket.put(key_of(CLIP), FILM, MP4)
    path = f"/v1/cameras/{CAMERA}/clips/{CLIP}"
    first = (await client.get(path)).raise_for_status()
    part = await client.get(path, headers={"Range": "bytes=10-19", "If-Range": first.headers["ETag"]})
    assert (first.content, part.status_code, part.content) == (FILM, 206, FILM[10:20])
    assert first.headers["Last-Modified"] == part.headers["Last-Modified"] == "Mon, 02 Mar 2026 08:30:00 GMT"
    await stand.bucket.delete(key_of(CLIP))
    known = {"If-None-Match": first.headers["ETag"]}
    assert (await client.get(path, headers=known)).status_code == 304
    assert (await client.get(path)).status_code == 404


async def test_a_clip_of_another_camera_is_none(stand: Stand, client: httpx.AsyncClient) -> None:
    await stand.bucket.put(key_of(CLIP), FILM, MP4)
    for path in (f"/v1/cameras/OTHER/clips/{CLIP}", f"/v1/cameras/{CAMERA}/clips/fedcba9876543210"):
        assert (await client.get(path, headers={"If-None-Match": "*"})).status_code == 404
