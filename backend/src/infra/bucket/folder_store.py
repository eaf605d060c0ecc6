"""Objects as files of a folder, each written aside, synchronised and renamed into place."""

from __future__ import annotations

import contextlib
import os
import secrets
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

from backend.src.core.errors import Conflict, Unavailable
from backend.src.infra.bucket.store import BucketObjectMissing, ObjectInfo

INCOMING = ".incoming"  # no key starts with a dot, so no listing sees what is half written
ABANDONED_AFTER_S = 3600.0
ATTEMPTS = 20


class FolderStore:
    """One folder, which several processes may share."""

    def __init__(self, root: Path) -> None:
        self._root = root
        self._incoming = root / INCOMING

    def open(self) -> None:
        """Creates the folder and removes what a crash left half written."""
        with self._translated("create"):
            self._incoming.mkdir(parents=True, exist_ok=True)
            for path in self._incoming.iterdir():
                if time.time() - path.stat().st_mtime > ABANDONED_AFTER_S:
                    path.unlink(missing_ok=True)

    def close(self) -> None:
        """Nothing is held open."""

    def ping(self) -> None:
        """Raises Unavailable when the folder is gone or may not be written."""
        if not os.access(self._incoming, os.W_OK | os.X_OK):
            raise self._away("write to", "not there or not writable")

    def put(self, key: str, data: bytes, content_type: str) -> None:
        """Raises Conflict when the key runs through another object (`a` and `a/b`)."""
        target = self._root / key
        aside = self._incoming / secrets.token_hex(16)
        with self._translated("write to"):
            try:
                _write_synchronised(aside, data)
                self._move_into_place(aside, target)
            except (IsADirectoryError, NotADirectoryError, FileExistsError) as exc:
                raise Conflict(f"bucket key {key!r} runs through another object") from exc
            finally:
                aside.unlink(missing_ok=True)

    def get(self, key: str) -> bytes:
        """Raises BucketObjectMissing."""
        with self._translated("read from"):
            try:
                return (self._root / key).read_bytes()
            except (FileNotFoundError, NotADirectoryError, IsADirectoryError) as exc:
                raise BucketObjectMissing(key) from exc

    def delete(self, key: str) -> None:
        """Removes the folders above it too, where they are empty then."""
        target = self._root / key
        gone = contextlib.suppress(FileNotFoundError, NotADirectoryError, IsADirectoryError)
        with self._translated("delete from"), gone:
            target.unlink()
            _synchronise_folder(target.parent)
            self._remove_empty(target.parent)

    def keys(self, prefix: str) -> list[ObjectInfo]:
        """Reads only the folders in which a key with that prefix can lie."""
        with self._translated("list"):
            start = self._root / prefix.rpartition("/")[0]
            found = (self._info(path) for path in _files_below(start))
            return sorted((info for info in found if info and info.key.startswith(prefix)), key=lambda info: info.key)

    def url(self, key: str, expires_s: int) -> str | None:
        """None: a folder has no address."""
        return None

    def _info(self, path: str) -> ObjectInfo | None:
        try:
            facts = Path(path).stat()
        except FileNotFoundError:
            return None  # deleted as we looked
        key = Path(path).relative_to(self._root).as_posix()
        return ObjectInfo(key, facts.st_size, datetime.fromtimestamp(facts.st_mtime, UTC))

    def _move_into_place(self, aside: Path, target: Path) -> None:
        for attempt in range(ATTEMPTS):
            try:
                target.parent.mkdir(parents=True, exist_ok=True)
                aside.replace(target)
                break
            # somebody deleted the last other object of that folder; FileExistsError: between mkdir's try and its look
            except (FileNotFoundError, FileExistsError):
                if attempt == ATTEMPTS - 1:
                    raise
        self._synchronise_names(target.parent)

    def _synchronise_names(self, folder: Path) -> None:
        """The name of the object and those of the folders above it, which may be new."""
        while folder != self._root.parent:
            with contextlib.suppress(FileNotFoundError):
                _synchronise_folder(folder)
            folder = folder.parent

    def _remove_empty(self, folder: Path) -> None:
        with contextlib.suppress(OSError):  # not empty, or another process was quicker
            while folder != self._root:
                folder.rmdir()
                folder = folder.parent

    @contextlib.contextmanager
    def _translated(self, doing: str) -> Iterator[None]:
        try:
            yield
        except OSError as exc:
            raise self._away(doing, exc.strerror or str(exc)) from exc

    def _away(self, doing: str, why: str) -> Unavailable:
        return Unavailable(
            f"cannot {doing} the archive folder {self._root}: {why}",
            remedy="make room, or set DATA_DIR to a folder that this user may write to",
        )


def _write_synchronised(path: Path, data: bytes) -> None:
    with path.open("xb") as file:
        file.write(data)
        file.flush()
        os.fsync(file.fileno())


def _synchronise_folder(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _files_below(start: Path) -> Iterator[str]:
    for folder, below, files in os.walk(start):
        below[:] = [name for name in below if not name.startswith(".")]
        for name in files:
            if not name.startswith("."):
                yield f"{folder}/{name}"
