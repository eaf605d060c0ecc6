"""A real redis-server on loopback, over TCP and a Unix socket; its data in a temporary folder, gone afterwards."""

from __future__ import annotations

import contextlib
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
import redis

from backend.src.config.settings import CacheSettings
from tests.servers.ports import free_port

START_TIMEOUT_S = 20.0


class RedisServer:
    """One server; `kill` and `start` again keep its port, and its data as they were at the last `save`."""

    def __init__(self, folder: Path) -> None:
        self.host = "127.0.0.1"
        self.port = free_port()
        self.socket = str(folder / "redis.sock")
        self._folder = folder
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Starts it and waits until it answers."""
        program = shutil.which("redis-server")
        if program is None:
            raise RuntimeError("redis-server is not installed: apt-get install redis-server")
        with (self._folder / "server.log").open("ab") as log:
            self._process = subprocess.Popen(
                [
                    program, "--bind", self.host, "--port", str(self.port), "--unixsocket", self.socket,
                    "--dir", str(self._folder), "--save", "", "--appendonly", "no", "--daemonize", "no",
                ],
                stdout=log, stderr=log,
            )  # fmt: skip
        self._await_answer()

    def _await_answer(self) -> None:
        deadline = time.monotonic() + START_TIMEOUT_S
        while True:
            try:
                with self.client() as client:
                    client.ping()
                return
            except (redis.ConnectionError, redis.TimeoutError):
                if time.monotonic() > deadline or self._process is None or self._process.poll() is not None:
                    raise RuntimeError((self._folder / "server.log").read_text()[-3000:]) from None
                time.sleep(0.02)

    def client(self) -> redis.Redis:
        """A plain client of it."""
        return redis.Redis(host=self.host, port=self.port, socket_timeout=5)

    def save(self) -> None:
        """Writes what it holds now to disk: the next `start` brings it back."""
        with self.client() as client:
            client.save()

    def forget(self) -> None:
        """Removes what was saved: the next `start` begins empty."""
        (self._folder / "dump.rdb").unlink(missing_ok=True)

    def kill(self) -> None:
        """kill -9."""
        self._signal(signal.SIGKILL)
        if self._process is not None:
            self._process.wait()
            self._process = None

    def freeze(self) -> None:
        """It keeps its connections and answers nothing any more."""
        self._signal(signal.SIGSTOP)

    def thaw(self) -> None:
        """It goes on."""
        self._signal(signal.SIGCONT)

    def _signal(self, number: signal.Signals) -> None:
        if self._process is not None:
            self._process.send_signal(number)

    def settings(self, *, prefix: str = "larder", tcp: bool = False, timeout_s: float = 5.0) -> CacheSettings:
        """Settings that lead to it, by the Unix socket unless `tcp`.

        A killed one is known at once; the time-out is for a frozen one, not for a machine that stalls for a moment.
        """
        if tcp:
            return CacheSettings(host=self.host, port=self.port, prefix=prefix, timeout_s=timeout_s)
        return CacheSettings(socket=self.socket, prefix=prefix, timeout_s=timeout_s)


@contextlib.contextmanager
def running_redis() -> Iterator[RedisServer]:
    """A started server; a tenth of a second."""
    folder = Path(tempfile.mkdtemp(prefix="larder-redis-"))
    server = RedisServer(folder)
    try:
        server.start()
        yield server
    finally:
        server.kill()
        shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture(scope="session")
def redis_server() -> Iterator[RedisServer]:
    """One server for all tests; each takes a prefix of its own. Who kills one makes it with running_redis()."""
    with running_redis() as server:
        yield server
