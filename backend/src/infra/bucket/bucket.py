"""Bucket: named objects, each there whole or not at all."""

from __future__ import annotations

import asyncio
import importlib
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import TypeVar

from backend.src.config.settings import BucketSettings
from backend.src.core.errors import Invalid, StartFailed, Unavailable
from backend.src.core.final_singleton import FinalSingleton
from backend.src.core.log_context import carried
from backend.src.infra.bucket.folder_store import FolderStore
from backend.src.infra.bucket.store import ObjectInfo, Store, check_key

T = TypeVar("T")

FOLDER = "archives"
DEFAULT_CONTENT_TYPE = "application/octet-stream"


class Bucket(metaclass=FinalSingleton):
    """Where archives lie. At most `settings.threads` transfers run at once; the rest wait their turn."""

    def __init__(self, settings: BucketSettings, data_dir: Path) -> None:
        self._settings = settings
        self._data_dir = data_dir
        self._store: Store | None = None
        self._threads: ThreadPoolExecutor | None = None

    async def start(self) -> None:
        """Opens the store, and makes the bucket or folder when there is none. Raises StartFailed."""
        self._threads = ThreadPoolExecutor(self._settings.threads, "bucket")
        self._store = await self._in_thread(self._make_store)
        try:
            await self._in_thread(self._store.open)
        except Unavailable as error:
            raise StartFailed(error.message, remedy=error.remedy) from error

    async def stop(self) -> None:
        """Waits for the transfers under way; those that wait for their turn are given up."""
        threads, self._threads = self._threads, None
        store, self._store = self._store, None
        if threads is not None:
            await asyncio.to_thread(threads.shutdown, cancel_futures=True)
        if store is not None:
            store.close()

    async def ping(self) -> None:
        """Raises Unavailable with the cause when objects cannot be read and written."""
        await self._in_thread(self._open_store.ping)

    async def put(self, key: str, data: bytes, content_type: str = DEFAULT_CONTENT_TYPE) -> None:
        """Stores an object, on disk when this returns. Raises Invalid (the key), Conflict, Unavailable."""
        await self._in_thread(partial(self._open_store.put, check_key(key), data, content_type))

    async def get(self, key: str) -> bytes:
        """The whole object. Raises BucketObjectMissing, Invalid, Unavailable."""
        return await self._in_thread(partial(self._open_store.get, check_key(key)))

    async def delete(self, key: str) -> None:
        """Removes it; one that is not there is fine. Raises Invalid, Unavailable."""
        await self._in_thread(partial(self._open_store.delete, check_key(key)))

    async def keys(self, prefix: str = "") -> list[ObjectInfo]:
        """Every object whose key starts with `prefix`, in key order. Raises Invalid, Unavailable."""
        return await self._in_thread(partial(self._open_store.keys, _check_prefix(prefix)))

    def url(self, key: str, expires_s: int) -> str | None:
        """Where anybody may fetch the object for `expires_s` seconds; None when it lies in a folder."""
        return self._open_store.url(check_key(key), expires_s)

    @property
    def _open_store(self) -> Store:
        if self._store is None:
            raise Unavailable("the bucket is not started")
        return self._store

    def _make_store(self) -> Store:
        if self._settings.embedded:
            return FolderStore(self._data_dir / FOLDER)
        # boto3 takes 0.2 s to import: who keeps archives in a folder shall not wait for it
        module = importlib.import_module("backend.src.infra.bucket.s3_store")
        store: Store = module.S3Store(self._settings)
        return store

    async def _in_thread(self, work: Callable[[], T]) -> T:
        if self._threads is None:
            raise Unavailable("the bucket is not started")
        return await asyncio.get_running_loop().run_in_executor(self._threads, carried(work))


def _check_prefix(prefix: str) -> str:
    if not prefix:
        return prefix
    try:
        check_key(prefix.removesuffix("/"))
    except Invalid as error:
        raise Invalid(f"no object can have the prefix {prefix!r}: {error.message}") from error
    return prefix
