"""Archives in the bucket: what comes back is what was put, or an error that names the snapshot."""

from __future__ import annotations

import asyncio
import hashlib
from collections import OrderedDict
from collections.abc import Sequence
from typing import Protocol

import numpy as np

from backend.src.infra.bucket import BucketObjectMissing, ObjectInfo
from backend.src.services.snapshots import archive
from backend.src.services.snapshots.capture import Capture
from backend.src.services.snapshots.errors import ArchiveDamaged
from backend.src.services.snapshots.models import Snapshot

PREFIX = "snapshots/"
SUFFIX = ".parquet"
ROW_BYTES = 400  # what a channel takes in memory, roughly


class Bucket(Protocol):
    """infra/bucket, as far as archives need it."""

    async def put(self, key: str, data: bytes, content_type: str) -> None:
        """Stores an object, whole or not at all."""

    async def get(self, key: str) -> bytes:
        """Raises BucketObjectMissing."""

    async def delete(self, key: str) -> None:
        """Harmless when it is gone already."""

    async def keys(self, prefix: str) -> Sequence[ObjectInfo]:
        """Every object under a prefix."""

    def url(self, key: str, expires_s: int) -> str | None:
        """Where a client can fetch the object by itself, if anywhere."""


class ArchiveStore:
    """Writes archives, and reads and verifies them. Decoded ones are kept, up to `cache_bytes`: they never change."""

    def __init__(self, bucket: Bucket, *, cache_bytes: int) -> None:
        self._bucket = bucket
        self._cache_bytes = cache_bytes
        self._decoded: OrderedDict[str, Capture] = OrderedDict()  # by sha256

    async def put(self, key: str, content: bytes) -> None:
        """Stores an archive."""
        await self._bucket.put(key, content, archive.CONTENT_TYPE)

    async def load(self, snapshot: Snapshot) -> Capture:
        """Its values. The bytes are fetched and verified every time, so damage shows at once. Raises ArchiveDamaged."""
        content = await self.fetch(snapshot)
        known = self._decoded.get(snapshot.sha256)
        if known is not None:
            self._decoded.move_to_end(snapshot.sha256)
            return known
        capture = await asyncio.to_thread(archive.read, content, _name(snapshot))
        self._keep(snapshot.sha256, capture)
        return capture

    async def load_channel(self, snapshot: Snapshot, address: str) -> Capture:
        """The rows of one address alone, which is much quicker. Raises ArchiveDamaged."""
        content = await self.fetch(snapshot)
        return await asyncio.to_thread(archive.read, content, _name(snapshot), address=address)

    async def fetch(self, snapshot: Snapshot) -> bytes:
        """The archive's bytes, verified. Raises ArchiveDamaged."""
        try:
            content = await self._bucket.get(snapshot.archive_key)
        except BucketObjectMissing as exc:
            raise ArchiveDamaged(_name(snapshot), f"the bucket has no {snapshot.archive_key}") from exc
        if await asyncio.to_thread(digest, content) != snapshot.sha256:
            raise ArchiveDamaged(_name(snapshot), "its checksum is not the one that was noted when it was saved")
        return content

    def _keep(self, sha256: str, capture: Capture) -> None:
        self._decoded[sha256] = capture
        while len(self._decoded) > 1 and sum(map(_weight, self._decoded.values())) > self._cache_bytes:
            self._decoded.popitem(last=False)

    def url(self, snapshot: Snapshot, expires_s: int) -> str | None:
        """Where a client can fetch the archive by itself, None when it cannot."""
        return self._bucket.url(snapshot.archive_key, expires_s)

    async def discard(self, key: str) -> None:
        """Removes an archive that no snapshot names, and the folder of its cameras."""
        for info in await self._bucket.keys(f"{key.removesuffix(SUFFIX)}/"):
            await self._bucket.delete(info.key)
        await self._bucket.delete(key)


def key_of(snapshot_id: str) -> str:
    """Where the archive of a snapshot lies."""
    return f"{PREFIX}{snapshot_id}{SUFFIX}"


def digest(content: bytes) -> str:
    """SHA-256, hexadecimal."""
    return hashlib.sha256(content).hexdigest()


def _name(snapshot: Snapshot) -> str:
    return f"snapshot {snapshot.id} ({snapshot.title!r})"


def _weight(capture: Capture) -> int:
    arrays = sum(value.nbytes for value in capture.frame.objects.values() if isinstance(value, np.ndarray))
    return len(capture) * ROW_BYTES + arrays
