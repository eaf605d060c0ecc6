"""The demonstration's two processes: started in order, watched, stopped in order."""

from __future__ import annotations

import json
import os
import secrets
import select
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import httpx

from backend.src.commands.api import TIMEOUT, Api, LocalToken
from backend.src.commands.printing import progress_bar, stdout
from backend.src.commands.temporary_server import stop, wait_until_ready
from backend.src.config.settings import Secret, Settings
from backend.src.core.data_folder import DataFolder
from backend.src.core.errors import Conflict, LarderError, NotFound, StartFailed, Unauthenticated
from backend.src.demonstration.layout import image_name

MACHINE_TIMEOUT_S = 60.0
CONNECT_TIMEOUT_S = 30.0
CONNECTED_ENOUGH = 0.9  # a few PVs of the machine come and go
POLL_S = 0.2
KEY_NAME = "demonstration"
ADMINISTRATOR = "admin@demonstration.example"
EMBEDDED = ("DB_HOST", "REDIS_HOST", "REDIS_SOCKET", "BUCKET_HOST", "SECRET_KEY", "ROLE")


class DemoRun:
    """A machine of `pvs` PVs and a server on it. Its data is kept in DATA_DIR/demo for the next start."""

    def __init__(self, settings: Settings, config: Path | None, pvs: int, stopping: threading.Event) -> None:
        self._settings = settings
        self._config = config
        self._pvs = pvs
        self._stopping = stopping
        self._folder = settings.server.data_dir / "demo"
        self._url = f"http://{settings.server.host}:{settings.server.port}"
        self._processes: list[subprocess.Popen[bytes]] = []
        self._token = ""
        self._password = ""

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for process in self._processes:
            process.terminate()  # all at once: neither needs the other to end
        for process in reversed(self._processes):
            stop(process)

    def start(self) -> None:
        """Machine, server, catalogue, key. Raises StartFailed with what the process that failed wrote."""
        began = time.monotonic()
        DataFolder(self._folder).make()
        stdout.print(f"starting the machine: {self._pvs} PVs over Channel Access and PVAccess")
        self._password = self._kept_password()
        environment = self._start_machine()
        stdout.print("starting the server")
        self._start_server(environment)
        with self.api() as api:
            self._load_catalogue(api)
            self._token = self._kept_key(api)
            self._wait_for_pvs(api)
        stdout.print(f"ready after {time.monotonic() - began:.1f} s")

    @contextmanager
    def api(self) -> Iterator[Api]:
        """The server, asked as its operator."""
        auth = LocalToken(Secret(DataFolder(self._folder).secret_key()))
        with httpx.Client(base_url=self._url, auth=auth, timeout=TIMEOUT) as client:
            yield Api(client)

    def banner(self) -> str:
        """How to reach what runs."""
        return f"""
Larder watches a demonstration machine of {self._pvs} PVs.

  address   {self._url}
  API key   {self._token}
  person    {ADMINISTRATOR}, password {self._password}: {self._url}/account/login
  try       curl -H 'X-API-Key: {self._token}' {self._url}/v1/health/summary
  camera    curl -H 'X-API-Key: {self._token}' {self._url}/v1/cameras/{image_name("")}/still -o beam.png
  tour      make tour, after this has stopped: snapshot, disturb, compare, restore, verify
  data      {self._folder} (kept for the next start), log in {self._log}

Ctrl-C stops both.
"""

    def wait(self) -> None:
        """Returns when asked to stop. Raises StartFailed when one of the two ended by itself."""
        while not self._stopping.wait(POLL_S):
            for name, process in zip(("machine", "server"), self._processes, strict=True):
                if process.poll() is not None and not self._stopping.is_set():
                    raise StartFailed(
                        f"the {name} ended with exit code {process.returncode}", remedy=f"see {self._log}"
                    )

    @property
    def _log(self) -> Path:
        return self._folder / "server.log"

    @property
    def _catalogue(self) -> Path:
        return self._folder / "catalogue.csv"

    def _start_machine(self) -> dict[str, str]:
        command = [sys.executable, "-m", "backend.src.demonstration.machine"]
        command += ["--pvs", str(self._pvs), "--write-catalogue", str(self._catalogue)]
        with self._log.open("wb") as log:
            machine = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=log)
        self._processes.append(machine)
        assert machine.stdout is not None
        with machine.stdout as output:
            ready, _, _ = select.select([output], [], [], MACHINE_TIMEOUT_S)
            line = output.readline() if ready else b""
        if not line:
            raise StartFailed("the demonstration machine did not start", remedy=f"see {self._log}")
        environment: dict[str, str] = json.loads(line)["environment"]
        return environment

    def _start_server(self, epics: dict[str, str]) -> None:
        # empty, not absent: an empty variable also overrules what .env says
        embedded = dict.fromkeys(EMBEDDED, "")
        person = {"ADMIN_EMAIL": ADMINISTRATOR, "ADMIN_PASSWORD": self._password}
        environment = {**os.environ, **embedded, **epics, **person, "DATA_DIR": str(self._folder)}
        command = [sys.executable, "-m", "backend.src", "serve"]
        command += ["--config", str(self._config)] if self._config else []
        with self._log.open("a+") as log:
            server = subprocess.Popen(command, env=environment, stdout=log, stderr=log)
            self._processes.append(server)
            wait_until_ready(self._url, server, log)

    def _load_catalogue(self, api: Api) -> None:
        self._check_stop()
        content = self._catalogue.read_bytes()
        report = api.call("POST", "/v1/pvs/import", content=content, headers={"Content-Type": "text/csv"})
        if report["created"] or report["updated"]:
            stdout.print(f"imported {report['created']} rows: setpoints and readbacks are {self._pvs} channels")

    def _kept_password(self) -> str:
        """Of the demonstration's administrator: another in every data folder, never one that a reader of this knows."""
        kept = self._folder / "admin.password"
        kept.touch(mode=0o600)
        if not kept.read_text():
            kept.write_text(secrets.token_urlsafe(15))
        return kept.read_text()

    def _kept_key(self, api: Api) -> str:
        """The token of an earlier start while it still opens the door, else a new one."""
        self._check_stop()
        kept = self._folder / "api.key"
        token = kept.read_text().strip() if kept.exists() else ""
        if token and self._opens(token):
            return token
        body = {"appName": KEY_NAME, "scopes": ["read", "write", "restore", "admin"]}
        token = str(self._new_key(api, body)["token"])
        kept.touch(mode=0o600)
        kept.write_text(token)
        return token

    def _opens(self, token: str) -> bool:
        with httpx.Client(base_url=self._url, headers={"X-API-Key": token}, timeout=TIMEOUT) as client:
            try:
                Api(client).call("GET", "/v1/api-keys/count")
            except (Unauthenticated, NotFound):
                return False
        return True

    def _new_key(self, api: Api, body: dict[str, Any]) -> Any:
        try:
            return api.call("POST", "/v1/api-keys", json=body)
        except Conflict:  # its token was lost: whoever holds it loses the door
            for key in api.call("GET", "/v1/api-keys"):
                if key["appName"] == KEY_NAME:
                    api.call("DELETE", f"/v1/api-keys/{key['id']}", params={"force": True})
            return api.call("POST", "/v1/api-keys", json=body)

    def _wait_for_pvs(self, api: Api) -> None:
        deadline = time.monotonic() + CONNECT_TIMEOUT_S
        with progress_bar(quiet=False) as progress:
            task = progress.add_task("connecting", total=self._pvs)
            while time.monotonic() < deadline:
                self._check_stop()
                summary = api.call("GET", "/v1/health/summary")
                progress.update(task, completed=summary["connected_pvs"], total=summary["total_pvs"])
                if summary["total_pvs"] and summary["connected_pvs"] >= CONNECTED_ENOUGH * summary["total_pvs"]:
                    return
                time.sleep(POLL_S)
        stdout.print(f"only {summary['connected_pvs']} of {summary['total_pvs']} PVs answer so far")

    def _check_stop(self) -> None:
        if self._stopping.is_set():
            raise LarderError("stopped before it was ready")
