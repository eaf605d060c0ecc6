"""What cameras contribute to a snapshot: files in a folder of the bucket, beside the archive of values.

snapshots/ID/cameras.json   which cameras, with what their frames were and what their files are called
snapshots/ID/N-still.png    the frame without loss (or .tiff)
snapshots/ID/N-preview.jpeg the same to look at
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import asdict, dataclass
from typing import Any, Protocol

import orjson

from backend.src.core.errors import NotFound
from backend.src.infra.bucket import BucketObjectMissing
from backend.src.services.cameras import Shot
from backend.src.services.cameras.pictures import Encoded
from backend.src.services.snapshots.archive_store import PREFIX, Bucket, digest
from backend.src.services.snapshots.errors import ArchiveDamaged
from backend.src.services.snapshots.models import CamerasTaken, Snapshot

JSON = "application/json"
STILL, PREVIEW = "still", "preview"


class Photographer(Protocol):
    """services/cameras, as far as snapshots need it."""

    @property
    def names(self) -> tuple[str, ...]:
        """All cameras."""

    def shot(self, name: str) -> AbstractAsyncContextManager[Shot]:
        """A frame, or why there is none. The next camera may have to wait until the block ends."""


class NoPicture(NotFound):
    """The snapshot has none of this camera."""

    def __init__(self, snapshot_id: str, camera: str, why: str | None = None) -> None:
        super().__init__(f"snapshot {snapshot_id} has no picture of camera {camera!r}{f': {why}' if why else ''}")


@dataclass(frozen=True, slots=True)
class CameraFile:
    """One file. name: within the snapshot's folder; sha256: hexadecimal."""

    name: str
    media_type: str
    size_bytes: int
    sha256: str


@dataclass(frozen=True, slots=True)
class CameraEntry:
    """One camera of a snapshot. error: why there is no picture; then all that follows is None.

    time_ns: of the frame, since 1970, 0 when the camera names none; age_s: how old it was; pixel_type: as NumPy
    calls it.
    """

    camera: str
    error: str | None = None
    time_ns: int | None = None
    age_s: float | None = None
    width: int | None = None
    height: int | None = None
    colour_mode: str | None = None
    pixel_type: str | None = None
    unique_id: int | None = None
    attributes: dict[str, Any] | None = None
    still: CameraFile | None = None
    preview: CameraFile | None = None


class CameraFolders:
    """Puts and gets them. What comes back is what was put, or ArchiveDamaged."""

    def __init__(self, bucket: Bucket) -> None:
        self._bucket = bucket

    async def put(self, snapshot_id: str, names: Sequence[str], cameras: Photographer) -> CamerasTaken:
        """Takes a picture with each and stores the files, then the list of them. Raises Unavailable."""
        try:
            async with asyncio.TaskGroup() as group:
                numbered = enumerate(names)
                taken = [group.create_task(self._take(snapshot_id, number, name, cameras)) for number, name in numbered]
        except ExceptionGroup as errors:  # the bucket's own: it comes out as it is
            raise errors.exceptions[0] from None
        entries = [task.result() for task in taken]
        manifest = orjson.dumps({"version": 1, "cameras": [asdict(entry) for entry in entries]})
        await self._bucket.put(_key(snapshot_id, "cameras.json"), manifest, JSON)
        return CamerasTaken(digest(manifest), {entry.camera: entry.error for entry in entries})

    async def entries(self, snapshot: Snapshot) -> list[CameraEntry]:
        """The cameras of a snapshot, none for one without. Raises ArchiveDamaged, Unavailable."""
        if snapshot.cameras is None:
            return []
        manifest = await self._get(snapshot, "cameras.json", snapshot.cameras.sha256)
        return [_entry(plain) for plain in orjson.loads(manifest)["cameras"]]

    async def file(self, snapshot: Snapshot, camera: str, kind: str) -> CameraFile:
        """What is said of STILL or PREVIEW of one camera. Raises NoPicture, ArchiveDamaged, Unavailable."""
        for entry in await self.entries(snapshot):
            if entry.camera == camera:
                found = entry.still if kind == STILL else entry.preview
                if found is None:
                    raise NoPicture(snapshot.id, camera, entry.error)
                return found
        raise NoPicture(snapshot.id, camera)

    async def content(self, snapshot: Snapshot, file: CameraFile) -> bytes:
        """What is in it. Raises ArchiveDamaged, Unavailable."""
        return await self._get(snapshot, file.name, file.sha256)

    async def _take(self, snapshot_id: str, number: int, name: str, cameras: Photographer) -> CameraEntry:
        async with cameras.shot(name) as shot:
            return await self._put_shot(snapshot_id, number, shot)

    async def _put_shot(self, snapshot_id: str, number: int, shot: Shot) -> CameraEntry:
        image = shot.image
        if image is None or shot.still is None or shot.preview is None:
            return CameraEntry(shot.name, shot.error or "no picture")
        return CameraEntry(
            camera=shot.name,
            time_ns=image.time_ns,
            age_s=shot.age_s,
            width=image.width,
            height=image.height,
            colour_mode=image.mode.label,
            pixel_type=image.pixels.dtype.name,
            unique_id=image.unique_id,
            attributes=image.attributes,
            still=await self._put_file(snapshot_id, f"{number}-{STILL}", shot.still),
            preview=await self._put_file(snapshot_id, f"{number}-{PREVIEW}", shot.preview),
        )

    async def _put_file(self, snapshot_id: str, stem: str, file: Encoded) -> CameraFile:
        name = f"{stem}.{file.suffix}"
        await self._bucket.put(_key(snapshot_id, name), file.content, file.media_type)
        return CameraFile(name, file.media_type, len(file.content), await asyncio.to_thread(digest, file.content))

    async def _get(self, snapshot: Snapshot, name: str, sha256: str) -> bytes:
        key, title = _key(snapshot.id, name), f"the cameras of snapshot {snapshot.id} ({snapshot.title!r})"
        try:
            content = await self._bucket.get(key)
        except BucketObjectMissing as exc:
            raise ArchiveDamaged(title, f"the bucket has no {key}") from exc
        if await asyncio.to_thread(digest, content) != sha256:
            raise ArchiveDamaged(title, f"{key} is not what was saved")
        return content


def _key(snapshot_id: str, name: str) -> str:
    return f"{PREFIX}{snapshot_id}/{name}"


def _entry(plain: dict[str, Any]) -> CameraEntry:
    files = {kind: CameraFile(**plain[kind]) if plain[kind] else None for kind in (STILL, PREVIEW)}
    return CameraEntry(**{**plain, **files})
