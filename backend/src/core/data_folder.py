"""The folder that holds what this machine keeps: one server at a time, its secret key, where it answers."""

from __future__ import annotations

import fcntl
import json
import os
import secrets
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import IO

from backend.src.core.errors import Busy, StartFailed

LOCK_FILE = "larder.lock"
KEY_FILE = "secret.key"
WHERE_FILE = "server.json"
PRIVATE = 0o600


@dataclass(frozen=True, slots=True)
class RunningServer:
    """Where the server that holds the folder answers."""

    url: str
    pid: int


class DataFolder:
    """DATA_DIR. Everything in it that is a secret has mode 0600."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._lock: IO[str] | None = None

    def make(self) -> None:
        """Creates the folder. Raises StartFailed when it cannot be written."""
        try:
            self.path.mkdir(parents=True, exist_ok=True)
        except OSError as exc:
            raise self._not_writable(exc) from exc

    def lock(self) -> None:
        """Takes the folder for this process until unlock. Raises Busy when another server holds it."""
        self._lock = self._try_lock()
        if self._lock is None:
            raise Busy(self._held_by(), remedy="stop that server, or give this one another DATA_DIR")

    def unlock(self) -> None:
        """Gives the folder back; harmless when it was not held."""
        if self._lock is not None:
            (self.path / WHERE_FILE).unlink(missing_ok=True)
            self._lock.close()
            self._lock = None

    def secret_key(self) -> str:
        """The key that signs tokens, made at the first call. Raises StartFailed when it cannot be kept."""
        path = self.path / KEY_FILE
        try:
            return path.read_text().strip() or self._new_key(path)
        except FileNotFoundError:
            return self._new_key(path)
        except OSError as exc:
            raise StartFailed(f"cannot read {path}: {exc.strerror}", remedy="check who owns it") from exc

    def say_where(self, url: str) -> None:
        """Lets commands on this machine find the server."""
        _write_private(self.path / WHERE_FILE, json.dumps(asdict(RunningServer(url, os.getpid()))))

    def running_server(self) -> RunningServer | None:
        """The server that said it runs on this folder and is alive, None when there is none."""
        try:
            running = RunningServer(**json.loads((self.path / WHERE_FILE).read_text()))
            os.kill(running.pid, 0)
        except (OSError, ValueError, TypeError):
            return None
        return running

    def _try_lock(self) -> IO[str] | None:
        try:
            handle = (self.path / LOCK_FILE).open("a")
        except OSError as exc:
            raise self._not_writable(exc) from exc
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            handle.close()
            return None
        return handle

    def _new_key(self, path: Path) -> str:
        key = secrets.token_hex(32)
        try:
            _write_private(path, key)
        except OSError as exc:
            raise self._not_writable(exc) from exc
        return key

    def _held_by(self) -> str:
        running = self.running_server()
        who = f"process {running.pid}, {running.url}" if running else "it is starting or stopping"
        return f"another server uses {self.path} ({who})"

    def _not_writable(self, exc: OSError) -> StartFailed:
        message = f"cannot write to the data folder {self.path}: {exc.strerror}"
        return StartFailed(message, remedy="set DATA_DIR to a folder that this user may write to")


def _write_private(path: Path, text: str) -> None:
    """Written aside and renamed: a reader sees the old file or the new one, whole."""
    aside = path.with_name(f"{path.name}.{os.getpid()}")
    with os.fdopen(os.open(aside, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, PRIVATE), "w") as handle:
        handle.write(text)
    aside.replace(path)
