"""PVs that only PVAccess can carry, in a process of their own, under a random prefix.

BOOLEAN BYTE UBYTE SHORT USHORT INT UINT LONG ULONG FLOAT DOUBLE STRING    NTScalar; the integers at their limits
<the same>:ARRAY                                                          NTScalarArray of two or three elements
ENUM                                                                       NTEnum, choices Off, Standby, On
READONLY                                                                   refuses every put
SLOW                                                                       a put completes after 0.5 s
TABLE                                                                      NTTable: no value that Larder keeps
COUNTER                                                                    counts up ten times a second
"""

from __future__ import annotations

import argparse
import os
import secrets
import signal
import subprocess
import sys
import time
from types import TracebackType
from typing import Any, Self

from p4p.nt import NTEnum, NTScalar, NTTable
from p4p.server import Server, ServerOperation, StaticProvider
from p4p.server.thread import SharedPV

from backend.src.config.settings import EpicsSettings
from backend.src.demonstration.soft_ioc import HOST, READY, IocPorts, block_stop_signals, own_output, wait_for_stop
from tests.servers.soft_ioc import ROOT, borrow_place, client_settings, give_back_place

SCALARS: dict[str, tuple[str, Any]] = {
    "BOOLEAN": ("?", True), "BYTE": ("b", -128), "UBYTE": ("B", 255), "SHORT": ("h", -32768), "USHORT": ("H", 65535),
    "INT": ("i", -(2**31)), "UINT": ("I", 2**32 - 1), "LONG": ("l", -(2**63)), "ULONG": ("L", 2**64 - 1),
    "FLOAT": ("f", 0.5), "DOUBLE": ("d", 1.0 / 3), "STRING": ("s", "µ, and longer than the forty bytes of a record"),
}  # fmt: skip
ARRAYS: dict[str, list[Any]] = {
    **{name: [value, 0, 1] for name, (_, value) in SCALARS.items()},
    "BOOLEAN": [True, False], "STRING": ["first", "", "µ"],
}  # fmt: skip
CHOICES = ("Off", "Standby", "On")


class PvaServer:
    """One server process on the ports of one of the places of soft_ioc.py."""

    def __init__(self) -> None:
        self.prefix = f"P{secrets.token_hex(4)}:"
        self._ports: IocPorts | None = None
        self._process: subprocess.Popen[bytes] | None = None

    def pv(self, name: str) -> str:
        """The full name, without pva://."""
        return self.prefix + name

    @property
    def settings(self) -> EpicsSettings:
        """With which a client finds it."""
        return client_settings()

    def __enter__(self) -> Self:
        self._ports = borrow_place()
        self.restart()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.kill()
        if self._ports is not None:
            give_back_place(self._ports)

    def restart(self) -> None:
        """Starts it (again) on the same ports."""
        self.kill()
        assert self._ports is not None
        command = [sys.executable, "-m", "tests.servers.pva_server", self.prefix]
        command += [str(self._ports.pva), str(self._ports.pva_broadcast)]
        self._process = subprocess.Popen(
            command, cwd=ROOT, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, process_group=0
        )
        assert self._process.stdout is not None
        if self._process.stdout.readline().decode().strip() != READY:
            self.kill()
            raise RuntimeError("the PVAccess server did not start")

    def kill(self) -> None:
        """Ends it at once."""
        process, self._process = self._process, None
        if process is None:
            return
        process.kill()
        process.wait()
        if process.stdout is not None:
            process.stdout.close()

    def pause(self) -> None:
        """It closes nothing and answers nothing."""
        assert self._process is not None
        os.kill(self._process.pid, signal.SIGSTOP)

    def resume(self) -> None:
        """It goes on."""
        assert self._process is not None
        os.kill(self._process.pid, signal.SIGCONT)


class _Keeper:
    """Keeps what it is given, after a while."""

    def __init__(self, delay_s: float = 0.0) -> None:
        self._delay_s = delay_s

    def put(self, pv: SharedPV, operation: ServerOperation) -> None:
        time.sleep(self._delay_s)
        pv.post(operation.value(), timestamp=time.time())
        operation.done()


class _Refuser:
    def put(self, pv: SharedPV, operation: ServerOperation) -> None:
        operation.done(error="this one cannot be written")


def _pvs() -> dict[str, SharedPV]:
    now = time.time()
    table = NTTable([("name", "s"), ("value", "d")])
    made = {
        "ENUM": SharedPV(nt=NTEnum(), initial={"index": 1, "choices": list(CHOICES)}, handler=_Keeper(), timestamp=now),
        "READONLY": SharedPV(nt=NTScalar("d"), initial=4.0, handler=_Refuser(), timestamp=now),
        "SLOW": SharedPV(nt=NTScalar("d"), initial=0.0, handler=_Keeper(0.5), timestamp=now),
        "TABLE": SharedPV(initial=table.wrap([{"name": "a", "value": 1.0}])),
        "COUNTER": SharedPV(nt=NTScalar("l"), initial=0, timestamp=now),
    }
    for name, (code, value) in SCALARS.items():
        display = code not in "?s"
        made[name] = SharedPV(
            nt=NTScalar(code, display=display, control=display, valueAlarm=display),
            initial=value, handler=_Keeper(), timestamp=now,
        )  # fmt: skip
        made[f"{name}:ARRAY"] = SharedPV(
            nt=NTScalar(f"a{code}"), initial=ARRAYS[name], handler=_Keeper(), timestamp=now
        )
    return made


def main() -> None:
    """Serves the PVs until it is told to stop or its parent ends."""
    parser = argparse.ArgumentParser()
    parser.add_argument("prefix")
    parser.add_argument("port")
    parser.add_argument("broadcast_port")
    options = parser.parse_args()
    parent = os.getppid()
    block_stop_signals()
    output = own_output()
    provider, pvs = StaticProvider("types"), _pvs()
    for name, pv in pvs.items():
        provider.add(options.prefix + name, pv)
    conf = {
        "EPICS_PVAS_INTF_ADDR_LIST": HOST, "EPICS_PVAS_SERVER_PORT": options.port,
        "EPICS_PVAS_BROADCAST_PORT": options.broadcast_port, "EPICS_PVAS_BEACON_ADDR_LIST": HOST,
        "EPICS_PVAS_AUTO_BEACON_ADDR_LIST": "NO", "EPICS_PVA_ADDR_LIST": HOST, "EPICS_PVA_AUTO_ADDR_LIST": "NO",
        "EPICS_PVA_BROADCAST_PORT": options.broadcast_port,
    }  # fmt: skip
    numbers = iter(range(1, 2**31))
    with Server(providers=[provider], conf=conf, useenv=False):
        os.write(output, f"{READY}\n".encode())
        wait_for_stop(lambda: pvs["COUNTER"].post(next(numbers), timestamp=time.time()), parent=parent, interval_s=0.1)
    os._exit(0)


if __name__ == "__main__":
    main()
