"""Larder as four processes over the same servers: one answers, two may monitor, one works."""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

from tests.servers.larder import ROOT, Larder, clean_environment
from tests.servers.ports import free_port
from tests.servers.soft_ioc import SoftIoc

SECRET = "0123456789abcdef0123456789abcdef"


class Site:
    """Four processes and the machine that they look after."""

    def __init__(self, ioc: SoftIoc, environment: dict[str, str], folder: Path, stack: ExitStack) -> None:
        self.ioc = ioc
        self._environment = environment
        self._folder = folder
        self._stack = stack
        self.monitors = [self.process("monitor", number) for number in range(2)]
        self.worker = self.process("worker", 0)
        self.api = self.process("api", 0)

    def process(self, role: str, number: int) -> Larder:
        environment = {**self._environment, "ROLE": role}
        return self._stack.enter_context(Larder(self._folder / f"{role}{number}", environment))

    def environment(self, role: str) -> dict[str, str]:
        """Of a command on a machine where this role is configured and nothing runs."""
        return clean_environment(self._folder / "command", free_port(), {**self._environment, "ROLE": role})

    def import_all(self) -> None:
        """Every record of the machine becomes a PV."""
        rows = "\n".join(f"{name}," for name in self.ioc.names)
        content = f"Setpoint,Readback\n{rows}\n".encode()
        self.api.api.call("POST", "/v1/pvs/import", content=content, headers={"Content-Type": "text/csv"})

    def values(self) -> list[Any]:
        entries = self.api.api.call("POST", "/v1/pvs/live", json={"pv_names": list(self.ioc.names)})
        return [entries[name] for name in self.ioc.names]

    def fresh(self) -> bool:
        return all(entry["connected"] and not entry["stale"] for entry in self.values())

    def fresh_at_the_worker(self) -> bool:
        """Whose own copy of the table is what a snapshot is taken of."""
        api = self.worker.api
        connected = api.call("GET", "/v1/health/summary")["connected_pvs"]
        return bool(connected == len(self.ioc.names) and not api.call("GET", "/v1/health/stale")["count"])


@contextmanager
def four_processes(servers: Mapping[str, str], records: int, folder: Path) -> Iterator[Site]:
    """Started over these servers, whose database is empty, with a machine of its own; the catalogue is empty, too."""
    environment = {**servers, "SECRET_KEY": SECRET}
    migrate = [sys.executable, "-m", "backend.src", "migrate"]
    subprocess.run(migrate, cwd=ROOT, env=clean_environment(folder, 0, environment), check=True, timeout=60)
    with ExitStack() as stack:
        ioc = stack.enter_context(SoftIoc.scale(records))
        yield Site(ioc, {**environment, **ioc.environment}, folder, stack)


def until(condition: Any, timeout_s: float = 30.0) -> float:
    """Seconds until it held."""
    began = time.monotonic()
    while not condition():
        assert time.monotonic() - began < timeout_s
        time.sleep(0.1)
    return time.monotonic() - began
