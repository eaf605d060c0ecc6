"""What only a folder can get wrong."""

from __future__ import annotations

import os
import time
from pathlib import Path

import pytest

from backend.src.core.errors import Unavailable
from backend.src.infra.bucket.folder_store import ABANDONED_AFTER_S, INCOMING, FolderStore


@pytest.fixture
def store(tmp_path: Path) -> FolderStore:
    made = FolderStore(tmp_path / "archives")
    made.open()
    return made


def test_nothing_is_left_beside_the_objects(store: FolderStore, tmp_path: Path) -> None:
    store.put("a/b/c", b"x", "text/plain")
    store.delete("a/b/c")
    assert [path.name for path in (tmp_path / "archives").rglob("*")] == [INCOMING]


def test_what_a_crash_left_is_removed_at_the_next_start_when_it_is_old(store: FolderStore, tmp_path: Path) -> None:
    incoming = tmp_path / "archives" / INCOMING
    for name, age_s in (("old", ABANDONED_AFTER_S + 60), ("young", 1)):
        (incoming / name).write_bytes(b"half")
        os.utime(incoming / name, times=(time.time() - age_s,) * 2)
    store.open()
    assert [path.name for path in incoming.iterdir()] == ["young"], "another process may be writing the young one"
    assert store.keys("") == []


def test_a_failed_write_leaves_the_old_object_and_no_rest(
    store: FolderStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    store.put("key", b"old", "text/plain")

    def full(descriptor: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(Unavailable, match="No space left on device") as failure:
        store.put("key", b"new", "text/plain")
    assert "make room" in str(failure.value.remedy)
    assert store.get("key") == b"old"
    assert list((tmp_path / "archives" / INCOMING).iterdir()) == []


def test_a_folder_that_vanished_is_unavailable(store: FolderStore, tmp_path: Path) -> None:
    (tmp_path / "archives" / INCOMING).rmdir()
    with pytest.raises(Unavailable, match="not there or not writable"):
        store.ping()
