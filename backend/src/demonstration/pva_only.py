"""The camera of the demonstration machine, served over PVAccess alone."""

from __future__ import annotations

import math
import time
from typing import Any

import numpy as np
from p4p.nt import NTEnum, NTScalar
from p4p.server import Server, ServerOperation, StaticProvider
from p4p.server.thread import SharedPV

from backend.src.demonstration.beam_camera import BeamCamera
from backend.src.demonstration.soft_ioc import HOST

TRIGGER_MODES = ("Free run", "Beam", "Software")
COLUMNS = 256
FIRST_FRAME = 2**53 + 1  # so that it shows when a client takes it for a double


class Camera:
    """Seven PVs under `name`; those that may be set keep what they are given."""

    def __init__(self, name: str) -> None:
        self._name = name
        self._beam = BeamCamera()
        self._frame = FIRST_FRAME
        self._frames = SharedPV(nt=NTScalar("l", display=True), initial=self._frame, timestamp=time.time())
        self._profile = SharedPV(nt=NTScalar("ad", display=True), initial=_profile(0), timestamp=time.time())
        self._pvs = {
            "EXPOSURE": _settable(NTScalar("l", display=True, control=True), 1_000_000),
            "MODE": _settable(NTEnum(), {"index": 1, "choices": list(TRIGGER_MODES)}),
            "ENABLED": _settable(NTScalar("?"), True),
            "LABELS": _settable(NTScalar("as"), ["YAG screen", "Größe 5 µm", ""]),
            "FRAMES": self._frames,
            "PROFILE": self._profile,
            "IMAGE": self._beam.pv,
        }

    def serve(self, port: int, broadcast_port: int) -> Server:
        """Serves them on loopback until the server is stopped."""
        provider = StaticProvider("camera")
        for name, pv in self._pvs.items():
            provider.add(f"{self._name}:{name}", pv)
        conf = {
            "EPICS_PVAS_INTF_ADDR_LIST": HOST,
            "EPICS_PVAS_SERVER_PORT": str(port),
            "EPICS_PVAS_BROADCAST_PORT": str(broadcast_port),
            "EPICS_PVAS_BEACON_ADDR_LIST": HOST,
            "EPICS_PVAS_AUTO_BEACON_ADDR_LIST": "NO",
            "EPICS_PVA_BROADCAST_PORT": str(broadcast_port),
            "EPICS_PVA_ADDR_LIST": HOST,
            "EPICS_PVA_AUTO_ADDR_LIST": "NO",
        }
        self._beam.start()
        return Server(providers=[provider], conf=conf, useenv=False)

    def stop(self) -> None:
        """Ends the exposures."""
        self._beam.stop()

    def take_frame(self) -> None:
        """One more frame."""
        self._frame += 1
        now = time.time()
        self._frames.post(self._frame, timestamp=now)
        self._profile.post(_profile(self._frame - FIRST_FRAME), timestamp=now)


class _Keeper:
    """Keeps what a client puts."""

    def put(self, pv: SharedPV, operation: ServerOperation) -> None:
        pv.post(operation.value(), timestamp=time.time())
        operation.done()


def _settable(kind: Any, initial: object) -> SharedPV:
    return SharedPV(nt=kind, initial=initial, handler=_Keeper(), timestamp=time.time())


def _profile(frame: int) -> np.ndarray[Any, np.dtype[np.float64]]:
    """A spot that wanders."""
    columns = np.arange(COLUMNS)
    centre = COLUMNS / 2 + 20 * math.sin(frame / 10)
    return np.round(1000 * np.exp(-(((columns - centre) / 15) ** 2)), 1)
