"""The demonstration machine: `python -m backend.src.demonstration.machine --pvs 200`.

One process holds a soft IOC (Channel Access and PVAccess) and a camera on PVAccess alone; a second soft IOC, the
rack, is switched off and on again. When all answer, one line of JSON goes to standard output:

    {"pvs": 200, "environment": {"EPICS_CA_ADDR_LIST": "127.0.0.1:18211 127.0.0.1:20455", ...}}

It ends with SIGINT, SIGTERM or the process that started it, and leaves no process and no file.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path

from backend.src.demonstration.catalogue import write_catalogue
from backend.src.demonstration.layout import camera_name, image_name, points
from backend.src.demonstration.points import Place, Point
from backend.src.demonstration.ports import free_port
from backend.src.demonstration.pva_only import Camera
from backend.src.demonstration.soft_ioc import (
    IocPorts,
    block_stop_signals,
    client_environment,
    own_output,
    start_ioc,
    wait_for_stop,
)

RACK_ON_S = 25.0
RACK_OFF_S = 8.0


class Rack:
    """The second IOC, which has a loose contact."""

    def __init__(self, database: int, ports: IocPorts, monotonic: Callable[[], float] = time.monotonic) -> None:
        """`database` is a descriptor of its records' text."""
        self._database, self._ports, self._monotonic = database, ports, monotonic
        self._process: subprocess.Popen[bytes] | None = None
        self._switch_at = 0.0

    def switch(self) -> None:
        """On when it is off, off when it is on, as soon as its time has come."""
        if self._monotonic() < self._switch_at:
            return
        if self._process is None:
            self._on()
        else:
            self.off()
        self._switch_at = self._monotonic() + (RACK_OFF_S if self._process is None else RACK_ON_S)

    def _on(self) -> None:
        command = [sys.executable, "-m", "backend.src.demonstration.soft_ioc", _path(self._database)]
        self._process = subprocess.Popen(
            [*command, *self._ports.arguments()],
            stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
            pass_fds=[self._database], process_group=0,
        )  # fmt: skip

    def off(self) -> None:
        """As when somebody trips over its cable."""
        process, self._process = self._process, None
        if process is not None:
            process.kill()
            process.wait()


def run(total: int, prefix: str, main_ports: IocPorts, parent: int, announce: Callable[[str], None]) -> None:
    """Serves the machine until it shall stop; `announce` gets the line that says it is ready."""
    rack_ports, camera_ports = (_free_ports(main_ports.repeater) for _ in range(2))
    machine = points(total, prefix=prefix)
    rack = Rack(_memory_file("rack", _records(machine, Place.RACK)), rack_ports)
    rack.switch()
    start_ioc(Path(_path(_memory_file("machine", _records(machine, Place.MAIN)))), main_ports)
    camera = Camera(camera_name(prefix))
    server = camera.serve(camera_ports.pva, camera_ports.pva_broadcast)
    try:
        environment = client_environment([main_ports, rack_ports], pva_only=[camera_ports])
        # not an EPICS_* variable, but as necessary: an image is no process variable of the catalogue
        environment["CAMERA_PVS"] = image_name(prefix)
        announce(json.dumps({"pvs": total, "environment": environment}))
        wait_for_stop(_each(rack.switch, camera.take_frame), parent=parent)
    finally:
        rack.off()
        camera.stop()
        server.stop()


def _each(*steps: Callable[[], None]) -> Callable[[], None]:
    def tick() -> None:
        for step in steps:
            step()

    return tick


def _records(machine: Sequence[Point], place: Place) -> str:
    return "".join(point.records for point in machine if point.place is place)


def _memory_file(name: str, text: str) -> int:
    """A file that nobody has to clean up."""
    descriptor = os.memfd_create(name)
    with os.fdopen(descriptor, "w", encoding="utf-8", closefd=False) as file:
        file.write(text)
    return descriptor


def _path(descriptor: int) -> str:
    return f"/proc/self/fd/{descriptor}"


def _free_ports(repeater: int) -> IocPorts:
    return IocPorts(free_port(), free_port(), free_port(), repeater)


def main(arguments: Sequence[str] | None = None) -> None:
    """Parses the command line and serves."""
    parser = argparse.ArgumentParser(description="A small accelerator, simulated, on loopback.")
    parser.add_argument("--pvs", type=int, default=200, help="how many process variables (default 200)")
    parser.add_argument("--prefix", default="", help="put before every name")
    parser.add_argument("--ca-port", type=int, default=0, help="Channel Access port; 0 takes a free one")
    parser.add_argument("--pva-port", type=int, default=0, help="PVAccess port; 0 takes a free one")
    parser.add_argument("--write-catalogue", type=Path, metavar="FILE", help="also write the PV list as CSV")
    options = parser.parse_args(arguments)
    parent = os.getppid()
    block_stop_signals()
    output = own_output()
    if options.write_catalogue:
        write_catalogue(options.write_catalogue, options.pvs, prefix=options.prefix)
    ports = IocPorts(options.ca_port or free_port(), options.pva_port or free_port(), free_port(), free_port())
    run(options.pvs, options.prefix, ports, parent, lambda line: _write_line(output, line))
    os._exit(0)  # EPICS' own exit waits for threads that have nothing left to do


def _write_line(output: int, line: str) -> None:
    os.write(output, f"{line}\n".encode())


if __name__ == "__main__":
    main()
