"""A real soft IOC in a process of its own, over Channel Access and PVAccess, under a random prefix.

    with SoftIoc.types() as ioc:          # one record of each kind, see records.py
        address = ioc.pv("DOUBLE")        # "T1f3a9c0e:DOUBLE"
        settings = ioc.settings           # EpicsSettings with which a client finds it
    with SoftIoc.scale(40_000, moving=1_000, rate_hz=10) as ioc:
        ioc.names                         # 40,000 names, the first 1,000 of them move
    ioc.kill(); ioc.restart(); ioc.pause(); ioc.resume()

libca reads its environment once a process. So all IOCs of one test process take their ports from one set of
`PLACES`, and the client settings of each of them name all places: a second IOC is found by a client that
was set up for the first.
"""

from __future__ import annotations

import os
import secrets
import signal
import subprocess
import sys
import tempfile
from collections.abc import Callable, Mapping
from pathlib import Path
from types import TracebackType
from typing import Self

from backend.src.config.settings import EpicsSettings
from backend.src.demonstration.soft_ioc import READY, IocPorts, client_environment
from tests.servers.ports import free_port
from tests.servers.records import ACCESS_SECURITY, scale_database, scale_names, types_database

PLACES = 6
ROOT = Path(__file__).resolve().parents[2]
START_TIMEOUT_S = 30.0

_repeater = free_port()
_places = tuple(IocPorts(free_port(), free_port(), free_port(), _repeater) for _ in range(PLACES))
_free_places = list(reversed(_places))

CLIENT_ENVIRONMENT: Mapping[str, str] = client_environment(_places)


def borrow_place() -> IocPorts:
    """Ports that no other server of this process uses."""
    return _free_places.pop()


def give_back_place(ports: IocPorts) -> None:
    """They may be used again."""
    _free_places.append(ports)


class IocDied(RuntimeError):
    """The IOC ended before it was ready; the message holds what it wrote."""


class SoftIoc:
    """One IOC process. Its database is a function of the prefix."""

    def __init__(self, database: Callable[[str], str], *, prefix: str | None = None) -> None:
        self.prefix = prefix or f"T{secrets.token_hex(4)}:"
        self.names: tuple[str, ...] = ()
        self._text = database(self.prefix)
        self._process: subprocess.Popen[bytes] | None = None
        self._folder: tempfile.TemporaryDirectory[str] | None = None
        self._ports: IocPorts | None = None

    @classmethod
    def types(cls) -> Self:
        """One record of each kind (records.py)."""
        return cls(types_database)

    @classmethod
    def scale(cls, count: int, *, moving: int = 0, rate_hz: float = 1.0) -> Self:
        """`count` writable doubles; the first `moving` count up, at 10, 5, 2, 1, 0.5, 0.2 or 0.1 Hz."""
        made = cls(lambda prefix: scale_database(prefix, count, moving, rate_hz))
        made.names = scale_names(made.prefix, count)
        return made

    def pv(self, name: str) -> str:
        """The full name of a record, or of a field of it."""
        return self.prefix + name

    @property
    def ports(self) -> IocPorts:
        """Where it listens; the same after a restart."""
        if self._ports is None:
            raise RuntimeError("the IOC has no ports before it is started")
        return self._ports

    @property
    def pid(self) -> int:
        """The number of its process."""
        return self._running().pid

    @property
    def environment(self) -> dict[str, str]:
        """The EPICS_* variables of a client process that shall find this IOC."""
        return dict(CLIENT_ENVIRONMENT)

    @property
    def settings(self) -> EpicsSettings:
        """The same as a section of Settings."""
        return client_settings()

    def __enter__(self) -> Self:
        self._ports = borrow_place()
        self._folder = tempfile.TemporaryDirectory(prefix="soft-ioc-")
        folder = Path(self._folder.name)
        (folder / "records.db").write_text(self._text, encoding="utf-8", errors="surrogateescape")
        (folder / "access.acf").write_text(ACCESS_SECURITY)
        self._start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.kill()
        if self._folder is not None:
            self._folder.cleanup()
            self._folder = None
        if self._ports is not None:
            give_back_place(self._ports)
            self._ports = None

    def _start(self) -> None:
        assert self._folder is not None
        folder = Path(self._folder.name)
        command = [
            sys.executable, "-m", "backend.src.demonstration.soft_ioc", str(folder / "records.db"),
            f"--access={folder / 'access.acf'}", *self.ports.arguments(),
        ]  # fmt: skip
        with (folder / "ioc.log").open("ab") as log:
            # a process group of its own: Ctrl-C is for the tests, and the kernel wakes it when it is paused as they die
            self._process = subprocess.Popen(
                command, cwd=ROOT, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=log, process_group=0
            )
        assert self._process.stdout is not None
        if self._process.stdout.readline().decode().strip() != READY:
            self.kill()
            raise IocDied((folder / "ioc.log").read_text())

    def _running(self) -> subprocess.Popen[bytes]:
        if self._process is None:
            raise RuntimeError("the IOC is not running")
        return self._process

    def kill(self) -> None:
        """Ends it at once, as a crash would: its clients see a closed socket. Harmless when it does not run."""
        process, self._process = self._process, None
        if process is None:
            return
        process.kill()
        process.wait()
        if process.stdout is not None:
            process.stdout.close()

    def restart(self) -> None:
        """Starts it again on the same ports, with its values as they were at first."""
        self.kill()
        self._start()

    def pause(self) -> None:
        """Stops it without closing anything: it no longer answers."""
        os.kill(self._running().pid, signal.SIGSTOP)

    def resume(self) -> None:
        """Goes on after `pause`."""
        os.kill(self._running().pid, signal.SIGCONT)


def client_settings() -> EpicsSettings:
    """The settings with which a client finds every IOC of this test process."""
    environment = CLIENT_ENVIRONMENT
    return EpicsSettings(
        ca_addr_list=environment["EPICS_CA_ADDR_LIST"],
        ca_auto_addr_list=False,
        ca_server_port=int(environment["EPICS_CA_SERVER_PORT"]),
        pva_addr_list=environment["EPICS_PVA_ADDR_LIST"],
        pva_auto_addr_list=False,
        pva_broadcast_port=int(environment["EPICS_PVA_BROADCAST_PORT"]),
    )
