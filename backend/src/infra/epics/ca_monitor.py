"""The ingest made of ctypes callbacks.

A callback runs on one of libca's receive threads and does the least that Python can: it copies the structure
into bytes and stores them under the slot, in a dict for each kind of structure. Nothing is parsed there.
`drain` empties those dicts and parses each kind at once with NumPy. A dict entry is stored and popped
atomically, so the latest value is either taken or left for the next drain, never lost.

Metadata is read in bulk when a channel connects or reconnects, and again every METADATA_REFRESH_S: a second
subscription (DBE_PROPERTY) for each channel would double their number for what almost never changes.
"""

from __future__ import annotations

import ctypes
import logging
import threading
import time
from collections import deque
from collections.abc import Callable, Iterable, Sequence
from itertools import repeat
from typing import Any

import numpy as np

from backend.src.infra.epics import dbr, libca
from backend.src.infra.epics.ca_channels import Channel
from backend.src.infra.epics.ca_metadata import MetadataRead
from backend.src.infra.epics.ca_thread import ChannelAccess
from backend.src.infra.epics.frame import Flag, Rows, empty_meta, empty_rows
from backend.src.infra.epics.live_rows import LiveRows
from backend.src.infra.epics.outcomes import Changes, Slots

log = logging.getLogger(__name__)

METADATA_REFRESH_S = 60.0
SHOWN = 5  # names in a line of the log
_EVENTS = libca.DBE_VALUE | libca.DBE_ALARM


class _Kind:
    """Structures of one native type: one element each, or counted. `pending` holds the latest by slot."""

    def __init__(self, native: int, refused: Callable[[int], None], *, scalar: bool) -> None:
        self.native = native
        self.scalar = scalar
        self.pending: dict[int, Any] = {}
        self.received = [0]  # libca delivers one event after another, so counting needs no lock
        self.taken = 0
        make = _scalar_callback if scalar else _array_callback
        self.handler = libca.EventHandler(make(native, self.pending, self.received, refused))

    @property
    def coalesced(self) -> int:
        """Events whose value a later one replaced before anybody took it; a few more while one arrives."""
        return self.received[0] - self.taken - len(self.pending)

    def take(self) -> tuple[list[int], list[Any]]:
        """Slots and what is pending for them, taken out."""
        slots = list(self.pending)
        values = list(map(self.pending.pop, slots, repeat(None)))
        if None in values:  # taken out by the CA thread in between
            kept = [(slot, value) for slot, value in zip(slots, values, strict=True) if value is not None]
            slots, values = [slot for slot, _ in kept], [value for _, value in kept]
        self.taken += len(slots)
        return slots, values


def _scalar_callback(
    native: int, pending: dict[int, Any], received: list[int], refused: Callable[[int], None]
) -> Callable[[libca.EventArguments], None]:
    bytes_at, size = libca.bytes_at, dbr.time_size(native, 1)

    def on_event(arguments: libca.EventArguments) -> None:
        address = arguments.dbr
        if address:
            pending[arguments.usr] = bytes_at(address, size)
            received[0] += 1
        elif arguments.status == libca.ECA_NORDACCESS:
            refused(arguments.usr)

    return on_event


def _array_callback(
    native: int, pending: dict[int, Any], received: list[int], refused: Callable[[int], None]
) -> Callable[[libca.EventArguments], None]:
    bytes_at, time_size = libca.bytes_at, dbr.time_size

    def on_event(arguments: libca.EventArguments) -> None:
        address = arguments.dbr
        if address:
            count = arguments.count
            pending[arguments.usr] = (count, bytes_at(address, time_size(native, count)))
            received[0] += 1
        elif arguments.status == libca.ECA_NORDACCESS:
            refused(arguments.usr)

    return on_event


class CtypesIngest:
    """Monitors over Channel Access. What begins with an underscore and `channels_...` run on the CA thread."""

    kind = "ctypes"

    def __init__(self, access: ChannelAccess) -> None:
        self._access = access
        access.follow(self)
        self._scalars = [_Kind(native, self._refused, scalar=True) for native in dbr.NATIVE_TYPES]
        self._arrays = [_Kind(native, self._refused, scalar=False) for native in dbr.NATIVE_TYPES]
        self._monitored: dict[int, Channel] = {}
        self._subscriptions: dict[int, tuple[int, _Kind]] = {}
        self._states = np.zeros(1024, np.uint8)
        self._changed_states: dict[int, bool] = {}
        self._controls: deque[tuple[int, Slots, Rows]] = deque()
        self._forgotten: deque[int] = deque()
        self._next_refresh = 0.0
        self._live = LiveRows()
        self._drain_lock = threading.Lock()
        self._coalesced = 0

    def __len__(self) -> int:
        return len(self._monitored)

    # asked from any thread

    @property
    def coalesced(self) -> int:
        """Updates that a later one replaced before a drain; never fewer than it said before."""
        self._coalesced = max(self._coalesced, sum(kind.coalesced for kind in (*self._scalars, *self._arrays)))
        return self._coalesced

    def monitor(self, add: Sequence[tuple[int, str]], remove: Sequence[int]) -> None:
        """Removals first, then additions; a slot that is already watched under the name is left alone."""
        self._access.post(self._change, list(add), list(remove))

    def resubscribe(self, slots: Sequence[int]) -> None:
        """Each delivers its present value again."""
        self._access.post(self._renew, list(slots))

    def drain(self) -> Changes:
        """Everything that changed since the last drain. Never waits for the CA thread."""
        with self._drain_lock:
            self._drop_forgotten()
            for kind in self._scalars:
                self._drain_scalars(kind)
            for kind in self._arrays:
                self._drain_arrays(kind)
            self._drain_states()
            self._drain_controls()
            return self._live.take()

    # draining

    def _drop_forgotten(self) -> None:
        while self._forgotten:
            slot = self._forgotten.popleft()
            if slot not in self._monitored:
                self._live.forget(slot)

    def _drain_scalars(self, kind: _Kind) -> None:
        taken, structures = kind.take()
        if not taken:
            return
        slots = np.array(taken, np.int32)
        stamped = np.frombuffer(b"".join(structures), dbr.TIME_LAYOUTS[kind.native])
        rows = empty_rows(len(slots))
        rows["received_ns"] = time.time_ns()
        texts = dbr.scalar_rows(kind.native, stamped, rows)
        if texts is not None:
            self._live.put_objects(taken, texts)
        self._live.put_rows(slots, rows, self._states[slots])

    def _drain_arrays(self, kind: _Kind) -> None:
        taken, structures = kind.take()
        if not taken:
            return
        slots = np.array(taken, np.int32)
        rows, values = empty_rows(len(slots)), []
        rows["received_ns"] = time.time_ns()
        for at, (slot, (count, raw)) in enumerate(zip(taken, structures, strict=True)):
            channel = self._monitored.get(slot)
            text = channel is not None and channel.long_string
            values.append(dbr.array_row(kind.native, count, raw, long_string=text, row=rows[at : at + 1]))
        self._live.put_objects(taken, values)
        self._live.put_rows(slots, rows, self._states[slots])

    def _drain_states(self) -> None:
        taken = list(self._changed_states)
        for slot in taken:
            self._changed_states.pop(slot, None)
        if taken:
            slots = np.array(taken, np.int32)
            self._live.put_states(slots, self._states[slots])

    def _drain_controls(self) -> None:
        while self._controls:
            native, slots, control = self._controls.popleft()
            if native == dbr.STRING:
                self._live.put_meta(slots, empty_meta(len(slots)))
            else:
                self._live.put_meta(slots, dbr.meta_rows(native, control, self._live.interned))

    # on the CA thread

    def _change(self, add: Sequence[tuple[int, str]], remove: Sequence[int]) -> None:
        self._remove(slot for slot in remove if slot in self._monitored)
        wanted = [(slot, name) for slot, name in add if self._free_for(slot, name)]
        if not wanted:
            return
        self._reserve(max(slot for slot, _ in wanted))
        channels = self._access.channels.acquire(name for _, name in wanted)
        for (slot, _), channel in zip(wanted, channels, strict=True):
            channel.slot = slot
            self._monitored[slot] = channel
        self.channels_connected([channel for channel in channels if channel.connected])

    def _free_for(self, slot: int, name: str) -> bool:
        present = self._monitored.get(slot)
        if present is None:
            return True
        if present.name != name:
            self._remove([slot])
            return True
        return False

    def _remove(self, slots: Iterable[int]) -> None:
        for slot in list(slots):
            channel = self._monitored.pop(slot)
            self._unsubscribe(slot)
            self._states[slot] = 0
            channel.slot = -1
            self._access.channels.release([channel])
            self._forgotten.append(slot)

    def _reserve(self, slot: int) -> None:
        if slot >= len(self._states):
            grown = np.zeros(max(slot + 1, 2 * len(self._states)), np.uint8)
            grown[: len(self._states)] = self._states
            self._states = grown

    def _unsubscribe(self, slot: int) -> None:
        subscription = self._subscriptions.pop(slot, None)
        if subscription is not None:
            event_id, kind = subscription
            libca.clear_subscription(event_id)
            kind.pending.pop(slot, None)  # of another type, perhaps

    def _renew(self, slots: Sequence[int]) -> None:
        channels = [self._monitored[slot] for slot in slots if slot in self._monitored]
        for channel in channels:
            self._unsubscribe(channel.slot)
        self.channels_connected([channel for channel in channels if channel.connected])

    def channels_connected(self, channels: Sequence[Channel]) -> None:
        """Subscribes those that are monitored, and reads their metadata."""
        mine = [channel for channel in channels if channel.slot >= 0 and channel.connected]
        log.debug("%d channels connected: %s", len(mine), _some(mine))
        for channel in mine:
            self._states[channel.slot] = _state(channel)
            self._subscribe(channel)
        if mine:
            self._access.begin(MetadataRead(mine, self._note_controls))

    def _subscribe(self, channel: Channel) -> None:
        kind = (self._scalars if channel.scalar else self._arrays)[channel.native]
        # libca renews a subscription on reconnection, but its answer may be here, and drained as that of a channel
        # still down, before we hear of the connection: a quiet channel would then stay down. A new one answers after
        self._unsubscribe(channel.slot)
        event_id = ctypes.c_size_t()
        count = 1 if kind.scalar else 0  # 0: as many as there are
        status = libca.create_subscription(
            dbr.TIME + channel.native, count, channel.chid, _EVENTS, kind.handler, channel.slot, ctypes.byref(event_id)
        )
        if status == libca.ECA_NORMAL:
            self._subscriptions[channel.slot] = (event_id.value, kind)

    def _note_controls(self, native: int, channels: Sequence[Channel], control: Rows) -> None:
        still = np.array([channel.slot >= 0 for channel in channels], bool)
        slots = np.array([channel.slot for channel in channels if channel.slot >= 0], np.int32)
        self._controls.append((native, slots, control[still]))

    def channels_disconnected(self, channels: Sequence[Channel]) -> None:
        """Their last value stays, without CONNECTED."""
        log.debug("%d channels lost: %s", len(channels), _some(channels))
        for channel in channels:
            if channel.slot >= 0:
                self._states[channel.slot] = 0
                self._changed_states[channel.slot] = True

    def _refused(self, slot: int) -> None:
        """On a thread of libca: the right to read was taken away."""
        self._access.post(self._note_refusal, slot)

    def _note_refusal(self, slot: int) -> None:
        if slot in self._monitored:
            self._states[slot] = 0
            self._changed_states[slot] = True

    def keep_house(self, now: float) -> None:
        """Refreshes metadata and access rights once in a while."""
        if now < self._next_refresh:
            return
        due, self._next_refresh = self._next_refresh > 0, now + METADATA_REFRESH_S
        channels = [channel for channel in self._monitored.values() if channel.connected]
        if not due or not channels:
            return
        for channel in channels:
            state = _state(channel)
            if state != self._states[channel.slot]:
                self._states[channel.slot] = state
                self._changed_states[channel.slot] = True
        self._access.begin(MetadataRead(channels, self._note_controls))


def _some(channels: Sequence[Channel]) -> str:
    names = ", ".join(channel.name for channel in channels[:SHOWN])
    return names if len(channels) <= SHOWN else f"{names}, ..."


def _state(channel: Channel) -> np.uint8:
    readable = Flag.CONNECTED if libca.read_access(channel.chid) else 0
    writable = Flag.WRITABLE if libca.write_access(channel.chid) else 0
    return np.uint8(readable | writable)
