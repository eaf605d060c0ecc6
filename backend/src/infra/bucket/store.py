"""What a bucket is made of: keys, objects, and the Protocol of whatever keeps them."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from backend.src.core.errors import Invalid, NotFound

MAX_KEY_BYTES = 900  # S3 takes 1024
MAX_SEGMENT_BYTES = 200  # file systems take 255
_FORBIDDEN = re.compile(r"[\x00-\x1f\x7f\\\ud800-\udfff]")


class BucketObjectMissing(NotFound):
    """The key names no object."""

    def __init__(self, key: str) -> None:
        super().__init__(f"the bucket holds no object {key!r}")
        self.key = key


@dataclass(frozen=True, slots=True)
class ObjectInfo:
    """One object as a listing shows it."""

    key: str
    size: int  # bytes
    modified: datetime  # aware, UTC


class Store(Protocol):
    """Keeps objects. Every call blocks; Bucket makes them in its threads. Keys have passed `check_key`.

    An object is there whole or not at all. All raise Unavailable, with the remedy, when the store is away.
    """

    def open(self) -> None:
        """Makes the bucket when it is not there yet."""

    def close(self) -> None:
        """Lets go of it."""

    def ping(self) -> None:
        """Returns when objects can be read and written."""

    def put(self, key: str, data: bytes, content_type: str) -> None:
        """Stores an object; an older one of that key is replaced in one step."""

    def get(self, key: str) -> bytes:
        """Its content. Raises BucketObjectMissing."""

    def delete(self, key: str) -> None:
        """Removes it; one that is not there is fine."""

    def keys(self, prefix: str) -> list[ObjectInfo]:
        """All objects whose key starts with `prefix`, in key order."""

    def url(self, key: str, expires_s: int) -> str | None:
        """An address from which anybody may fetch it for a while, None where there is none."""


def check_key(key: str) -> str:
    """The key itself: segments between slashes, none of them empty or starting with a dot. Raises Invalid."""
    if _FORBIDDEN.search(key):
        raise Invalid(f"bucket key {key!r} holds control characters, a backslash or half a character")
    segments = key.split("/")
    if any(not segment or segment.startswith(".") for segment in segments):
        raise Invalid(f"bucket key {key!r} has a segment that is empty or starts with a dot")
    if len(key.encode()) > MAX_KEY_BYTES or any(len(segment.encode()) > MAX_SEGMENT_BYTES for segment in segments):
        raise Invalid(f"bucket key {key[:40]!r}... is too long")
    return key
