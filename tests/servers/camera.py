"""An area detector over PVAccess, in the process of the test: it sends what the test says, when it says so."""

from __future__ import annotations

import secrets
import threading
import time
from types import TracebackType
from typing import Any, Self

import numpy as np
from p4p import Value
from p4p.nt import NTNDArray
from p4p.server import Server, StaticProvider
from p4p.server.thread import SharedPV

from backend.src.demonstration.soft_ioc import HOST, IocPorts
from tests.servers.soft_ioc import borrow_place, give_back_place

RATE_HZ = 10.0


class Camera:
    """One image PV.

    with Camera() as camera:
        camera.send(pixels, Gain=3)   # one frame
        camera.run(pixels)            # the same again and again, at 10 Hz, each with a new number and time
        camera.unplug()               # its server ends; plug() brings it back
    """

    def __init__(self) -> None:
        self.name = f"C{secrets.token_hex(4)}:IMAGE"
        self._pv = SharedPV(initial=frame_of(np.zeros((2, 2), np.uint8), 0))
        self._number = 0
        self._ports: IocPorts | None = None
        self._server: Server | None = None
        self._paused = threading.Event()
        self._runner: threading.Thread | None = None

    def send(self, pixels: np.ndarray[Any, Any], **attributes: object) -> None:
        """One frame, with the present time."""
        self._number += 1
        self.post(frame_of(pixels, self._number, **attributes))

    def post(self, value: Value) -> None:
        """Any structure."""
        self._pv.post(value)

    def run(self, pixels: np.ndarray[Any, Any]) -> None:
        """Sends at 10 Hz until `pause`."""
        self.pause()
        self._paused.clear()
        self._runner = threading.Thread(target=self._run, args=(pixels,), daemon=True)
        self._runner.start()

    def pause(self) -> None:
        """Connected, and silent."""
        self._paused.set()
        if self._runner is not None:
            self._runner.join()

    def plug(self) -> None:
        """Serves it."""
        assert self._ports is not None
        provider = StaticProvider("camera")
        provider.add(self.name, self._pv)
        conf = {
            "EPICS_PVAS_INTF_ADDR_LIST": HOST, "EPICS_PVAS_SERVER_PORT": str(self._ports.pva),
            "EPICS_PVAS_BROADCAST_PORT": str(self._ports.pva_broadcast), "EPICS_PVAS_BEACON_ADDR_LIST": HOST,
            "EPICS_PVAS_AUTO_BEACON_ADDR_LIST": "NO", "EPICS_PVA_ADDR_LIST": HOST,
            "EPICS_PVA_AUTO_ADDR_LIST": "NO", "EPICS_PVA_BROADCAST_PORT": str(self._ports.pva_broadcast),
        }  # fmt: skip
        self._server = Server(providers=[provider], conf=conf, useenv=False)

    def unplug(self) -> None:
        """Its server is gone."""
        server, self._server = self._server, None
        if server is not None:
            server.stop()

    def __enter__(self) -> Self:
        self._ports = borrow_place()
        self.plug()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.pause()
        self.unplug()
        if self._ports is not None:
            give_back_place(self._ports)

    def _run(self, pixels: np.ndarray[Any, Any]) -> None:
        while not self._paused.wait(1 / RATE_HZ):
            self.send(pixels)


def frame_of(pixels: np.ndarray[Any, Any], number: int, **attributes: object) -> Value:
    """As areaDetector sends it; the shape is that of the wire, the slowest dimension first."""
    value = NTNDArray().wrap(pixels, attrib={"ColorMode": 0 if pixels.ndim == 2 else 2, **attributes})
    now = time.time_ns()
    value["uniqueId"] = number
    value["codec.name"] = ""  # said each time: a server keeps what a frame does not say
    value["timeStamp"] = {"secondsPastEpoch": now // 10**9, "nanoseconds": now % 10**9}
    return value
