"""A real MariaDB on loopback: its data in a temporary folder, gone afterwards.

In memory where there is room: a schema is migrated there in 0.15 s, on a disk in a second.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import mysql.connector
import pytest

from backend.src.config.settings import Secret, SqlSettings
from tests.servers.ports import free_port

USER = "larder"
PASSWORD = "larder-test-password"
START_TIMEOUT_S = 60.0
MEMORY, ROOM_BYTES = Path("/dev/shm"), 2**32  # for several servers; a container has 64 MB unless told otherwise

_INIT = f"""\
CREATE USER IF NOT EXISTS '{USER}'@'127.0.0.1' IDENTIFIED BY '{PASSWORD}';
GRANT ALL ON *.* TO '{USER}'@'127.0.0.1';
"""

# Nothing here has to outlive the machine, but everything has to outlive a kill -9 of the server.
_OPTIONS = (
    "--innodb-flush-log-at-trx-commit=2",
    "--innodb-buffer-pool-size=64M",
    "--innodb-log-file-size=32M",
    "--innodb-lock-wait-timeout=3",
    "--skip-log-bin",
    "--skip-name-resolve",
    "--bind-address=127.0.0.1",
)


class MariaDb:
    """One server; `kill` and `start` again keep its port and its data."""

    def __init__(self, folder: Path) -> None:
        self.host = "127.0.0.1"
        self.port = free_port()
        self.user = USER
        self.password = PASSWORD
        self._folder = folder
        self._process: subprocess.Popen[bytes] | None = None
        self._databases = 0

    def install(self) -> None:
        """Makes the system tables; about a second."""
        _run(
            "mariadb-install-db", "--no-defaults", f"--datadir={self._data}", "--skip-test-db",
            "--auth-root-authentication-method=normal", *_as_whom(),
        )  # fmt: skip
        (self._folder / "init.sql").write_text(_INIT)

    @property
    def _data(self) -> Path:
        return self._folder / "data"

    def start(self) -> None:
        """Starts it and waits until it answers."""
        log = (self._folder / "server.log").open("ab")
        with log:
            self._process = subprocess.Popen(
                [
                    _binary("mariadbd"), "--no-defaults", f"--datadir={self._data}", f"--port={self.port}",
                    f"--socket={self._folder / 'sock'}", f"--pid-file={self._folder / 'pid'}",
                    f"--init-file={self._folder / 'init.sql'}", *_OPTIONS, *_as_whom(),
                ],
                stdout=log, stderr=log,
            )  # fmt: skip
        self._await_answer()

    def _await_answer(self) -> None:
        deadline = time.monotonic() + START_TIMEOUT_S
        while True:
            try:
                self._connect().close()
                return
            except mysql.connector.Error:
                if time.monotonic() > deadline or self._process is None or self._process.poll() is not None:
                    raise RuntimeError((self._folder / "server.log").read_text()[-3000:]) from None
                time.sleep(0.05)

    def kill(self) -> None:
        """kill -9."""
        if self._process is not None:
            self._process.send_signal(signal.SIGKILL)
            self._process.wait()
            self._process = None

    def freeze(self) -> None:
        """It keeps its connections and answers nothing any more."""
        assert self._process is not None
        self._process.send_signal(signal.SIGSTOP)

    def thaw(self) -> None:
        """It goes on."""
        assert self._process is not None
        self._process.send_signal(signal.SIGCONT)

    def database(self) -> SqlSettings:
        """Settings of a new, empty database on it."""
        self._databases += 1
        name = f"larder_{self._databases}"
        self.execute(f"CREATE DATABASE {name}")
        return self.settings(name)

    def settings(self, database: str) -> SqlSettings:
        """Settings that lead to one of its databases."""
        return SqlSettings(
            host=self.host, port=self.port, user=self.user, password=Secret(self.password), database=database, threads=4
        )

    def execute(self, statement: str) -> None:
        """Runs one statement as an administrator."""
        connection = self._connect()
        try:
            connection.cursor().execute(statement)
        finally:
            connection.close()

    def _connect(self) -> mysql.connector.MySQLConnection:
        return mysql.connector.connect(  # type: ignore[return-value]
            host=self.host, port=self.port, user=self.user, password=self.password,
            charset="utf8mb4", collation="utf8mb4_bin", autocommit=True, connection_timeout=5, use_pure=True,
        )  # fmt: skip


@contextlib.contextmanager
def running_mariadb() -> Iterator[MariaDb]:
    """A started server; about two seconds."""
    folder = Path(tempfile.mkdtemp(prefix="larder-mariadb-", dir=_in_memory()))
    server = MariaDb(folder)
    try:
        server.install()
        server.start()
        yield server
    finally:
        server.kill()
        shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture(scope="session")
def mariadb() -> Iterator[MariaDb]:
    """One server for all tests; each takes a `database()` of its own."""
    with running_mariadb() as server:
        yield server


def _in_memory() -> Path | None:
    """None for where other temporary files lie."""
    roomy = os.access(MEMORY, os.W_OK) and shutil.disk_usage(MEMORY).free > ROOM_BYTES
    return MEMORY if roomy else None


def _as_whom() -> list[str]:
    # the server refuses to run as root unless it is told to
    return ["--user=root"] if os.geteuid() == 0 else []


def _binary(name: str) -> str:
    path = shutil.which(name, path=f"{os.environ.get('PATH', '')}:/usr/sbin:/usr/local/sbin")
    if path is None:
        raise RuntimeError(f"{name} is not installed: apt-get install mariadb-server")
    return path


def _run(program: str, *arguments: str) -> None:
    done = subprocess.run([_binary(program), *arguments], capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise RuntimeError(f"{program} failed: {done.stdout[-1500:]}{done.stderr[-1500:]}")
