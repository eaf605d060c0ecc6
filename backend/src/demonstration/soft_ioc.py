"""A soft IOC in this process: a record database on loopback over Channel Access and PVAccess (QSRV).

`python -m backend.src.demonstration.soft_ioc DATABASE --ca-port ... ` serves one file until SIGINT, SIGTERM or the
end of the process that started it.
"""

from __future__ import annotations

import argparse
import ctypes
import os
import signal
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import pvxslibs.path
from epicscorelibs import ioc
from setuptools_dso.runtime import find_dso

HOST = "127.0.0.1"
HASH_BUCKETS = 65_536  # the most that EPICS takes; with its default of 512, finding 50,000 names takes seconds
READY = "ready"
STOP_SIGNALS = frozenset({signal.SIGINT, signal.SIGTERM})


@dataclass(frozen=True, slots=True)
class IocPorts:
    """The ports of one IOC; each CA and PVA pair is taken for TCP and UDP alike."""

    ca: int
    pva: int
    pva_broadcast: int
    repeater: int  # where CA beacons go: nobody has to listen

    def arguments(self) -> list[str]:
        """What `main` takes to get these ports."""
        return [
            f"--ca-port={self.ca}", f"--pva-port={self.pva}",
            f"--pva-broadcast-port={self.pva_broadcast}", f"--repeater-port={self.repeater}",
        ]  # fmt: skip

    def server_environment(self) -> dict[str, str]:
        """Keeps the IOC and its beacons on loopback."""
        return {
            "EPICS_CAS_INTF_ADDR_LIST": HOST,
            "EPICS_CAS_SERVER_PORT": str(self.ca),
            "EPICS_CAS_BEACON_ADDR_LIST": HOST,
            "EPICS_CAS_AUTO_BEACON_ADDR_LIST": "NO",
            "EPICS_CAS_BEACON_PORT": str(self.repeater),
            "EPICS_CA_REPEATER_PORT": str(self.repeater),
            "EPICS_CA_MAX_ARRAY_BYTES": "16777216",
            "EPICS_PVAS_INTF_ADDR_LIST": HOST,
            "EPICS_PVAS_SERVER_PORT": str(self.pva),
            "EPICS_PVAS_BROADCAST_PORT": str(self.pva_broadcast),
            "EPICS_PVAS_BEACON_ADDR_LIST": HOST,
            "EPICS_PVAS_AUTO_BEACON_ADDR_LIST": "NO",
        }


def client_environment(servers: Sequence[IocPorts], *, pva_only: Sequence[IocPorts] = ()) -> dict[str, str]:
    """What a client needs in its environment to find exactly these servers."""
    return {
        "EPICS_CA_ADDR_LIST": " ".join(f"{HOST}:{ports.ca}" for ports in servers),
        "EPICS_CA_AUTO_ADDR_LIST": "NO",
        "EPICS_CA_SERVER_PORT": str(servers[0].ca),
        "EPICS_CA_REPEATER_PORT": str(servers[0].repeater),
        "EPICS_CA_MAX_ARRAY_BYTES": "16777216",
        "EPICS_PVA_ADDR_LIST": " ".join(f"{HOST}:{ports.pva_broadcast}" for ports in [*servers, *pva_only]),
        "EPICS_PVA_AUTO_ADDR_LIST": "NO",
        "EPICS_PVA_BROADCAST_PORT": str(servers[0].pva_broadcast),
    }


class IocFailed(RuntimeError):
    """A step of the IOC's start failed; EPICS said why on standard error."""


def start_ioc(database: Path, ports: IocPorts, *, access: Path | None = None) -> None:
    """Loads the records and serves them; once a process, EPICS knows no way back. Raises IocFailed."""
    os.environ.update(ports.server_environment())
    ioc.dbCore.dbPvdTableSize(HASH_BUCKETS)
    ioc.iocshRegisterCommon()
    _load_definitions("base.dbd", ioc.DEFAULT_DBD_PATH)
    _load_definitions("pvxsIoc.dbd", pvxslibs.path.dbd_path)
    ctypes.CDLL(find_dso("pvxslibs.lib.pvxsIoc"), ctypes.RTLD_GLOBAL)
    _expect_zero(ioc.registerRecordDeviceDriver(ioc.pdbbase), "registering record support")
    if access is not None:
        _expect_zero(ioc.dbCore.asSetFilename(os.fsencode(access)), f"reading {access}")
    _expect_zero(ioc.dbLoadRecords(os.fsencode(database), None), f"loading {database}")
    _expect_zero(ioc.iocInit(), "iocInit")


def _load_definitions(name: str, folder: str) -> None:
    _expect_zero(ioc.dbLoadDatabase(name.encode(), folder.encode(), None), f"loading {name}")


def _expect_zero(status: int, step: str) -> None:
    if status:
        raise IocFailed(f"{step} failed with status {status}")


def own_output() -> int:
    """Silences what EPICS prints about its start (errors go to standard error) and returns the real standard output."""
    output = os.dup(1)
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, 1)
    os.close(nowhere)
    return output


def block_stop_signals() -> None:
    """Before any thread starts, so that all threads leave them to `wait_for_stop`."""
    signal.pthread_sigmask(signal.SIG_BLOCK, STOP_SIGNALS)
    for number in STOP_SIGNALS:
        signal.signal(number, _pass_on)


def _pass_on(number: int, _frame: object) -> None:
    """For a signal that met a thread which NumPy began as it was imported: without this it would end the process."""
    signal.pthread_kill(threading.get_ident(), number)  # Python calls handlers on the main thread alone


def wait_for_stop(tick: Callable[[], None], *, parent: int, interval_s: float = 0.5) -> None:
    """Calls `tick` at intervals until SIGINT, SIGTERM or the end of process `parent`."""
    while os.getppid() == parent:
        got = signal.sigtimedwait(STOP_SIGNALS, interval_s)
        # stopped (SIGSTOP) for longer than the interval and continued, it returns a signal of number 0
        if got is not None and got.si_signo in STOP_SIGNALS:
            return
        tick()


def main(arguments: Sequence[str] | None = None) -> None:
    """Serves one database file."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("database", type=Path)
    parser.add_argument("--access", type=Path, help="access security file")
    add_port_arguments(parser)
    options = parser.parse_args(arguments)
    parent = os.getppid()
    block_stop_signals()
    output = own_output()
    start_ioc(options.database, chosen_ports(options), access=options.access)
    os.write(output, f"{READY}\n".encode())
    wait_for_stop(lambda: None, parent=parent)
    os._exit(0)  # nothing to save, and EPICS' own exit waits for its threads


def add_port_arguments(parser: argparse.ArgumentParser) -> None:
    """The four ports of an IOC."""
    for name in ("ca", "pva", "pva-broadcast", "repeater"):
        parser.add_argument(f"--{name}-port", type=int, required=True)


def chosen_ports(options: argparse.Namespace) -> IocPorts:
    """The ports given by the arguments of `add_port_arguments`."""
    return IocPorts(options.ca_port, options.pva_port, options.pva_broadcast_port, options.repeater_port)


if __name__ == "__main__":
    main()
