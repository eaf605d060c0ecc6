"""Reading many channels at once, afresh: values with alarm and time stamp, and units, precision, limits and choices.

Scalars go through synchronous groups into NumPy buffers. Arrays and long strings take a get callback each,
for only that delivers the present number of elements.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Sequence

import numpy as np
import numpy.typing as npt

from backend.src.infra.epics import dbr, libca
from backend.src.infra.epics.ca_channels import Channel
from backend.src.infra.epics.ca_metadata import by_native
from backend.src.infra.epics.ca_thread import ChannelAccess
from backend.src.infra.epics.frame import Flag, Frame, Rows, ValueType, empty_frame
from backend.src.infra.epics.sync_group import SyncGroup


class BulkRead:
    """One forced read; reports a Frame aligned with the names, absent PVs being rows of type NONE."""

    def __init__(
        self, access: ChannelAccess, names: Sequence[str], timeout_s: float, report: Callable[[Frame | Exception], None]
    ) -> None:
        self._access = access
        self._names = names
        self._timeout_s = timeout_s
        self._report = report
        self._deadline = 0.0
        self._places: dict[Channel, int] = {}  # the row of each distinct channel
        self._rows_of_names = np.zeros(0, np.int64)
        self._waiting: set[Channel] = set()
        self._values: list[SyncGroup] = []
        self._controls: list[SyncGroup] = []
        self._replies: dict[int, Channel] = {}
        self._frame = empty_frame(0)

    def begin(self) -> None:
        """Asks the connected at once; waits for the others unless they were searched for long enough already."""
        now = time.monotonic()
        self._deadline = now + self._timeout_s
        distinct = {name: row for row, name in enumerate(dict.fromkeys(self._names))}
        channels = self._access.channels.acquire(distinct)
        self._places = {channel: row for row, channel in enumerate(channels)}
        self._rows_of_names = np.array([distinct[name] for name in self._names], np.int64)
        self._frame = empty_frame(len(channels))
        self._waiting = {
            channel for channel in channels if not channel.connected and now - channel.searching_since < self._timeout_s
        }
        self._ask(channel for channel in channels if channel.connected)

    def channels_connected(self, channels: Sequence[Channel]) -> None:
        """Asks those that this read was waiting for."""
        found = [channel for channel in channels if channel in self._waiting]
        self._waiting.difference_update(found)
        self._ask(channel for channel in found if channel.connected)

    def _ask(self, channels: Iterable[Channel]) -> None:
        for native, group in by_native(channels).items():
            scalars = [channel for channel in group if channel.scalar]
            if scalars:
                self._values.append(_sent(SyncGroup.values(scalars, native)))
            for channel in group:
                if not channel.scalar:
                    self._ask_array(channel)
            if native != dbr.STRING:
                self._controls.append(_sent(SyncGroup.controls(group, native)))

    def _ask_array(self, channel: Channel) -> None:
        token = self._access.expect(self._note_array)
        self._replies[token] = channel
        status = libca.array_get_callback(dbr.TIME + channel.native, 0, channel.chid, self._access.on_reply, token)
        if status != libca.ECA_NORMAL:
            self._replies.pop(token)
            self._access.forget([token])

    def _note_array(self, token: int, status: int, count: int, raw: bytes) -> None:
        channel = self._replies.pop(token)
        if status == libca.ECA_NORMAL and raw:
            place = self._places[channel]
            row = self._frame.rows[place : place + 1]
            value = dbr.array_row(channel.native, count, raw, long_string=channel.long_string, row=row)
            row["flags"] |= np.uint8(Flag.CONNECTED)
            self._frame.objects[place] = value

    def advance(self, now: float) -> bool:
        """Over when everything came, or at the deadline with what came."""
        late = now >= self._deadline
        if not late and (self._waiting or self._replies or not self._groups_complete()):
            return False
        self._finish()
        return True

    def fail(self, error: Exception) -> None:
        """Reports the error."""
        for group in (*self._values, *self._controls):
            group.close()
        self._access.channels.release(self._places)
        self._report(error)

    def _groups_complete(self) -> bool:
        return all(group.is_complete() for group in (*self._values, *self._controls))

    def _finish(self) -> None:
        for group in (*self._values, *self._controls):
            group.close()  # before its buffer is read: from here on nothing is written to it
        self._access.forget(tuple(self._replies))
        for group in self._values:
            self._take_values(group)
        for group in self._controls:
            self._take_controls(group)
        self._note_stamps()
        self._access.channels.release(self._places)
        self._report(_spread(self._frame, self._rows_of_names))

    def _take_values(self, group: SyncGroup) -> None:
        stamped, places = self._arrived(group)
        rows = self._frame.rows[places]
        rows["flags"] = Flag.CONNECTED
        texts = dbr.scalar_rows(group.native, stamped, rows)
        self._frame.rows[places] = rows
        if texts is not None:
            self._frame.objects.update(zip(places.tolist(), texts, strict=True))

    def _take_controls(self, group: SyncGroup) -> None:
        control, places = self._arrived(group)
        self._frame.meta[places] = dbr.meta_rows(group.native, control, self._frame.interned)
        self._frame.rows["flags"][places] |= np.uint8(Flag.METADATA)

    def _arrived(self, group: SyncGroup) -> tuple[Rows, npt.NDArray[np.int64]]:
        came = dbr.arrived(group.buffer)
        places = np.array([self._places[channel] for channel in group.channels], np.int64)
        return group.buffer[came], places[came]

    def _note_stamps(self) -> None:
        rows = self._frame.rows
        read = (rows["flags"] & Flag.CONNECTED) != 0
        rows["received_ns"][read] = time.time_ns()
        rows["flags"][~read] &= np.uint8(~Flag.METADATA & 0xFF)
        rows["flags"][read & (rows["type"] == ValueType.STRING)] |= np.uint8(Flag.METADATA)  # there is none to read
        writable = [bool(channel.connected and libca.write_access(channel.chid)) for channel in self._places]
        rows["flags"][read & np.array(writable, bool)] |= np.uint8(Flag.WRITABLE)


def _sent(group: SyncGroup) -> SyncGroup:
    group.send()
    return group


def _spread(frame: Frame, rows_of_names: npt.NDArray[np.int64]) -> Frame:
    """The frame of the names as they were asked, where one may occur twice."""
    if len(rows_of_names) == len(frame):
        return frame
    objects = {at: frame.objects[row] for at, row in enumerate(rows_of_names.tolist()) if row in frame.objects}
    return Frame(frame.rows[rows_of_names], frame.meta[rows_of_names], objects, frame.interned)
