"""The demonstration's beam profile monitor: a screen in the injector, as an area detector would send it (NTNDArray).

12 bits of 16, mono, ten frames a second. The spot wanders and breathes; nothing is computed while nobody looks.
"""

from __future__ import annotations

import math
import threading
import time
from typing import Any

import numpy as np
import numpy.typing as npt
from p4p.nt import NTNDArray
from p4p.server.thread import SharedPV

WIDTH, HEIGHT = 320, 240
RATE_HZ = 10.0
PEAK = 3200.0  # of 4095
NOISE = 60

Image = npt.NDArray[np.uint16]


class BeamCamera:
    """One image PV and the thread that exposes it."""

    def __init__(self) -> None:
        self._noise = np.random.default_rng(186).integers(0, NOISE, (HEIGHT, WIDTH * 2), np.uint16)
        self._frame = 0
        self._looking = threading.Event()
        self._ending = threading.Event()
        self._thread = threading.Thread(target=self._expose_for_ever, name="beam camera", daemon=True)
        self.pv = SharedPV(initial=self._wrapped(), handler=_Shutter(self._looking))

    def start(self) -> None:
        """Begins to expose."""
        self._thread.start()

    def stop(self) -> None:
        """Ends the thread."""
        self._ending.set()
        self._looking.set()
        self._thread.join()

    def _expose_for_ever(self) -> None:
        while not self._ending.wait(1 / RATE_HZ):
            self._looking.wait()
            self._frame += 1
            self.pv.post(self._wrapped())

    def _wrapped(self) -> Any:
        """As ADCore's PVA plugin fills it: the frame's number, its time, and what the camera was set to."""
        attributes = {"ColorMode": 0, "AcquireTime": 0.005, "Gain": 4, "Screen": "YAG"}
        value = NTNDArray().wrap(self.picture(self._frame), attrib=attributes, timestamp=time.time())
        value["uniqueId"] = self._frame
        value["dataTimeStamp"] = value["timeStamp"]
        return value

    def picture(self, frame: int) -> Image:
        """uint16[HEIGHT, WIDTH]: a spot on the noise of the sensor. A product of two curves, which is cheap."""
        x = WIDTH / 2 + 40 * math.sin(frame / 23)
        y = HEIGHT / 2 + 18 * math.sin(frame / 17 + 1)
        width = 26 + 5 * math.sin(frame / 41)
        columns = np.exp(-(((np.arange(WIDTH, dtype=np.float32) - x) / width) ** 2) / 2)
        rows = np.exp(-(((np.arange(HEIGHT, dtype=np.float32) - y) / 15) ** 2) / 2)
        spot = (PEAK * np.outer(rows, columns)).astype(np.uint16)
        shift = frame * 37 % WIDTH
        picture: Image = spot + self._noise[:, shift : shift + WIDTH]
        return picture


class _Shutter:
    """Open while somebody looks."""

    def __init__(self, looking: threading.Event) -> None:
        self._looking = looking

    def onFirstConnect(self, pv: SharedPV) -> None:
        self._looking.set()

    def onLastDisconnect(self, pv: SharedPV) -> None:
        self._looking.clear()
