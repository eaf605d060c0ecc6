"""One bulk request: the same structure of many channels, written by libca straight into one NumPy buffer."""

from __future__ import annotations

import ctypes
from collections.abc import Sequence
from itertools import repeat

import numpy as np

from backend.src.infra.epics import dbr, libca
from backend.src.infra.epics.ca_channels import Channel
from backend.src.infra.epics.frame import Rows

FEW = 5000  # so many missing answers are looked at one by one
CHUNK = 4000  # requests between two flushes: answers come while the next ones are sent


class SyncGroup:
    """n requests for one element each, of channels of one native type. No Python object is made an answer."""

    def __init__(self, channels: Sequence[Channel], native: int, layout: np.dtype[np.void], request: int) -> None:
        self.channels = channels
        self.native = native
        self.buffer: Rows = np.full(len(channels) * layout.itemsize, dbr.NEVER, np.uint8).view(layout)
        self._id = ctypes.c_uint()
        libca.sg_create(ctypes.byref(self._id))
        self._request = request
        self._refused: list[int] = []
        self._awaited = np.ones(len(channels), bool)

    @classmethod
    def values(cls, channels: Sequence[Channel], native: int) -> SyncGroup:
        """Asks for value, alarm and time stamp."""
        return cls(channels, native, dbr.TIME_LAYOUTS[native], dbr.TIME + native)

    @classmethod
    def controls(cls, channels: Sequence[Channel], native: int) -> SyncGroup:
        """Asks for units, precision, limits and choices."""
        return cls(channels, native, dbr.CONTROL_LAYOUTS[native], dbr.CTRL + native)

    def send(self) -> None:
        """Issues the requests. Lets other threads run, and answers arrive meanwhile."""
        base, size = self.buffer.ctypes.data, self.buffer.dtype.itemsize
        group, request = self._id.value, self._request
        for first in range(0, len(self.channels), CHUNK):
            chids = [channel.chid for channel in self.channels[first : first + CHUNK]]
            places = range(base + first * size, base + (first + len(chids)) * size, size)
            answers = map(libca.sg_array_get, repeat(group), repeat(request), repeat(1), chids, places)
            self._refused.extend(at for at, status in enumerate(answers, first) if status != libca.ECA_NORMAL)
            libca.flush_io()
        self._awaited[self._refused] = False

    def is_complete(self) -> bool:
        """Whether every answer is there, but those that a lost connection or a refusal keeps from coming.

        ca_sg_test would say, but in a preemptive context it takes two locks of libca in the wrong order, and
        then the process is aborted (EPICS 7.0.10).
        """
        missing = np.flatnonzero(self._awaited & ~dbr.arrived(self.buffer))
        if len(missing) > FEW:
            return False
        return not any(self.channels[at].connected for at in missing.tolist())

    def close(self) -> None:
        """Gives up what has not arrived: from here on libca leaves the buffer alone, and no answer is half written."""
        libca.sg_delete(self._id)
