"""Larder itself as a process, the way a user starts it.

with Larder(tmp_path, ioc.environment) as larder:
    larder.api.call("GET", "/v1/health/summary")
    larder.kill(); larder.start()
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Mapping
from dataclasses import fields
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import httpx

from backend.src.commands.api import Api, LocalToken
from backend.src.config.loading import environment_names
from backend.src.config.settings import Secret
from backend.src.core.data_folder import DataFolder
from tests.servers.ports import free_port

ROOT = Path(__file__).resolve().parents[2]
READY_TIMEOUT_S = 120.0


def clean_environment(data_dir: Path, port: int, extra: Mapping[str, str]) -> dict[str, str]:
    """This process's environment without Larder's own variables, then `extra`."""
    inherited = {name: value for name, value in os.environ.items() if name not in environment_names()}
    # tests log in more often than people do; tests/system/test_door.py sets its own limits
    return {**inherited, "DATA_DIR": str(data_dir), "PORT": str(port), "LOGINS_PER_MINUTE": "0", **extra}


def as_environment(*sections: Any) -> dict[str, str]:
    """The environment variables that say the same as sections of Settings."""
    variables = {}
    for section in sections:
        for option in fields(section):
            value = getattr(section, option.name)
            if option.metadata["env"]:
                variables[option.metadata["env"]] = value.reveal() if isinstance(value, Secret) else str(value)
    return variables


class Larder:
    """One server process on a free port. Its log is `data_dir`/server.log."""

    def __init__(self, data_dir: Path, environment: Mapping[str, str], *, config: Path | None = None) -> None:
        self.data_dir = data_dir
        self._arguments = () if config is None else (f"--config={config}",)
        self.url = ""
        self._extra = dict(environment)
        self._process: subprocess.Popen[bytes] | None = None
        self._client: httpx.Client | None = None

    @property
    def api(self) -> Api:
        """The HTTP interface, asked as the operator of the data folder."""
        assert self._client is not None
        return Api(self._client)

    @property
    def pid(self) -> int:
        assert self._process is not None
        return self._process.pid

    @property
    def log(self) -> str:
        """What it has logged so far, over all its starts."""
        return (self.data_dir / "server.log").read_text(errors="replace")

    def start(self) -> None:
        """Starts it and waits until it is ready."""
        port = free_port()
        self.url = f"http://127.0.0.1:{port}"
        self.data_dir.mkdir(parents=True, exist_ok=True)
        environment = clean_environment(self.data_dir, port, self._extra)
        with (self.data_dir / "server.log").open("ab") as log:
            command = [sys.executable, "-m", "backend.src", "serve", *self._arguments]
            self._process = subprocess.Popen(command, cwd=ROOT, env=environment, stdout=log, stderr=log)
        try:
            self._wait_until_ready()
        except BaseException:
            self._process.kill()
            self._process.wait()
            raise
        secret = self._extra.get("SECRET_KEY") or DataFolder(self.data_dir).secret_key()
        self._client = httpx.Client(base_url=self.url, auth=LocalToken(Secret(secret)), timeout=60)

    def stop(self) -> int:
        """Asks it to end and returns its exit code."""
        assert self._process is not None
        self._process.send_signal(signal.SIGTERM)
        return self.ended()

    def kill(self) -> None:
        """kill -9."""
        assert self._process is not None
        self._process.kill()
        self.ended()

    def ended(self) -> int:
        """Waits until it has ended, without asking it to, and returns its exit code."""
        assert self._process is not None
        if self._client is not None:
            self._client.close()
            self._client = None
        try:
            return self._process.wait(60)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
            raise

    def key(self, *scopes: str, name: str = "test") -> str:
        """The token of a new API key."""
        body = {"appName": name, "scopes": scopes}
        return str(self.api.call("POST", "/v1/api-keys", json=body)["token"])

    def wait_for(self, path: str, condition: Any, timeout_s: float = 30.0) -> Any:
        """Asks for `path` until `condition` of the answer holds, and returns that answer."""
        deadline = time.monotonic() + timeout_s
        while True:
            answer = self.api.call("GET", path)
            if condition(answer):
                return answer
            assert time.monotonic() < deadline, f"{path} still answers {str(answer)[:500]}"
            time.sleep(0.05)

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._process is not None and self._process.poll() is None:
            self.stop()

    def _wait_until_ready(self) -> None:
        assert self._process is not None
        deadline = time.monotonic() + READY_TIMEOUT_S
        with httpx.Client(base_url=self.url) as client:
            while time.monotonic() < deadline:
                assert self._process.poll() is None, f"the server ended: {self.log[-2000:]}"
                try:
                    if client.get("/health/ready").is_success:
                        return
                except httpx.TransportError:
                    pass
                time.sleep(0.02)
        raise AssertionError(f"not ready after {READY_TIMEOUT_S} s: {self.log[-2000:]}")
