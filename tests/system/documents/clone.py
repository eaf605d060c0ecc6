"""A folder that looks like a fresh clone after `make setup`, and the demonstration that runs in it."""

from __future__ import annotations

import os
import shlex
import signal
import subprocess
import sys
import time
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from typing import Self

import httpx

from tests.servers.larder import ROOT, clean_environment
from tests.servers.ports import free_port

READY_TIMEOUT_S = 120.0
LEFT_OUT = {"data", ".venv", ".env", ".git"}
READERS_ADDRESS = "127.0.0.1:5000"  # as every page has it


def make_clone(folder: Path) -> None:
    """Links to all that the repository has, and a .venv whose interpreter is the one that runs this."""
    for entry in ROOT.iterdir():
        if entry.name not in LEFT_OUT and not entry.name.startswith("."):
            (folder / entry.name).symlink_to(entry)
    interpreter = folder / ".venv" / "bin" / "python"
    interpreter.parent.mkdir(parents=True)
    interpreter.write_text(f'#!/bin/sh\nexec {shlex.quote(sys.executable)} "$@"\n')
    interpreter.chmod(0o755)


class Demonstration:
    """What `make run` starts, on a free port."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.address = f"127.0.0.1:{free_port()}"
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def printed(self) -> str:
        """What it has printed, at the address that the pages have."""
        return (self.folder / "demo.log").read_text().replace(self.address, READERS_ADDRESS)

    @property
    def key(self) -> str:
        return (self.folder / "data/demo/api.key").read_text().strip()

    def people(self, roles: Mapping[str, str], password: str) -> None:
        """Whom a page takes for granted: these of lab.example, and nobody else of it."""
        headers = {"X-API-Key": self.key}
        with httpx.Client(base_url=f"http://{self.address}", headers=headers, timeout=30) as client:
            for user in client.get("/v1/users", params={"q": "lab.example"}).json()["results"]:
                client.delete(f"/v1/users/{user['id']}").raise_for_status()
            for name, role in roles.items():
                body = {"email": f"{name}@lab.example", "name": name, "role": role, "password": password}
                client.post("/v1/users", json=body).raise_for_status()

    def environment(self) -> dict[str, str]:
        """A reader's, in a second terminal: curl fails where a reader would see that something is wrong."""
        home = self.folder / "home"
        home.mkdir(exist_ok=True)
        (home / ".curlrc").write_text("fail-with-body\nshow-error\n")
        path = f"{self.folder}/.venv/bin:{os.environ['PATH']}"
        # a page's own DATA_DIR goes before this one
        variables = clean_environment(
            Path("data/demo"), 0, {"HOME": str(home), "PATH": path, "NO_COLOR": "1", "PYTHONUNBUFFERED": "1"}
        )
        return {name: value for name, value in variables.items() if name not in ("PORT", "COLUMNS")}

    def __enter__(self) -> Self:
        _, _, port = self.address.partition(":")
        environment = {**self.environment(), "PORT": port, "DATA_DIR": "data", "LOGINS_PER_MINUTE": "0"}
        with (self.folder / "demo.log").open("wb") as log:
            self._process = subprocess.Popen(
                [sys.executable, "-m", "backend.src", "demo"], cwd=self.folder, env=environment,
                stdout=log, stderr=log,
            )  # fmt: skip
        try:
            self._wait_until_ready()
        except BaseException:
            self.stop()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    def stop(self) -> None:
        """Ctrl-C."""
        assert self._process is not None
        self._process.send_signal(signal.SIGINT)
        self._process.wait(60)

    def _wait_until_ready(self) -> None:
        assert self._process is not None
        deadline = time.monotonic() + READY_TIMEOUT_S
        while "Ctrl-C stops both" not in self.printed:
            assert self._process.poll() is None, self.printed
            assert time.monotonic() < deadline, self.printed
            time.sleep(0.1)
        assert httpx.get(f"http://{self.address}/health/ready", timeout=30).is_success
