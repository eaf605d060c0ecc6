"""The data folder: one server, one secret key, private files."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from backend.src.core.data_folder import DataFolder
from backend.src.core.errors import Busy, StartFailed


def mode(path: Path) -> int:
    return path.stat().st_mode & 0o777


def test_the_secret_key_is_made_once_and_private(tmp_path: Path) -> None:
    os.umask(0o022)
    folder = DataFolder(tmp_path)
    key = folder.secret_key()
    assert len(key) == 64 and DataFolder(tmp_path).secret_key() == key
    assert mode(tmp_path / "secret.key") == 0o600


def test_one_server_at_a_time(tmp_path: Path) -> None:
    first, second = DataFolder(tmp_path), DataFolder(tmp_path)
    first.lock()
    first.say_where("http://127.0.0.1:1234")
    with pytest.raises(Busy, match=r"process \d+, http://127\.0\.0\.1:1234"):
        second.lock()
    running = second.running_server()
    assert running is not None and running.url == "http://127.0.0.1:1234"
    assert mode(tmp_path / "server.json") == 0o600
    first.unlock()
    assert second.running_server() is None
    second.lock()
    second.unlock()


def test_a_killed_server_leaves_the_folder_free(tmp_path: Path) -> None:
    code = (
        "import sys, os, pathlib; from backend.src.core.data_folder import DataFolder\n"
        "folder = DataFolder(pathlib.Path(sys.argv[1])); folder.lock()\n"
        "folder.say_where('http://x'); os.kill(os.getpid(), 9)"
    )
    subprocess.run([sys.executable, "-c", code, str(tmp_path)], check=False)
    folder = DataFolder(tmp_path)
    assert (tmp_path / "server.json").exists() and folder.running_server() is None
    folder.lock()
    folder.unlock()


def test_damaged_files_do_not_count_as_a_server(tmp_path: Path) -> None:
    (tmp_path / "server.json").write_text('{"url": 3')
    assert DataFolder(tmp_path).running_server() is None


def test_a_folder_that_cannot_be_made_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(StartFailed, match="file") as caught:
        DataFolder(tmp_path / "file" / "data").make()
    assert "DATA_DIR" in str(caught.value.remedy)
